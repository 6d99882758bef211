"""`python -m mcp_gateway.core.state.migrate [audit]`: bring the database whose URL is on standard input up to date.

A process of its own, so that one that serves never holds Alembic. Safe to run several times at once. Exits with 0,
or with 2 and one line on standard error; no line quotes the URL.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any, Final

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from mcp_gateway.core.errors import ConfigurationError, IdentityUnavailable
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.database import Database
from mcp_gateway.core.state.revision import AUDIT, STATE, Schema, Standing, read_standing

SECONDS: Final = 300.0
"""The longest that a migration may take, waiting for another one included."""

_LOCK: Final = 0x6D63705F67617465
"""PostgreSQL's advisory lock for migrations: any number that others are unlikely to use."""


def alembic_config(schema: Schema = STATE) -> Config:
    """Where the revisions are. There is no alembic.ini: nothing of this is for hands."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name(schema.folder)).replace("%", "%%"))
    return config


async def migrate(url: Secret, schema: Schema = STATE, *, seconds: float = SECONDS) -> Standing:
    """Run what is missing, in one transaction; returns how the database stood before.

    Raises `ConfigurationError` and `IdentityUnavailable`. Touches nothing if the database is ahead or current.
    """
    database = Database(url, seconds=seconds)

    async def work(connection: AsyncConnection) -> Standing:
        if not database.embedded:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        before, _ = await read_standing(connection, schema)
        if before is Standing.BEHIND:
            await connection.run_sync(_upgrade, schema)
        return before

    try:
        return await database.write(work)
    finally:
        await database.close()


def _upgrade(connection: Connection, schema: Schema) -> None:
    config = alembic_config(schema)
    directory = ScriptDirectory.from_config(config)

    def steps(revision: Any, context: MigrationContext) -> Any:
        return directory._upgrade_revs("head", revision)

    with EnvironmentContext(config, directory, fn=steps) as environment:
        environment.configure(connection=connection, version_table=schema.version_table)
        environment.run_migrations()


def main() -> int:
    """Read the URL, migrate, say in one line what went wrong."""
    url = Secret(sys.stdin.readline().rstrip("\n"))
    schema = AUDIT if sys.argv[1:] == [AUDIT.name] else STATE
    try:
        before = asyncio.run(migrate(url, schema))
    except (ConfigurationError, IdentityUnavailable) as error:
        print(error.message, file=sys.stderr)
        return 2
    if before is Standing.AHEAD:
        print("the database was made by a newer version of the gateway", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
