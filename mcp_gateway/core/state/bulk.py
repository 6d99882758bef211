"""Many rows in few statements: a parameter for each value, bound by the driver, or one parameter that is JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
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


_AT_ONCE: Final = (128, 32, 8, 1)
"""How many rows a statement for SQLite has. Its driver keeps what it has prepared, two kilobytes for each row: with a
statement for every number of rows that occurs, that would come to hundreds of megabytes."""


class InsertMany:
    """An INSERT of many rows. `then` is what follows: what to do on a conflict, which column to return.

    SQLite takes values as they are, which costs it a fraction of reading them out of JSON; PostgreSQL takes one array.
    """

    __slots__ = ("_embedded", "_json", "_read", "_statement", "_statements")

    def __init__(self, database: Database, table: Table, then: str) -> None:
        columns = [column for column in table.columns if column.name != "tenant"]
        self._embedded = database.embedded
        self._read = itemgetter(*(column.name for column in columns))
        # Where the values stand that have to be written as JSON, from the end of a row.
        self._json = tuple(at - len(columns) for at, each in enumerate(columns) if isinstance(each.type, JSON))
        named = ", ".join(f'"{column.name}"' for column in columns)
        self._statement = f"INSERT INTO {table.name} (tenant, {named})"
        one = f"({', '.join('?' for _ in (None, *columns))})"
        self._statements = [
            (count, f"{self._statement} VALUES {', '.join([one] * count)} {then}") for count in _AT_ONCE
        ]
        if not self._embedded:
            typed = ", ".join(f'"{column.name}" {_TYPES[type(column.type)]}' for column in columns)
            given = f"jsonb_to_recordset(CAST(:rows AS jsonb)) AS given({typed})"
            self._statement += f" SELECT :tenant, {named} FROM {given} {then}"

    async def __call__(self, on: AsyncConnection, tenant: str, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Insert `rows`, each with all columns but `tenant`; what is returned of them, if anything is.

        In a transaction: it may take several statements.
        """
        if not self._embedded:
            parameters = {"tenant": tenant, "rows": orjson.dumps(rows).decode()}
            return _returned(await on.execute(text(self._statement), parameters))
        found: list[Any] = []
        done = 0
        for count, statement in self._statements:
            while len(rows) - done >= count:
                values = self._values(tenant, rows[done : done + count])
                found += _returned(await on.exec_driver_sql(statement, values))
                done += count
        return found

    def _values(self, tenant: str, rows: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
        values: list[Any] = []
        for row in rows:
            values.append(tenant)
            values += self._read(row)
            for place in self._json:
                values[place] = orjson.dumps(values[place]).decode()
        return tuple(values)


def _returned(result: CursorResult[Any]) -> list[Any]:
    return list(result.scalars()) if result.returns_rows else []
