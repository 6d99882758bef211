"""How many requests are in work at once, in all and per client."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

SLOT: Final = "mcp_gateway.slot"
"""Key in `scope` under which the data plane leaves the request's `Slot`."""


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
