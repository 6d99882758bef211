"""Connections to one origin: the idle ones last in first out, the callers that wait first in first out."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mcp_gateway.core.egress.connection import Connection
from mcp_gateway.core.errors import TimedOut, Unreachable

Dial = Callable[[float], Awaitable[Connection]]
"""Opens a connection before a deadline (loop clock). Raises UpstreamError."""

_Waiter = asyncio.Future[Connection | None]


@dataclass(frozen=True, slots=True)
class PoolStats:
    """A momentary count: `open` connections (being opened included), of which `idle`; callers `waiting` for one."""

    open: int
    idle: int
    waiting: int

    @property
    def active(self) -> int:
        return self.open - self.idle


class Pool:
    """At most `size` connections. A slot is taken before dialling and given up when its connection closes.

    A connection or a slot that becomes free goes straight to the longest waiting caller, so nobody overtakes.
    """

    __slots__ = (
        "_closed", "_connections", "_dial", "_idle", "_idle_timeout", "_loop", "_open", "_size", "_sweep", "_waiters",
    )  # fmt: skip

    def __init__(self, dial: Dial, *, loop: asyncio.AbstractEventLoop, size: int, idle_timeout: float) -> None:
        self._dial = dial
        self._loop = loop
        self._size = size
        self._idle_timeout = idle_timeout
        self._open = 0
        self._idle: list[Connection] = []
        self._connections: set[Connection] = set()
        self._waiters: OrderedDict[_Waiter, None] = OrderedDict()
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def stats(self) -> PoolStats:
        return PoolStats(self._open, len(self._idle), len(self._waiters))

    def take(self) -> Connection | None:
        """An idle connection that is still open, without waiting."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.discard()
        return None

    async def acquire(self, deadline: float) -> Connection:
        """A connection, opened or waited for if need be.

        Raises:
            TimedOut: (sent=False) none became free before the deadline.
            Unreachable: (sent=False) none could be opened, or the pool is closed.
        """
        while not self._closed:
            connection = self.take()
            if connection is not None:
                return connection
            if self._open < self._size:
                self._open += 1
                return await self._open_connection(deadline)
            connection = await self._wait(deadline)
            if connection is None:
                return await self._open_connection(deadline)
            if connection.usable:
                return connection
            connection.discard()
        raise Unreachable("the client is closed", sent=False)

    async def close(self) -> None:
        """Close every connection, in flight or not, and wait until the sockets are closed."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        error = Unreachable("the client is closed", sent=False)
        while self._waiters:
            waiter, _ = self._waiters.popitem(last=False)
            if not waiter.done():
                waiter.set_exception(error)
        connections = tuple(self._connections)
        for connection in connections:
            connection.fail(Unreachable("the client is closed", sent=True))
        if connections:
            await asyncio.wait([connection.gone for connection in connections], timeout=1.0)

    # ------------------------------------------------------------ Owner

    def released(self, connection: Connection) -> None:
        """Lend the connection to the next caller, or keep it."""
        if self._closed:
            connection.discard()
        elif not self._grant(connection):
            connection.idle_since = self._loop.time()
            self._idle.append(connection)
            if self._sweep is None:
                self._sweep = self._loop.call_later(self._idle_timeout, self._expire_idle)

    def lost(self, connection: Connection) -> None:
        """Give up the slot of a closed connection."""
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._free_slot()

    # ------------------------------------------------------------ inside

    async def _open_connection(self, deadline: float) -> Connection:
        """Dial in a slot that is already counted."""
        try:
            connection = await self._dial(deadline)
            if not connection.usable or self._closed:
                connection.discard()
                raise Unreachable("the connection was closed as soon as it was open", sent=False)
        except BaseException:
            self._free_slot()
            raise
        connection.belong(self)
        self._connections.add(connection)
        return connection

    async def _wait(self, deadline: float) -> Connection | None:
        """Queue up. None stands for a free slot."""
        waiter: _Waiter = self._loop.create_future()
        self._waiters[waiter] = None
        timer = self._loop.call_at(deadline, _expire, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._give_back(waiter.result())  # granted and cancelled in the same turn of the loop
            raise
        finally:
            self._waiters.pop(waiter, None)
            timer.cancel()

    def _give_back(self, granted: Connection | None) -> None:
        if granted is None:
            self._free_slot()
        elif granted.usable:
            self.released(granted)
        else:
            granted.discard()

    def _grant(self, what: Connection | None) -> bool:
        while self._waiters:
            waiter, _ = self._waiters.popitem(last=False)
            if not waiter.done():
                waiter.set_result(what)
                return True
        return False

    def _free_slot(self) -> None:
        if not self._grant(None):
            self._open -= 1

    def _expire_idle(self) -> None:
        """Close what has been idle too long: the front of the list, because lending is from its end."""
        self._sweep = None
        horizon = self._loop.time() - self._idle_timeout
        for connection in [one for one in self._idle if one.idle_since <= horizon]:
            connection.discard()
        if self._idle:
            self._sweep = self._loop.call_at(self._idle[0].idle_since + self._idle_timeout, self._expire_idle)


def _expire(waiter: _Waiter) -> None:
    if not waiter.done():
        waiter.set_exception(TimedOut("no connection became free before the deadline", sent=False))
