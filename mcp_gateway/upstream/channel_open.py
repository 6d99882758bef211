"""How a channel becomes a conversation: find out which era the upstream speaks, and greet it.

A modern server answers ``server/discover`` as the first message. An older one answers with some error,
not at all, or dies of it. One that is slow to start looks like one that does not answer, so after a short
wait ``initialize`` goes out too and whichever is answered first decides.
"""

from __future__ import annotations

import asyncio
from typing import Final

from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import ProtocolViolation, Rejected, TimedOut, Unreachable
from mcp_gateway.upstream.channel import Channel, LostHook
from mcp_gateway.upstream.channel_conversation import ChannelConversation
from mcp_gateway.upstream.channel_duplex import Duplex, EventHook
from mcp_gateway.upstream.handshake import (
    Greeting,
    initialize_params,
    read_discover,
    read_initialize,
    stamp,
    version_after,
)
from mcp_gateway.upstream.wire import HANDSHAKE, MODERN, Exchange

AUTO: Final = "auto"
PROBE_SECONDS: Final = 2.0
"""How long an unanswered probe keeps ``initialize`` back."""


class DiedOnProbe(Unreachable):
    """The upstream went away while it was probed. Start it again and open it with ``protocol=retry_with``."""

    retry_with: Final = HANDSHAKE[0]


async def open_channel(
    duplex: Duplex,
    *,
    protocol: str,
    capabilities: Json,
    client_info: Json | None,
    on_event: EventHook,
    deadline: float,
    on_lost: LostHook | None = None,
    upstream: str = "",
) -> ChannelConversation:
    """Begin a conversation over `duplex`, which belongs to the conversation from here on: it is closed on failure.

    `protocol` is ``auto`` or a version to begin with; the result's `version` is worth remembering as the next
    `protocol`. `capabilities` and `client_info` are declared at the handshake (per request in the modern era).
    `on_event` gets notifications that belong to no request, `on_lost` learns when the channel dies.

    Raises `DiedOnProbe`, `Unreachable`, `TimedOut` (always with ``sent=False``: no request of a caller was at
    stake) and `ProtocolViolation`, also when the upstream refuses the handshake.
    """
    channel = Channel(duplex, on_event=on_event, on_lost=on_lost, upstream=upstream)
    opened = False
    try:
        greeting = await _Opening(channel, capabilities, client_info, deadline).greet(protocol)
        opened = True
    except Rejected as error:
        raise ProtocolViolation(f"the upstream refused the handshake with {error.code}", upstream=upstream) from None
    except DiedOnProbe:
        raise
    except Unreachable as error:
        raise Unreachable(error.message, sent=False, upstream=upstream) from None
    except TimedOut:
        raise TimedOut("the upstream did not answer the handshake in time", sent=False, upstream=upstream) from None
    finally:
        if not opened:
            await channel.close()
    return ChannelConversation(channel, greeting)


class _Opening:
    """One attempt to greet one upstream."""

    __slots__ = ("_capabilities", "_channel", "_client_info", "_deadline", "_loop")

    def __init__(self, channel: Channel, capabilities: Json, client_info: Json | None, deadline: float) -> None:
        self._channel = channel
        self._capabilities = capabilities
        self._client_info = client_info
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()

    async def greet(self, protocol: str) -> Greeting:
        if protocol == AUTO:
            greeting = await self._probe()
        elif protocol in HANDSHAKE:
            greeting = await self._initialize(protocol)
        else:
            greeting = await self._discover_only()
        self._channel.speak(greeting.version, modern=greeting.modern)
        if not greeting.modern:
            await self._channel.notify("notifications/initialized", {}, self._deadline)
        return greeting

    # ------------------------------------------------------------ one step

    async def _ask(self, method: str, params: Json) -> Json:
        exchange = Exchange(deadline=self._deadline)
        return await self._channel.request(self._channel.mint(), method, params, exchange, cancellable=False)

    async def _discover(self) -> Greeting | str:
        """The modern greeting, or the handshake version to go on with."""
        params = stamp({}, capabilities=self._capabilities, client_info=self._client_info)
        try:
            result = await self._ask("server/discover", params)
        except Rejected as error:
            return version_after(error, upstream=self._channel.upstream)
        return read_discover(result, upstream=self._channel.upstream) or HANDSHAKE[0]

    async def _discover_only(self) -> Greeting:
        greeting = await self._discover()
        if isinstance(greeting, str):
            raise ProtocolViolation(f"the upstream does not speak {MODERN}", upstream=self._channel.upstream)
        return greeting

    async def _initialize(self, version: str) -> Greeting:
        params = initialize_params(version=version, capabilities=self._capabilities, client_info=self._client_info)
        return read_initialize(await self._ask("initialize", params), upstream=self._channel.upstream)

    # ------------------------------------------------------------ which era

    async def _probe(self) -> Greeting:
        patience = min(PROBE_SECONDS, (self._deadline - self._loop.time()) / 4)
        probe = self._loop.create_task(self._discover())
        initialize: asyncio.Task[Greeting] | None = None
        try:
            await asyncio.wait({probe}, timeout=patience)
            if probe.done():
                found = probe.result()
                return await self._initialize(found) if isinstance(found, str) else found
            initialize = self._loop.create_task(self._initialize(HANDSHAKE[0]))
            return await self._first(probe, initialize)
        except Unreachable as error:
            raise DiedOnProbe(error.message, sent=False, upstream=self._channel.upstream) from None
        finally:
            await _abandon(probe, initialize)

    async def _first(self, probe: asyncio.Task[Greeting | str], initialize: asyncio.Task[Greeting]) -> Greeting:
        """Both are on their way: the first that succeeds decides, and the failure of one leaves it to the other."""
        await asyncio.wait({probe, initialize}, return_when=asyncio.FIRST_COMPLETED)
        if probe.done() and not isinstance(found := probe.result(), str):
            return found
        try:
            return await initialize
        except (Rejected, ProtocolViolation):
            found = await probe
            if isinstance(found, str):
                raise
            return found


async def _abandon(*tasks: asyncio.Task[Greeting] | asyncio.Task[Greeting | str] | None) -> None:
    """Drop what is still under way and look at every outcome, so that none is reported as never seen."""
    begun = [task for task in tasks if task is not None]
    for task in begun:
        task.cancel()
    await asyncio.wait(begun)
    for task in begun:
        if not task.cancelled():
            task.exception()
