"""A conversation over one duplex channel, in either era."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import Rejected
from mcp_gateway.upstream.channel import Channel
from mcp_gateway.upstream.channel_inflight import LISTEN
from mcp_gateway.upstream.handshake import Greeting, LevelGate, stamp, stamp_handshake
from mcp_gateway.upstream.wire import Exchange

_NOTIFY_SECONDS: Final = 10.0
_SET_LEVEL: Final = "logging/setLevel"


class ChannelConversation:
    """Implements `Conversation` over a `Channel` whose era is settled.

    Cancelling a request sends ``notifications/cancelled`` in both eras: closing a stream, the modern
    way over HTTP, has no equivalent here.
    """

    __slots__ = ("_channel", "_gate", "_greeting", "_loop")

    def __init__(self, channel: Channel, greeting: Greeting) -> None:
        self._channel = channel
        self._greeting = greeting
        self._gate = LevelGate(greeting.capabilities)
        self._loop = asyncio.get_running_loop()

    @property
    def version(self) -> str:
        """The negotiated protocol version."""
        return self._greeting.version

    @property
    def capabilities(self) -> Json:
        """What the upstream said it can do."""
        return self._greeting.capabilities

    @property
    def server_info(self) -> Json:
        """The upstream's Implementation object; {} if it gave none."""
        return self._greeting.server_info

    @property
    def instructions(self) -> str | None:
        """The upstream's instructions for models."""
        return self._greeting.instructions

    @property
    def alive(self) -> bool:
        """False once the channel is dead."""
        return self._channel.lost_because is None

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many messages of the upstream found no taker, by reason."""
        return self._channel.dropped

    async def request(self, method: str, params: Json, exchange: Exchange) -> Json:
        """Send a request and return its raw result object; see `Conversation.request`."""
        channel = self._channel
        number = channel.mint()
        token = number if exchange.progress and method != LISTEN else None
        if self._greeting.modern:
            marked = stamp(
                params,
                capabilities=exchange.capabilities or {},
                client_info=exchange.client_info,
                log_level=exchange.log_level if method != LISTEN else None,
                progress_token=token,
            )
            return await channel.request(number, method, marked, exchange)
        if method == _SET_LEVEL:
            self._gate.note(params.get("level"))
        elif (level := self._gate.admit(exchange.log_level)) is not None:
            await self._set_level(level, exchange.deadline)
        return await channel.request(number, method, stamp_handshake(params, progress_token=token), exchange)

    async def notify(self, method: str, params: Json) -> None:
        """Send a notification."""
        await self._channel.notify(method, params, self._loop.time() + _NOTIFY_SECONDS)

    async def close(self) -> None:
        """End the channel: the transport's end is the end of the conversation in both eras."""
        await self._channel.close()

    async def _set_level(self, level: str, deadline: float) -> None:
        try:
            await self._channel.request(self._channel.mint(), _SET_LEVEL, {"level": level}, Exchange(deadline=deadline))
        except Rejected:
            self._gate.refused()
