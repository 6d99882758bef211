"""`mcp-gateway migrate`: bring the database to the revision that this version of the gateway needs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from mcp_gateway.core.state.revision import AUDIT, STATE, Schema, Standing, standing
from mcp_gateway.settings.settings import Settings

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

    And those of databases that the record of calls is shipped to (`telemetry.audit.ship`).

    Safe to run several times and from several machines at once.
    """
    configure("warning")
    settings = settings_of(config)
    try:
        found = asyncio.run(_all(settings, change=not check))
    except ConfigurationError as error:
        raise refused(error) from None
    except IdentityUnavailable as error:
        raise stopped(error.message) from None
    state, *copies = found
    if json_:
        facts = {**state.facts, **({"audit": [each.facts for each in copies]} if copies else {})}
        sys.stdout.write(orjson.dumps(facts, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        for each in found:
            where = f"{each.name}: " if copies else ""
            typer.echo(f"{where}{_SAID[each.now]}", err=each.now is not Standing.CURRENT)
    if any(each.now is not Standing.CURRENT for each in found):
        raise typer.Exit(NO if check else 2)


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of one database."""

    name: str
    schema: Schema
    before: Standing
    now: Standing
    revision: str | None

    @property
    def facts(self) -> dict[str, object]:
        name = {} if self.schema is STATE else {"name": self.name}
        changed, needed = self.before is not self.now, self.schema.revisions[-1]
        return {**name, "state": self.now.value, "revision": self.revision, "needed": needed, "changed": changed}


async def _all(settings: Settings, *, change: bool) -> Sequence[_Done]:
    """The state's database first."""
    done = [await _migrate("state.database", settings.state.database, STATE, change=change)]
    for each in settings.telemetry.audit.ship:
        if each.to.kind == "postgresql":
            done.append(await _migrate(each.called, each.to.address, AUDIT, change=change))
    return done


async def _migrate(name: str, url: Secret, schema: Schema, *, change: bool) -> _Done:
    """How the database stood and how it stands, with its revision."""
    database = Database(url, seconds=SECONDS)
    try:
        before, revision = await standing(database, schema)
        if not change or before is not Standing.BEHIND:
            return _Done(name, schema, before, before, revision)
        await run_migrations(url, schema, name)
        return _Done(name, schema, before, *await standing(database, schema))
    finally:
        await database.close()
