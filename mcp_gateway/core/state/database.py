"""One database, SQLite or PostgreSQL, asked in units of work that end in time.

A unit of work is a coroutine over one connection: `read` sees committed data, `write` is a transaction. Whatever
goes wrong in the database (it is gone, locked, full, read-only, slow) becomes `IdentityUnavailable` within
`SECONDS`, and the next unit starts anew. The driver's exceptions quote addresses and parameters: they end here, as one
log line with the name of their kind, and are never chained to what is raised.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar

import structlog
from sqlalchemy import ColumnElement, Double, Table, literal_column
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from mcp_gateway.core.errors import IdentityUnavailable
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.engines import DRIVER_FAILURES, make_engine

SECONDS: Final = 5.0
"""The longest that a unit of work may take, waiting for a connection included."""

_READ_ONLY: Final = frozenset({"25006", "57P01", "57P02", "57P03"})
"""SQLSTATEs of a server that is no longer the one to talk to: read-only after a fail-over, or shutting down."""

_FAILURES: Final[tuple[type[Exception], ...]] = (SQLAlchemyError, *DRIVER_FAILURES)

_log = structlog.get_logger("state")

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]
Insert = sqlite.Insert | postgresql.Insert
_Context = contextlib.AbstractAsyncContextManager


class Database:
    """Make it inside the running loop, close it there. Connects when it is first asked."""

    __slots__ = ("_engine", "_reading", "_seconds", "_turn", "_writing", "embedded", "now")

    def __init__(self, url: Secret, *, seconds: float = SECONDS) -> None:
        """`url` is ``sqlite:///path`` or ``postgresql://…``; `seconds` bounds one unit of work.

        Raises `ConfigurationError` where the file of an embedded database cannot be made.
        """
        self._seconds = seconds
        self._engine: AsyncEngine = make_engine(url, seconds=seconds)
        self.embedded = self._engine.dialect.name == "sqlite"
        """True for SQLite: one machine, one file."""
        self._writing = self._engine.execution_options(writing=True)
        self._reading = self._engine if self.embedded else self._engine.execution_options(isolation_level="AUTOCOMMIT")
        # One writer at a time is SQLite's rule; a queue here is fair and quicker than its polling for the lock.
        self._turn: _Context[object] = asyncio.Lock() if self.embedded else contextlib.nullcontext()
        self.now: ColumnElement[float] = literal_column(
            # SQLite before 3.42 has no sub-second unixepoch(); a Julian day in double precision is good to 50 µs.
            "((julianday('now') - 2440587.5) * 86400.0)"
            if self.embedded
            else "extract(epoch from clock_timestamp())::double precision",
            Double,
        )
        """The database's clock, in Unix seconds: the one clock that replicas share."""

    async def read(self, work: Work[T]) -> T:
        """The result of `work`, which only reads. Raises `IdentityUnavailable`, and what `work` raises."""
        return await self._bounded(self._reading.connect, work)

    async def write(self, work: Work[T]) -> T:
        """The result of `work`, committed durably if it returns and rolled back if it raises.

        Raises `IdentityUnavailable`, and what `work` raises. After `IdentityUnavailable` it is unknown whether
        the work was committed.
        """
        return await self._bounded(self._transaction, work)

    def insert(self, table: Table) -> Insert:
        """An INSERT that knows ON CONFLICT, in the dialect of this database."""
        return sqlite.insert(table) if self.embedded else postgresql.insert(table)

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        async with self._turn, self._writing.begin() as connection:
            yield connection

    async def _bounded(self, connect: Callable[[], _Context[AsyncConnection]], work: Work[T]) -> T:
        """Run `work`; failures are raised outside of the handler, so that nothing is chained to them."""
        try:
            async with asyncio.timeout(self._seconds):
                async with connect() as connection:
                    try:
                        return await work(connection)
                    except DBAPIError as error:
                        if sqlstate(error) in _READ_ONLY:
                            await connection.invalidate()  # the pool must not offer this server again
                        raise
        except TimeoutError:
            kind = "Timeout"
        except _FAILURES as error:
            kind = kind_of(error)
        raise _unavailable(kind)


def _unavailable(kind: str) -> IdentityUnavailable:
    _log.warning("database failed", kind=kind)
    return IdentityUnavailable("The gateway's database cannot be asked now.")


def kind_of(error: BaseException) -> str:
    """A word for a failure of the database: its class and SQLSTATE, never its text."""
    root = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    root = root.__cause__ or root
    state = sqlstate(error)
    return f"{type(root).__name__}/{state}" if state else type(root).__name__


def sqlstate(error: BaseException) -> str | None:
    """PostgreSQL's code for what happened, where there is one."""
    root = error.orig if isinstance(error, DBAPIError) else error
    found = getattr(root, "sqlstate", None)
    return found if isinstance(found, str) else None
