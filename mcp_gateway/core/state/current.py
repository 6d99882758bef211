"""A database that is at the revision this version needs: made so if it is embedded, demanded otherwise."""

from __future__ import annotations

import asyncio
import sys
from typing import Final

from mcp_gateway.core.errors import ConfigurationError, Problem
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.database import Database
from mcp_gateway.core.state.revision import STATE, Schema, Standing, make_tables, standing

_WHERE: Final = "state.database"


async def ensure_current(database: Database, url: Secret) -> None:
    """Return when the tables are there. Raises `ConfigurationError` where they cannot be, `IdentityUnavailable`.

    An embedded database is made if it is empty, and brought up to date by a child process if it is old; for any other
    an administrator does that, when no replica of an older version runs any more.
    """
    found, revision = await standing(database)
    if found is Standing.BEHIND and revision is None and database.embedded:
        await make_tables(database)
        found, revision = await standing(database)
    if found is Standing.BEHIND and database.embedded:
        await run_migrations(url)
        found, revision = await standing(database)
    if found is Standing.AHEAD:
        raise _refused(f"the database was made by a newer version of the gateway (revision {revision})")
    if found is Standing.BEHIND:
        state = "has no tables yet" if revision is None else f"is at revision {revision}, of an older version"
        raise _refused(f"the database {state}", "run `mcp-gateway migrate`")


async def run_migrations(url: Secret, schema: Schema = STATE, where: str = _WHERE) -> None:
    """Run `core.state.migrate` on the database. Raises `ConfigurationError` with what it says, about `where`."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        # What lies in the working directory is not the gateway's.
        "-P",
        "-m",
        "mcp_gateway.core.state.migrate",
        schema.name,
        # The URL may hold a password: not on a command line, which every user of the machine can read.
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await child.communicate(url.reveal().encode() + b"\n")
    if child.returncode == 0:
        return
    # Its own refusals are one line; a traceback of a defect is not for the public and could hold anything.
    last = said.decode("utf-8", "replace").strip()
    reason = last if child.returncode == 2 and "\n" not in last else f"the process ended with {child.returncode}"
    raise _refused(f"the database could not be brought up to date: {reason}", where=where)


def _refused(message: str, hint: str = "", where: str = _WHERE) -> ConfigurationError:
    return ConfigurationError([Problem(where, 0, 0, message, hint)])
