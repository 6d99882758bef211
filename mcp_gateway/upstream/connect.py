"""Connectors: begin a conversation with one upstream, and remember which era it speaks.

The era is negotiated once. A later connection starts with what was found; an answer that contradicts it
has the upstream probed again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import ProtocolViolation, Rejected, UpstreamError
from mcp_gateway.upstream.channel import LostHook
from mcp_gateway.upstream.handshake import MODERN_ERRORS
from mcp_gateway.upstream.negotiate import AUTO
from mcp_gateway.upstream.streamable import Refused
from mcp_gateway.upstream.wire import MODERN, Conversation, NotifyHook


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """Who connects and who hears of what happens beside requests.

    `capabilities` and `client_info` are declared where an era declares them once. `on_lost` is called for
    channels only; over HTTP `Conversation.alive` tells.
    """

    on_event: NotifyHook
    on_lost: LostHook | None = None
    capabilities: Json = field(default_factory=dict)
    client_info: Json | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Connector(Protocol):
    """Begins conversations with one upstream."""

    @property
    def kind(self) -> str:
        """``stdio``, ``http`` or ``sse``."""
        ...

    async def connect(self, hello: Hello) -> Conversation:
        """Begin a conversation within the time that the settings allow. Raises `UpstreamError`."""
        ...

    def forget(self) -> None:
        """The era that was remembered has been contradicted: negotiate at the next connection."""
        ...

    async def close(self) -> None:
        """Free what the conversations share."""
        ...


Attempt = Callable[[str], Awaitable[tuple[Conversation, str]]]
"""Begins a conversation with ``auto`` or a version; returns it with what to begin with the next time."""


class EraMemory:
    """What to begin a conversation with. A version that the settings pin is never given up."""

    __slots__ = ("_configured", "protocol")

    def __init__(self, configured: str) -> None:
        self._configured = configured
        self.protocol = configured

    def forget(self) -> None:
        self.protocol = self._configured

    async def begin(self, attempt: Attempt) -> Conversation:
        """Run `attempt` with what is remembered, and once more from scratch if that is contradicted."""
        try:
            conversation, found = await attempt(self.protocol)
        except UpstreamError as error:
            if self.protocol == self._configured or not _contradicts(error):
                raise
            self.forget()
            conversation, found = await attempt(self.protocol)
        if self._configured == AUTO:
            self.protocol = found
        return conversation


def _contradicts(error: UpstreamError) -> bool:
    return isinstance(error, ProtocolViolation | Rejected) and not isinstance(error, Refused)


def contradicts_era(conversation: Conversation, error: UpstreamError) -> bool:
    """True when `error` shows that the upstream no longer speaks the era of `conversation`."""
    if conversation.version == MODERN:
        return not conversation.alive
    return isinstance(error, Rejected) and error.code in MODERN_ERRORS


PATIENCE: Final = 3.0
"""A negotiation may take as many times the connect timeout: a probe, a handshake, a fallback."""


def until(seconds: float) -> float:
    """The deadline (loop clock) `seconds` from now."""
    return asyncio.get_running_loop().time() + seconds
