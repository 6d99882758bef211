"""`mcp-gateway migrate`: bring the database to the revision that this version of the gateway needs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import orjson
import typer

from mcp_gateway.cli.logs import configure
from mcp_gateway.cli.state import NO, SECONDS, refused, settings_of, stopped
from mcp_gateway.core.errors import ConfigurationError, IdentityUnavailable
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.current import run_migrations
from mcp_gateway.core.state.database import Database
from mcp_gateway.core.state.revision import REVISIONS, Standing, standing

_SAID: Final[Mapping[Standing, str]] = {
    Standing.CURRENT: "The database is up to date.",
    Standing.BEHIND: "The database is behind: run `mcp-gateway migrate`.",
    Standing.AHEAD: "The database was made by a newer version of the gateway.",
}


def migrate(
    config: Path = typer.Option("gateway.yaml", "--config", "-c", help="The gateway's configuration file."),
    check: bool = typer.Option(False, "--check", help="Change nothing; leave with 1 if there is something to do."),
    json_: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    """Bring the tables of state.database up to date. Needed for PostgreSQL; SQLite is brought up to date at start.

    Safe to run several times and from several machines at once.
    """
    configure("warning")
    url = settings_of(config).state.database
    try:
        before, found, revision = asyncio.run(_migrate(url, change=not check))
    except ConfigurationError as error:
        raise refused(error) from None
    except IdentityUnavailable as error:
        raise stopped(error.message) from None
    if json_:
        facts = {"state": found.value, "revision": revision, "needed": REVISIONS[-1], "changed": before is not found}
        sys.stdout.write(orjson.dumps(facts, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        typer.echo(_SAID[found], err=found is not Standing.CURRENT)
    if found is not Standing.CURRENT:
        raise typer.Exit(NO if check else 2)


async def _migrate(url: Secret, *, change: bool) -> tuple[Standing, Standing, str | None]:
    """How the database stood and how it stands, with its revision."""
    database = Database(url, seconds=SECONDS)
    try:
        before, revision = await standing(database)
        if not change or before is not Standing.BEHIND:
            return before, before, revision
        await run_migrations(url)
        return before, *await standing(database)
    finally:
        await database.close()
