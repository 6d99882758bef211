"""How many requests are in work at once, in all and per client."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final

from mcp_gateway.core.asgi import respond
from mcp_gateway.core.asgi.types import App, Receive, Scope, Send
from mcp_gateway.core.errors import Overloaded

_RETRY_AFTER: Final = 1
_HEADERS: Final = (respond.JSON, (b"retry-after", b"%d" % _RETRY_AFTER))
_BODY: Final = respond.error_body(
    50300, "The gateway is at capacity", Overloaded.reason, retryAfterMs=_RETRY_AFTER * 1000
)

SLOT: Final = "mcp_gateway.slot"
"""Key in `scope` under which `CapInFlight` leaves the request's `Slot`."""


class InFlight:
    """Counts requests in work. A client is any hashable key: an address, a principal."""

    def __init__(self, total: int, per_client: int) -> None:
        self._total = total
        self._per_client = per_client
        self._clients: dict[Hashable, int] = {}
        self.count = 0

    def enter(self, client: Hashable) -> Slot | None:
        """Take a slot, or None when the gateway or this client has none left."""
        held = self._clients.get(client, 0)
        if self.count >= self._total or held >= self._per_client:
            return None
        self.count += 1
        self._clients[client] = held + 1
        return Slot(self, client)

    def _leave(self, client: Hashable) -> None:
        self.count -= 1
        held = self._clients[client] - 1
        if held:
            self._clients[client] = held
        else:
            del self._clients[client]


class Slot:
    """One request's place. A stream that will stay open for long gives it back early."""

    __slots__ = ("_client", "_owner")

    def __init__(self, owner: InFlight, client: Hashable) -> None:
        self._owner: InFlight | None = owner
        self._client = client

    def leave(self) -> None:
        """Give the slot back; a second time does nothing."""
        owner, self._owner = self._owner, None
        if owner is not None:
            owner._leave(self._client)


def client_address(scope: Scope) -> Hashable:
    """The address of the peer, without its port."""
    client = scope.get("client")
    return client[0] if client else None


class CapInFlight:
    """ASGI: 503 `overloaded` with Retry-After when no slot is free; nothing queues."""

    def __init__(self, app: App, inflight: InFlight, client: Callable[[Scope], Hashable] = client_address) -> None:
        self._app = app
        self._inflight = inflight
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        slot = self._inflight.enter(self._client(scope))
        if slot is None:
            await respond.respond(send, 503, _BODY, _HEADERS)
            return
        scope[SLOT] = slot
        try:
            await self._app(scope, receive, send)
        finally:
            slot.leave()
