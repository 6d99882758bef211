"""Many rows in one statement: a parameter for each value, bound by the driver, or one parameter that is JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import orjson
from sqlalchemy import JSON, BigInteger, CursorResult, Double, Table, Text, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from mcp_gateway.core.state.database import Database

_TYPES: Final[Mapping[type[TypeEngine[Any]], str]] = MappingProxyType(
    {Text: "text", BigInteger: "bigint", Double: "double precision", JSON: "jsonb"}
)
"""What PostgreSQL calls the types that our tables have."""


class InsertMany:
    """An INSERT of many rows in one statement. `then` is what follows: what to do on a conflict, what to return.

    SQLite takes values as they are, which costs it a fraction of reading them out of JSON; PostgreSQL takes one array.
    """

    __slots__ = ("_embedded", "_json", "_names", "_one", "_statement", "_table", "_then")

    def __init__(self, database: Database, table: Table, then: str) -> None:
        columns = [column for column in table.columns if column.name != "tenant"]
        self._embedded = database.embedded
        self._table = table.name
        self._then = then
        self._names = tuple(column.name for column in columns)
        self._json = frozenset(column.name for column in columns if isinstance(column.type, JSON))
        self._one = f"({', '.join('?' for _ in (None, *columns))})"
        named = ", ".join(f'"{name}"' for name in self._names)
        self._statement = f"INSERT INTO {table.name} (tenant, {named})"
        if not self._embedded:
            typed = ", ".join(f'"{column.name}" {_TYPES[type(column.type)]}' for column in columns)
            given = f"jsonb_to_recordset(CAST(:rows AS jsonb)) AS given({typed})"
            self._statement += f" SELECT :tenant, {named} FROM {given} {then}"

    async def __call__(self, on: AsyncConnection, tenant: str, rows: Sequence[Mapping[str, Any]]) -> CursorResult[Any]:
        """Insert `rows`, each with all columns but `tenant`; at most a thousand."""
        if not self._embedded:
            return await on.execute(text(self._statement), {"tenant": tenant, "rows": orjson.dumps(rows).decode()})
        values: list[Any] = []
        for row in rows:
            values.append(tenant)
            values += [orjson.dumps(row[n]).decode() if n in self._json else row[n] for n in self._names]
        places = ", ".join([self._one] * len(rows))
        return await on.exec_driver_sql(f"{self._statement} VALUES {places} {self._then}", tuple(values))
