"""The requests of one channel that wait for their answers."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Final

from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import UpstreamError
from mcp_gateway.upstream.wire import Exchange

LISTEN: Final = "subscriptions/listen"
"""The one request that progress, log messages and questions never belong to."""


class Pending:
    """One request on its way. `asks` are the upstream's own requests being answered on its behalf."""

    __slots__ = ("asks", "exchange", "future", "method", "number", "timer")

    def __init__(self, number: int, method: str, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        self.number = number
        self.method = method
        self.exchange = exchange
        self.future: asyncio.Future[Json] = loop.create_future()
        self.timer: asyncio.TimerHandle | None = None
        self.asks: set[asyncio.Task[None]] = set()

    def succeed(self, result: Json) -> None:
        """Answer the request, unless it has been answered or given up."""
        if not self.future.done():
            self.future.set_result(result)

    def fail(self, error: UpstreamError) -> None:
        """Fail the request, unless it has been answered or given up."""
        if not self.future.done():
            self.future.set_exception(error)


class InFlight:
    """Finds the request that something belongs to. Numbers are ids, progress tokens and subscription ids at once."""

    __slots__ = ("_askers", "_by_number", "_log_readers", "_next", "_numbers")

    def __init__(self) -> None:
        self._numbers = count(1)
        self._next = 1
        self._by_number: dict[int, Pending] = {}
        self._log_readers: dict[int, Pending] = {}
        self._askers: dict[int, Pending] = {}

    def mint(self) -> int:
        """A number never used before on this channel."""
        number = next(self._numbers)
        self._next = number + 1
        return number

    def add(self, pending: Pending) -> None:
        """Begin to wait."""
        number, exchange = pending.number, pending.exchange
        self._by_number[number] = pending
        if pending.method != LISTEN:
            if exchange.log_level is not None and exchange.notify is not None:
                self._log_readers[number] = pending
            if exchange.ask is not None:
                self._askers[number] = pending

    def remove(self, pending: Pending) -> None:
        """Stop waiting: the timer and the questions asked meanwhile end with the request."""
        number = pending.number
        self._by_number.pop(number, None)
        self._log_readers.pop(number, None)
        self._askers.pop(number, None)
        if pending.timer is not None:
            pending.timer.cancel()
        for task in pending.asks:
            task.cancel()
        if pending.future.done() and not pending.future.cancelled():
            pending.future.exception()  # marks it as seen: the caller may have been cancelled before it looked

    def find(self, number: object) -> Pending | None:
        """The request of that number. JSON's 1, 1.0, true and "1" are four things; only the integer is ours."""
        return self._by_number.get(number) if type(number) is int else None

    def issued(self, number: object) -> bool:
        """True for a number that was ours at any time."""
        return type(number) is int and 0 < number < self._next

    def only_log_reader(self) -> Pending | None:
        """The one request that wants log messages; None when there is none or more than one."""
        return next(iter(self._log_readers.values())) if len(self._log_readers) == 1 else None

    def only_asker(self) -> Pending | None:
        """The one request whose caller can answer questions; None when there is none or more than one."""
        return next(iter(self._askers.values())) if len(self._askers) == 1 else None

    def all(self) -> tuple[Pending, ...]:
        """Every request that waits now."""
        return tuple(self._by_number.values())

    def __len__(self) -> int:
        return len(self._by_number)
