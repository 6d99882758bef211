"""Concurrency per upstream and per composition: a slow one fills its own places and nobody else's."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from typing import Final, Generic, TypeVar

from mcp_gateway.core.errors import Overloaded
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.envelopes.policy.authorize import Permitted
from mcp_gateway.envelopes.policy.breaker import Aimed

C = TypeVar("C", bound=Aimed)
R = TypeVar("R")

QUEUE: Final = 4
"""Calls that may wait for each place: enough for a burst, and nobody waits behind a queue that takes too long."""


class Places:
    """The concurrent calls one owner may have, and the bounded queue before it (first come, first served).

    Lives as long as its owner does, across configuration snapshots: `resize` keeps those in use counted.
    """

    __slots__ = ("_limit", "_most_waiting", "_owner", "_queue", "in_use")

    def __init__(self, limit: int, *, queue: int | None = None, owner: str = "this upstream") -> None:
        """`queue` is how many calls may wait for a place, by default `QUEUE` times `limit`; refusals name `owner`."""
        self._limit = limit
        self._most_waiting = QUEUE * limit if queue is None else queue
        self._owner = owner
        self._queue: deque[asyncio.Future[None]] = deque()
        self.in_use = 0
        """Places that are taken now; more than there are while a smaller limit waits for calls to end."""

    @property
    def waiting(self) -> int:
        """Calls that wait for a place now."""
        return len(self._queue)

    def resize(self, limit: int) -> None:
        """Have `limit` places from now on, and the queue that belongs to them. Who has a place or waits keeps it."""
        self._limit = limit
        self._most_waiting = QUEUE * limit
        self._hand_over()

    def try_take(self) -> bool:
        """Take a place if one is free and nobody came before."""
        if self.in_use < self._limit and not self._queue:
            self.in_use += 1
            return True
        return False

    async def wait(self) -> None:
        """Take a place once it is this call's turn; raises `Overloaded` when too many wait already."""
        if len(self._queue) >= self._most_waiting:
            raise Overloaded(f"too many calls are waiting for {self._owner}")
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
        self.in_use -= 1
        if self._queue:
            self._hand_over()

    def _hand_over(self) -> None:
        while self._queue and self.in_use < self._limit:
            turn = self._queue.popleft()
            if not turn.done():
                self.in_use += 1
                turn.set_result(None)


def fit(places: MutableMapping[str, Places], limits: Mapping[str, int | None], owner: str = "this upstream") -> None:
    """Let `places` be as `limits` say, by the name of the owner: who has none there has no places.

    `owner` is what refusals call them, ``{}`` standing for the name. Those that stay keep what is in use.
    """
    for name in [name for name in places if limits.get(name) is None]:
        del places[name]
    for name, limit in limits.items():
        if limit is None:
            continue
        if name in places:
            places[name].resize(limit)
        else:
            places[name] = Places(limit, owner=owner.format(name))


def of_upstream(call: Aimed) -> str:
    """The owner of places is the upstream to which `call` goes."""
    return call.upstream


class Bulkhead(Generic[C, R]):
    """Holds a place of the call's owner for the duration of the call. An owner without places has no limit."""

    __slots__ = ("_owner", "_places")

    def __init__(self, places: Mapping[str, Places], owner: Callable[[C], str] = of_upstream) -> None:
        """`places` by the name of their owner, which `owner` tells of a call."""
        self._places = places
        self._owner = owner

    async def __call__(self, call: Permitted[C], call_next: Handler[Permitted[C], R]) -> R:
        places = self._places.get(self._owner(call.call))
        if places is None:
            return await call_next(call)
        if not places.try_take():
            await places.wait()
        try:
            return await call_next(call)
        finally:
            places.leave()
