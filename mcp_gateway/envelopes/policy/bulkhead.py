"""Concurrency per upstream: a slow one fills its own places and nobody else's."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Generic, TypeVar

from mcp_gateway.core.errors import Overloaded
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.envelopes.policy.authorize import Permitted
from mcp_gateway.envelopes.policy.breaker import Aimed

C = TypeVar("C", bound=Aimed)
R = TypeVar("R")


class Places:
    """The concurrent calls one upstream may have, and the bounded queue before it (first come, first served)."""

    __slots__ = ("_free", "_most_waiting", "_queue")

    def __init__(self, limit: int, *, queue: int | None = None) -> None:
        """`queue` is how many calls may wait for a place; the default is four times `limit`."""
        self._free = limit
        self._most_waiting = 4 * limit if queue is None else queue
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """Calls that wait for a place now."""
        return len(self._queue)

    def try_take(self) -> bool:
        """Take a place if one is free and nobody came before."""
        if self._free > 0 and not self._queue:
            self._free -= 1
            return True
        return False

    async def wait(self) -> None:
        """Take a place once it is this call's turn; raises `Overloaded` when too many wait already."""
        if len(self._queue) >= self._most_waiting:
            raise Overloaded("too many calls are waiting for this upstream")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # The place was handed over in the same turn of the loop in which the call was cancelled.
                self.leave()
            elif turn in self._queue:
                self._queue.remove(turn)
            raise

    def leave(self) -> None:
        """Give the place to whoever waits longest, or back."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Bulkhead(Generic[C, R]):
    """Holds a place of the upstream for the duration of the call."""

    __slots__ = ("_places",)

    def __init__(self, places: Mapping[str, Places]) -> None:
        self._places = places

    async def __call__(self, call: Permitted[C], call_next: Handler[Permitted[C], R]) -> R:
        places = self._places[call.call.upstream]
        if not places.try_take():
            await places.wait()
        try:
            return await call_next(call)
        finally:
            places.leave()
