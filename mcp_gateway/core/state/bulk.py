"""Many rows in one statement with one parameter, JSON that the database takes apart itself.

Statements with a parameter for each value cost this process ten times as much, which serves requests meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Double, Table, Text, TextClause, text
from sqlalchemy.types import TypeEngine

from mcp_gateway.core.state.database import Database

_TYPES: Final[Mapping[type[TypeEngine[Any]], str]] = MappingProxyType(
    {Text: "text", BigInteger: "bigint", Double: "double precision", JSON: "jsonb"}
)
"""What PostgreSQL calls the types that our tables have."""


def insert_many(database: Database, table: Table, then: str) -> TextClause:
    """An INSERT of `:rows`, a JSON array of objects that have all columns but `tenant`, which is `:tenant`.

    `then` is what follows: what to do on a conflict, what to return.
    """
    columns = [column for column in table.columns if column.name != "tenant"]
    names = ", ".join(f'"{column.name}"' for column in columns)
    if database.embedded:
        picked = ", ".join(f"json_extract(value, '$.{column.name}')" for column in columns)
        source = f"SELECT :tenant, {picked} FROM json_each(:rows) WHERE true"
    else:
        typed = ", ".join(f'"{column.name}" {_TYPES[type(column.type)]}' for column in columns)
        source = f"SELECT :tenant, {names} FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given({typed})"
    return text(f"INSERT INTO {table.name} (tenant, {names}) {source} {then}")
