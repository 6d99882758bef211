"""Reads, as a person whose request is there, what an upstream does not show the gateway itself.

No person's credential is used but for that person's own requests: no polling, no standing stream. What the lists say is
shown to everybody whom the virtual server serves, so the list of resources, which tells of the person, is not read.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from mcp_gateway.calls.inventory import CacheHint, Inventory, Listing
from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import TimedOut, Unreachable, UpstreamError
from mcp_gateway.upstream.connect import Connector, Hello, contradicts_era, until
from mcp_gateway.upstream.credentials import Fields
from mcp_gateway.upstream.events import Events
from mcp_gateway.upstream.inventory import read_inventory
from mcp_gateway.upstream.spec import Log
from mcp_gateway.upstream.supervise import Supervisor
from mcp_gateway.upstream.wire import MODERN, Conversation, Exchange

REREAD_SECONDS: Final = 300.0
"""What a person's request has read is read again by a later one, at most this often."""

PUT_OFF_SECONDS: Final = 15.0
"""After a reading that failed, requests with another purpose are not held up by the next one for so long."""

_LISTINGS: Final = frozenset({Listing.TOOLS, Listing.PROMPTS, Listing.TEMPLATES})


class EraMark:
    """Stands for the main conversation of a handshake-era upstream: tells the era, and carries nothing.

    The conversation that the lists were read in belongs to a person and was closed; calls have sessions of their own.
    """

    __slots__ = ("alive", "capabilities", "instructions", "server_info", "version")

    def __init__(self, conversation: Conversation) -> None:
        self.version = conversation.version
        self.capabilities = conversation.capabilities
        self.server_info = conversation.server_info
        self.instructions = conversation.instructions
        self.alive = True

    async def request(self, method: str, params: Json, exchange: Exchange) -> Json:
        raise Unreachable("this upstream serves people's sessions only", sent=False)

    async def notify(self, method: str, params: Json) -> None:
        """There is nobody to tell."""

    async def close(self) -> None:
        self.alive = False


class Acquaintance:
    """One upstream's, beside its supervisor. Readings happen one at a time."""

    def __init__(self, name: str, connector: Connector, supervisor: Supervisor, *, timeout: float, log: Log) -> None:
        self._name = name
        self._connector = connector
        self._supervisor = supervisor
        self._timeout = timeout
        self._log = log
        self._reading = asyncio.Lock()
        self._read_at = float("-inf")
        self._put_off_until = float("-inf")

    def put_off(self) -> None:
        """A reading failed that a request with another purpose waited for."""
        self._put_off_until = until(PUT_OFF_SECONDS)

    @property
    def wanted(self) -> bool:
        """Whether the request of somebody with a credential should begin a reading."""
        return self.due and until(0) >= self._put_off_until

    @property
    def due(self) -> bool:
        """Whether the lists were not read as they should be, or not for long."""
        main = self._supervisor
        if not main.waiting:
            return False
        lost = main.conversation is None or not main.conversation.alive or not main.inventory.available
        return lost or until(0) - self._read_at >= REREAD_SECONDS

    async def meet(self, fields: Fields, deadline: float, *, again: bool = False) -> None:
        """Read the lists with a person's `fields` if that is due, or `again`. Raises `UpstreamError`."""
        called_at = until(0)
        try:
            async with asyncio.timeout_at(deadline), self._reading:
                if self._supervisor.waiting and (self.due or (again and self._read_at < called_at)):
                    conversation, inventory = await self._read(fields)
                    if self._supervisor.waiting:
                        self._read_at = until(0)
                        self._supervisor.met(conversation, inventory)
        except TimeoutError:
            raise TimedOut("the upstream's lists were not read in time", sent=False) from None

    async def _read(self, fields: Fields) -> tuple[Conversation, Inventory]:
        conversation = await self._connector.connect(Hello(on_event=Events(_unheard), headers=fields))

        def exchange() -> Exchange:
            return Exchange(deadline=until(self._timeout), headers=fields)

        kept = False
        try:
            last = Inventory(self._name)
            inventory = await read_inventory(conversation, last, _LISTINGS, exchange, self._log)
            kept = conversation.version == MODERN
        except UpstreamError as error:
            if contradicts_era(conversation, error):
                self._connector.forget()
            raise
        finally:
            if not kept:
                await conversation.close()
        hints = {listing: CacheHint(hint.ttl_ms, True) for listing, hint in inventory.hints.items()}
        main = conversation if kept else EraMark(conversation)
        return main, replace(inventory, hints=MappingProxyType(hints))


def _unheard(change: object) -> None:
    """What a person's conversation announces is not followed up."""
