"""How a database is connected to: the driver, its pool and what each connection is told first."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy import URL, Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_only

from mcp_gateway.core.errors import ConfigurationError, Problem
from mcp_gateway.core.secret import Secret

SQLITE: Final = "sqlite:///"

DRIVER_FAILURES: Final[tuple[type[Exception], ...]] = (
    OSError,
    sqlite3.Error,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)
"""What drivers raise past SQLAlchemy, while connecting above all."""

_CONNECTIONS: Final = 5
"""Of one process, more than that only for a burst: what is asked is small, and warm calls ask nothing."""

_BURST: Final = 5
_RECYCLE_SECONDS: Final = 1800.0
"""Below what load balancers and firewalls in front of databases keep silent connections for."""

_AGAIN_SECONDS: Final = 0.02

_WRITE_AHEAD: Final = "PRAGMA journal_mode=WAL"
"""Readers and one writer at a time do not wait for each other."""

_PRAGMAS: Final = (
    # A claim or a rotated refresh token that a power cut takes back would be redeemed twice: sync at every commit.
    "PRAGMA synchronous=FULL",
    # Deleted means overwritten: the data key of a removed connection does not linger in free pages.
    "PRAGMA secure_delete=ON",
)


class BadAddress(OSError):
    """The driver cannot make sense of the database's URL."""


def make_engine(url: Secret, *, seconds: float) -> AsyncEngine:
    """An engine for `url`. Locks are waited for, and connections made, in less than `seconds`.

    Raises `ConfigurationError` where the file of an embedded database cannot be made.
    """
    text = url.reveal()
    if text.startswith(SQLITE):
        path = Path(text.removeprefix(SQLITE))
        make_file(path)
        return _sqlite(path, seconds)
    return _postgresql(url, seconds)


def make_file(path: Path) -> None:
    """Make an absent database file for its owner only; its journal files take over its mode."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        reason = f"cannot make or write the database file: {error.strerror}"
        raise ConfigurationError([Problem("state.database", 0, 0, reason)]) from None


def _sqlite(path: Path, seconds: float) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        pool_size=_CONNECTIONS,
        max_overflow=0,
        pool_timeout=seconds,
        # Statements commit by themselves unless a transaction was begun below; the driver begins none of its own.
        connect_args={"timeout": seconds * 0.6, "isolation_level": None},
        hide_parameters=True,
    )

    def tell(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        _write_ahead(cursor, seconds * 0.6)
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("writing"):
            # With the lock from its start, a transaction that reads and then writes is not refused half-way.
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine.sync_engine, "connect", tell)
    event.listen(engine.sync_engine, "begin", begin)
    return engine


def _write_ahead(cursor: DBAPICursor, seconds: float) -> None:
    """SQLite waits for locks everywhere but here, so that of several that make one database at once some would fail."""
    end = monotonic() + seconds
    while True:
        try:
            cursor.execute(_WRITE_AHEAD)
            return
        except sqlite3.OperationalError:
            if monotonic() >= end:
                raise
            await_only(asyncio.sleep(_AGAIN_SECONDS))


def _postgresql(url: Secret, seconds: float) -> AsyncEngine:
    return create_async_engine(
        # The address, and the password in it, is known to the driver alone: SQLAlchemy could quote it.
        "postgresql+asyncpg://",
        async_creator=connector(url, seconds),
        pool_size=_CONNECTIONS,
        max_overflow=_BURST,
        pool_timeout=seconds * 0.6,
        pool_recycle=_RECYCLE_SECONDS,
        # Connections that a restart of the server killed are replaced before they are used.
        pool_pre_ping=True,
        hide_parameters=True,
    )


def connector(url: Secret, seconds: float) -> Callable[[], Awaitable[Any]]:
    """What makes connections to a PostgreSQL, each bounded by `seconds` in all that it waits for."""
    millis = f"{int(seconds * 600)}ms"
    told = {
        "application_name": "mcp-gateway",
        "lock_timeout": millis,
        "statement_timeout": f"{int(seconds * 1000)}ms",
        "idle_in_transaction_session_timeout": f"{int(seconds * 2000)}ms",
        # Whatever the server's default: what was committed must survive it.
        "synchronous_commit": "on",
    }

    async def connect() -> Any:
        try:
            return await asyncpg.connect(url.reveal(), timeout=seconds * 0.6, server_settings=told)
        except (ValueError, ArithmeticError, asyncpg.ClientConfigurationError):
            pass
        raise BadAddress

    return connect
