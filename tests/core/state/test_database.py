"""A database that is locked, gone, full of waiting or read-only: refused in time, nothing quoted, recovered from."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import time
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs

from mcp_gateway.core.errors import ConfigurationError, IdentityUnavailable
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.database import Database
from mcp_gateway.core.state.revision import Standing, standing
from tests.support_postgres import postgres
from tests.support_state import sqlite_url

SOON = 0.5
"""Seconds that the units of work of these tests may take."""


async def put(on: AsyncConnection) -> None:
    await on.execute(text("INSERT INTO mcp_flows VALUES ('t', 'd', 's', 1.0)"))


async def count(on: AsyncConnection) -> int:
    return await on.scalar(text("SELECT count(*) FROM mcp_flows")) or 0


async def refused(database: Database) -> str:
    """The kind of failure that a write ends with, as it is logged."""
    with capture_logs() as logs, pytest.raises(IdentityUnavailable) as refusal:
        await database.write(put)
    assert refusal.value.__cause__ is None
    assert refusal.value.__context__ is None
    return str(logs[-1]["kind"])


async def test_what_returns_is_committed_and_what_raises_is_rolled_back(state_url: Secret) -> None:
    database = Database(state_url)

    async def half(on: AsyncConnection) -> None:
        await put(on)
        raise LookupError("half-way")

    with pytest.raises(LookupError, match="half-way"):
        await database.write(half)
    assert await database.read(count) == 0
    await database.write(put)
    assert await database.read(count) == 1
    await database.close()


async def test_the_clock_is_the_databases_in_unix_seconds(state_url: Secret) -> None:
    database = Database(state_url)
    now = await database.read(lambda on: on.scalar(select(database.now)))
    assert isinstance(now, float) and abs(now - time.time()) < 60
    await database.close()


async def test_many_at_once_wait_for_their_turn(state_url: Secret) -> None:
    database = Database(state_url)

    async def one(number: int) -> None:
        values = {"digest": str(number)}
        await database.write(
            lambda on: on.execute(text("INSERT INTO mcp_flows VALUES ('t', :digest, 's', 1.0)"), values)
        )
        await database.read(count)

    await asyncio.gather(*(one(number) for number in range(60)))
    assert await database.read(count) == 60
    await database.close()


async def test_a_unit_of_work_that_takes_too_long_is_ended(state_url: Secret) -> None:
    database = Database(state_url, seconds=SOON)
    never = asyncio.Event()

    async def work(on: AsyncConnection) -> None:
        await put(on)
        await never.wait()

    with pytest.raises(IdentityUnavailable):
        await database.write(work)
    assert await database.read(count) == 0
    await database.write(put)
    await database.close()


async def test_a_cancelled_unit_of_work_leaves_nothing_behind(state_url: Secret) -> None:
    database = Database(state_url)
    began, never = asyncio.Event(), asyncio.Event()

    async def work(on: AsyncConnection) -> None:
        await put(on)
        began.set()
        await never.wait()

    task = asyncio.create_task(database.write(work))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await database.read(count) == 0
    await database.write(put)
    await database.close()


async def test_used_up_connections_are_refused_and_come_back(state_url: Secret) -> None:
    database = Database(state_url, seconds=SOON)
    release = asyncio.Event()

    async def hold(on: AsyncConnection) -> None:
        await count(on)
        await release.wait()

    holding = [asyncio.create_task(database.read(hold)) for _ in range(20)]
    done = await asyncio.gather(*holding, return_exceptions=True)
    assert all(isinstance(each, IdentityUnavailable) for each in done)
    assert await database.read(count) == 0
    await database.close()


async def test_a_lock_of_somebody_else_on_the_file_is_waited_for_in_bounds(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    database = Database(url, seconds=SOON)
    other = sqlite3.connect(url.reveal().removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert await refused(database) == "OperationalError"
    assert await database.read(count) == 0  # readers do not wait for a writer
    other.execute("ROLLBACK")
    other.close()
    await database.write(put)
    await database.close()


async def test_a_lock_on_a_hot_row_is_waited_for_in_bounds(tmp_path: Path) -> None:
    server = postgres()
    name = "hot_row"
    server.sql(f"CREATE DATABASE {name}")
    server.sql("CREATE TABLE mcp_flows (tenant text, digest text PRIMARY KEY, sealed text, expires_at float8)", name)
    holder, database = Database(server.url(name), seconds=20), Database(server.url(name), seconds=SOON)
    locked, release = asyncio.Event(), asyncio.Event()

    async def hold(on: AsyncConnection) -> None:
        await put(on)
        locked.set()
        await release.wait()

    holding = asyncio.create_task(holder.write(hold))
    await locked.wait()
    assert await refused(database) == "LockNotAvailableError/55P03"
    release.set()
    await holding
    assert await database.read(count) == 1
    await holder.close()
    await database.close()
    server.sql(f"DROP DATABASE {name} WITH (FORCE)")


async def test_a_read_only_server_is_refused_for_writes_and_left_when_it_recovers() -> None:
    server = postgres()
    server.sql("CREATE DATABASE failed_over")
    server.sql("CREATE TABLE mcp_flows (tenant text, digest text, sealed text, expires_at float8)", "failed_over")
    server.sql("ALTER DATABASE failed_over SET default_transaction_read_only = on")
    database = Database(server.url("failed_over"))
    assert await database.read(count) == 0
    assert await refused(database) == "ReadOnlySQLTransactionError/25006"
    server.sql("ALTER DATABASE failed_over RESET default_transaction_read_only")
    await database.write(put)
    await database.close()
    server.sql("DROP DATABASE failed_over WITH (FORCE)")


async def test_a_server_that_goes_and_comes_is_refused_and_used_again() -> None:
    server = postgres()
    server.sql("CREATE DATABASE restarted")
    server.sql("CREATE TABLE mcp_flows (tenant text, digest text, sealed text, expires_at float8)", "restarted")
    database = Database(server.url("restarted"))
    await asyncio.gather(*(database.read(count) for _ in range(8)))
    server.stop()
    try:
        assert await refused(database)
    finally:
        server.start()
    await database.write(put)
    assert await asyncio.gather(*(database.read(count) for _ in range(8))) == [1] * 8
    await database.close()
    server.sql("DROP DATABASE restarted WITH (FORCE)")


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://gateway:canary-dsn@127.0.0.1:1/none",
        "postgresql://gateway:canary-dsn@nowhere.invalid/none",
        "postgresql://gateway:canary-dsn@[::bad/none",
        "postgres://gateway:canary-dsn@127.0.0.1:1/none?sslmode=canary-dsn",
        "postgresql://gateway:canary-dsn@127.0.0.1:99999/none",
        "sqlite:////proc/canary-dsn/a.db",
    ],
)
async def test_no_failure_quotes_the_address(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    with capture_logs() as logs:
        try:
            database = Database(Secret(address), seconds=SOON)
            await refused(database)
            await database.close()
        except ConfigurationError as error:
            assert address.startswith("sqlite")
            assert "canary-dsn" not in str(error)
            assert error.__cause__ is None and error.__suppress_context__
    printed = capfd.readouterr()
    assert "canary-dsn" not in str(logs) + printed.out + printed.err


async def test_a_wrong_password_is_named_by_kind_and_not_quoted() -> None:
    server = postgres()
    database = Database(server.url(password="canary-wrong"))
    assert await refused(database) == "InvalidPasswordError/28P01"
    await database.close()


async def test_the_file_of_an_embedded_database_is_for_its_owner_only(tmp_path: Path) -> None:
    database = Database(Secret(f"sqlite:///{tmp_path}/data/a.db"))
    await database.write(lambda on: on.execute(text("CREATE TABLE t (a)")))
    assert stat.S_IMODE(os.stat(tmp_path / "data").st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()}
    assert set(modes) == {"a.db", "a.db-wal", "a.db-shm"}
    assert set(modes.values()) == {0o600}
    await database.close()


async def test_an_embedded_database_syncs_commits_and_overwrites_what_is_deleted(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path))

    async def told(on: AsyncConnection) -> list[object]:
        return [await on.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous", "secure_delete")]

    assert await database.read(told) == ["wal", 2, 1]
    await database.close()


async def test_a_database_that_somebody_else_is_making_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "busy.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("CREATE TABLE other (id INTEGER)")
    database = Database(Secret(f"sqlite:///{path}"), seconds=20)
    asked = asyncio.ensure_future(standing(database))
    done, _ = await asyncio.wait({asked}, timeout=0.2)
    assert not done
    other.execute("COMMIT")
    other.close()
    assert (await asked)[0] is Standing.BEHIND
    await database.close()
