"""Concurrency per upstream: a slow one fills its own places and nobody else's."""

from __future__ import annotations

import asyncio
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

    __slots__ = ("_queue", "_semaphore", "waiting")

    def __init__(self, limit: int, *, queue: int | None = None) -> None:
        """`queue` is how many calls may wait for a place; the default is four times `limit`."""
        self._semaphore = asyncio.Semaphore(limit)
        self._queue = 4 * limit if queue is None else queue
        self.waiting = 0

    async def take(self) -> None:
        """Take a place, waiting for one if need be; raises `Overloaded` when the queue is full too."""
        if not self._semaphore.locked():
            await self._semaphore.acquire()
            return
        if self.waiting >= self._queue:
            raise Overloaded("too many calls are waiting for this upstream")
        self.waiting += 1
        try:
            await self._semaphore.acquire()
        finally:
            self.waiting -= 1

    def leave(self) -> None:
        """Give the place back."""
        self._semaphore.release()


class Bulkhead(Generic[C, R]):
    """Holds a place of the upstream for the duration of the call."""

    __slots__ = ("_places",)

    def __init__(self, places: Mapping[str, Places]) -> None:
        self._places = places

    async def __call__(self, call: Permitted[C], call_next: Handler[Permitted[C], R]) -> R:
        places = self._places[call.call.upstream]
        await places.take()
        try:
            return await call_next(call)
        finally:
            places.leave()
