"""A principal's resources at a handshake-era upstream: `resources/subscribe` in a session of that principal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from mcp_gateway.core.errors import GatewayError, Rejected
from mcp_gateway.upstream.backoff import Backoff
from mcp_gateway.upstream.connect import until
from mcp_gateway.upstream.events import Events
from mcp_gateway.upstream.streamable_session import HandshakeConversation
from mcp_gateway.upstream.subscribe_modern import OPEN_SECONDS, not_offered
from mcp_gateway.upstream.subscriptions import OnUpdate
from mcp_gateway.upstream.wire import Conversation, Exchange

SUBSCRIBE: Final = "resources/subscribe"
UNSUBSCRIBE: Final = "resources/unsubscribe"

_PULSE: Final = 1.0
"""How often the session is looked at: one over HTTP does not tell by itself that it was lost."""
_PINGS: Final = 30
"""Every so many looks the upstream is asked whether it still knows the session."""


@dataclass(frozen=True, slots=True)
class Held:
    """A conversation held for as long as it is needed."""

    conversation: Conversation
    events: Events
    release: Callable[[], None]


class HandshakeFollowing:
    """Holds the session open. When it is lost, another one takes over the subscriptions."""

    def __init__(
        self,
        hold: Callable[[float], Awaitable[Held]],
        exchange: Callable[[float], Awaitable[Exchange]],
        deliver: OnUpdate,
    ) -> None:
        """`hold` gives the principal's conversation before a deadline, `exchange` what goes with a request now."""
        self._hold = hold
        self._exchange = exchange
        self._deliver = deliver
        self._wanted: set[str] = set()
        self._held: Held | None = None
        self._unlisten: Callable[[], None] | None = None
        self._tending: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._farewells: set[asyncio.Task[None]] = set()

    async def add(self, uri: str) -> None:
        async with self._lock:
            if uri not in self._wanted:
                held = self._held if self._held is not None and self._held.conversation.alive else await self._take()
                await self._ask(held, SUBSCRIBE, uri)
                self._wanted.add(uri)

    def drop(self, uri: str) -> None:
        if uri in self._wanted and self._held is not None:
            self._wanted.discard(uri)
            task = asyncio.create_task(self._farewell(self._held, uri))
            self._farewells.add(task)
            task.add_done_callback(self._farewells.discard)

    async def close(self) -> None:
        self._wanted.clear()
        if self._tending is not None:
            self._tending.cancel()
        if self._farewells:
            await asyncio.wait(tuple(self._farewells), timeout=_PULSE)
        self._let_go()

    async def _take(self) -> Held:
        """Hold a living conversation and subscribe to everything again."""
        self._let_go()
        held = await self._hold(until(OPEN_SECONDS))
        offer = held.conversation.capabilities.get("resources")
        if not isinstance(offer, dict) or offer.get("subscribe") is not True:
            held.release()
            raise not_offered()
        self._held = held
        self._unlisten = held.events.updates.listen(self._deliver)
        if isinstance(held.conversation, HandshakeConversation):
            await held.conversation.open_events()
        for uri in tuple(self._wanted):
            try:
                await self._ask(held, SUBSCRIBE, uri)
            except Rejected:
                self._wanted.discard(uri)
        if self._tending is None:
            self._tending = asyncio.create_task(self._tend())
        return held

    async def _ask(self, held: Held, method: str, uri: str) -> None:
        await held.conversation.request(method, {"uri": uri}, await self._exchange(until(OPEN_SECONDS)))

    async def _farewell(self, held: Held, uri: str) -> None:
        try:
            await self._ask(held, UNSUBSCRIBE, uri)
        except GatewayError:
            return  # what still comes is not delivered

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            if self._unlisten is not None:
                self._unlisten()
            held.release()

    async def _tend(self) -> None:
        """Watch over the session as long as there is something to follow."""
        backoff, looks = Backoff(), 0
        while True:
            await asyncio.sleep(_PULSE)
            looks += 1
            held = self._held
            if held is not None and held.conversation.alive:
                if looks % _PINGS == 0:
                    await self._ping(held)
                if held.conversation.alive:
                    continue
            async with self._lock:
                try:
                    await self._take()
                except GatewayError:
                    self._let_go()
                    await asyncio.sleep(backoff.next())
                    continue
            backoff.reset()
            for uri in tuple(self._wanted):
                self._deliver({"uri": uri})

    async def _ping(self, held: Held) -> None:
        try:
            await held.conversation.request("ping", {}, await self._exchange(until(OPEN_SECONDS)))
        except GatewayError:
            return  # a lost session shows in `alive`; anything else may pass
