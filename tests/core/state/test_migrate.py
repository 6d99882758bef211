"""Migrations: they make what the tables say, run once however many run them, and never go back in time."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.current import ensure_current, run_migrations
from mcp_gateway.core.state.database import Database
from mcp_gateway.core.state.migrate import alembic_config
from mcp_gateway.core.state.revision import REVISIONS, VERSION_TABLE, Standing, standing
from mcp_gateway.core.state.tables import METADATA
from tests.support_postgres import postgres
from tests.support_state import KINDS


@pytest.fixture(params=KINDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Secret]:
    """A database without tables, of each kind."""
    if request.param == "sqlite":
        yield Secret(f"sqlite:///{tmp_path}/empty.db")
        return
    server = postgres()
    server.sql("CREATE DATABASE empty")
    yield server.url("empty")
    server.sql("DROP DATABASE empty WITH (FORCE)")


def test_the_revisions_are_those_of_the_scripts() -> None:
    directory = ScriptDirectory.from_config(alembic_config())
    scripts = [script.revision for script in directory.walk_revisions()]
    assert tuple(reversed(scripts)) == REVISIONS
    assert directory.get_current_head() == REVISIONS[-1]


def schema(path: Path) -> set[str]:
    """What SQLite says a file's tables and indexes are, spacing and quotes aside."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {" ".join(sql.replace('"', "").replace("( ", "(").split()) for (sql,) in found}


async def test_an_empty_embedded_database_is_made_as_migrating_would_make_it(tmp_path: Path) -> None:
    made, migrated = (Secret(f"sqlite:///{tmp_path}/{name}.db") for name in ("made", "migrated"))
    databases = [Database(made, seconds=30) for _ in range(4)]
    await asyncio.gather(*(ensure_current(database, made) for database in databases))  # at once, as replicas start
    assert await standing(databases[0]) == (Standing.CURRENT, REVISIONS[-1])
    for database in databases:
        await database.close()
    await run_migrations(migrated)
    assert {sorted_columns(sql) for sql in schema(tmp_path / "made.db")} == {
        sorted_columns(sql) for sql in schema(tmp_path / "migrated.db")
    }


def sorted_columns(sql: str) -> str:
    """A definition with its parts in one order, without the names that SQLAlchemy leaves to the database."""
    head, _, body = re.sub(r"CONSTRAINT \S+ ", "", sql).partition("(")
    return head + "(" + ",".join(sorted(part.strip() for part in body.rstrip(") ").split(",")))


async def test_migrating_makes_the_tables_as_they_are_declared(empty_url: Secret) -> None:
    await run_migrations(empty_url)
    database = Database(empty_url)
    differences = await database.read(
        lambda on: on.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(sync, opts={"version_table": VERSION_TABLE, "compare_type": True}), METADATA
            )
        )
    )
    assert differences == []
    assert await standing(database) == (Standing.CURRENT, REVISIONS[-1])
    await database.close()


async def test_several_that_migrate_at_once_end_well(empty_url: Secret) -> None:
    await asyncio.gather(*(run_migrations(empty_url) for _ in range(3)))
    database = Database(empty_url)
    assert (await standing(database))[0] is Standing.CURRENT
    await database.close()


async def test_an_embedded_database_is_brought_up_to_date_and_others_are_for_an_administrator(
    empty_url: Secret,
) -> None:
    database = Database(empty_url)
    if database.embedded:
        await ensure_current(database, empty_url)
        assert (await standing(database))[0] is Standing.CURRENT
    else:
        with pytest.raises(ConfigurationError, match=r"no tables yet \(run `mcp-gateway migrate`\)"):
            await ensure_current(database, empty_url)
        assert await standing(database) == (Standing.BEHIND, None)
    await database.close()


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(state_url: Secret) -> None:
    database = Database(state_url)
    await database.write(lambda on: on.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")))
    with pytest.raises(ConfigurationError, match="newer version"):
        await ensure_current(database, state_url)
    with pytest.raises(ConfigurationError, match="newer version"):
        await run_migrations(state_url)
    assert await standing(database) == (Standing.AHEAD, "9999")
    await database.close()


async def test_a_migration_that_cannot_run_says_so_without_the_address() -> None:
    with pytest.raises(ConfigurationError, match="could not be brought up to date") as refusal:
        await run_migrations(Secret("postgresql://gateway:canary-dsn@127.0.0.1:1/none"))
    assert "canary-dsn" not in str(refusal.value)


def test_what_serves_does_not_hold_alembic() -> None:
    check = (
        "import sys, mcp_gateway.app, mcp_gateway.cli.main, mcp_gateway.envelopes.identity.state; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert "sqlalchemy" in done.stdout.split()
    assert "alembic" not in done.stdout.split()


def to_revision(connection: Connection, revision: str) -> None:
    """Bring a database as far as an older version of the gateway does."""
    directory = ScriptDirectory.from_config(alembic_config())
    with EnvironmentContext(
        alembic_config(), directory, fn=lambda found, _: directory._upgrade_revs(revision, found)
    ) as environment:
        environment.configure(connection=connection, version_table=VERSION_TABLE)
        environment.run_migrations()


@pytest.mark.parametrize("revision", REVISIONS[:-1])
async def test_what_an_older_version_kept_is_there_after_migrating(empty_url: Secret, revision: str) -> None:
    database = Database(empty_url)
    await database.write(lambda on: on.run_sync(to_revision, revision))
    assert await standing(database) == (Standing.BEHIND, revision)
    await database.write(lambda on: on.execute(text("INSERT INTO mcp_flows VALUES ('t', 'digest', 'sealed', 1.5)")))
    await run_migrations(empty_url)
    assert await standing(database) == (Standing.CURRENT, REVISIONS[-1])
    kept = await database.read(lambda on: on.execute(text("SELECT * FROM mcp_flows")))
    assert [tuple(row) for row in kept.all()] == [("t", "digest", "sealed", 1.5)]
    await database.close()
