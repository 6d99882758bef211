"""Which revision a database is at, and which one this version of the gateway needs. Alembic is not needed to know."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from sqlalchemy import Column, MetaData, String, Table, func, inspect, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mcp_gateway.core.state.database import Database
from mcp_gateway.core.state.tables import METADATA

REVISIONS: Final = ("0001", "0002")
"""All that this version knows, oldest first; the last one is what it needs. A test compares it with the scripts."""

VERSION_TABLE: Final = "mcp_revision"


@dataclass(frozen=True, slots=True)
class Schema:
    """Tables that are migrated together, apart from others in the same database. `folder` has their revisions."""

    name: str
    folder: str
    version_table: str
    revisions: tuple[str, ...]

    @property
    def versions(self) -> Table:
        """The table that says which revision a database is at."""
        return Table(self.version_table, MetaData(), Column("version_num", String(32), primary_key=True))


STATE: Final = Schema("state", "migrations", VERSION_TABLE, REVISIONS)
AUDIT: Final = Schema("audit", "audit_migrations", "mcp_audit_revision", ("0001",))
"""Copies of the record of calls, in whatever database they are shipped to."""


class Standing(Enum):
    """A database as seen from this version of the gateway."""

    CURRENT = "current"
    BEHIND = "behind"
    """Empty or of an older version: `mcp-gateway migrate` brings it up to date."""
    AHEAD = "ahead"
    """Made by a newer version, which this one must not touch."""


async def standing(database: Database, schema: Schema = STATE) -> tuple[Standing, str | None]:
    """How the database stands, and the revision it is at. Raises `IdentityUnavailable`."""
    return await database.read(lambda on: read_standing(on, schema))


async def make_tables(database: Database) -> None:
    """Make the tables of an empty embedded database at once: what there is nothing to migrate from needs no Alembic.

    Touches nothing if there is a table already. Raises `IdentityUnavailable`.
    """

    async def work(connection: AsyncConnection) -> None:
        if await connection.run_sync(lambda sync: inspect(sync).get_table_names()):
            return
        await connection.run_sync(METADATA.create_all)
        versions = STATE.versions
        await connection.run_sync(versions.create)
        await connection.execute(versions.insert().values(version_num=REVISIONS[-1]))

    await database.write(work)


async def read_standing(connection: AsyncConnection, schema: Schema = STATE) -> tuple[Standing, str | None]:
    """The same over one connection, inside of whatever transaction it has."""
    if not await connection.run_sync(lambda sync: inspect(sync).has_table(schema.version_table)):
        return Standing.BEHIND, None
    found = await connection.scalar(select(func.max(schema.versions.c.version_num)))
    if found is None:
        return Standing.BEHIND, None
    if found not in schema.revisions:
        return Standing.AHEAD, found
    return (Standing.CURRENT if found == schema.revisions[-1] else Standing.BEHIND), found
