"""Follows an upstream's announcements that its lists changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from mcp_gateway.calls.inventory import Change
from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import Rejected, Unreachable, UpstreamError
from mcp_gateway.upstream.backoff import Backoff
from mcp_gateway.upstream.connect import until
from mcp_gateway.upstream.credentials import Fields
from mcp_gateway.upstream.events import LIST_CHANGED
from mcp_gateway.upstream.listen import Listening
from mcp_gateway.upstream.streamable import Refused
from mcp_gateway.upstream.streamable_session import HandshakeConversation
from mcp_gateway.upstream.wire import MODERN, Conversation

_OPEN_SECONDS: Final = 10.0
_STEADY_SECONDS: Final = 30.0
"""A stream that lasted so long was no failure: the next wait is short again."""

_KEYS: Final = (
    (Change.TOOLS, "tools", "toolsListChanged"),
    (Change.PROMPTS, "prompts", "promptsListChanged"),
    (Change.RESOURCES, "resources", "resourcesListChanged"),
)


def announced_by(capabilities: Json) -> frozenset[Change]:
    """The changes that the upstream promises to announce."""
    return frozenset(
        change
        for change, capability, _ in _KEYS
        if isinstance(offer := capabilities.get(capability), dict) and offer.get("listChanged") is True
    )


class Follow:
    """Keeps the stream of announcements of one conversation open, in its era's way.

    A channel of the handshake era needs none: its events come anyway. `missed` is called each time a stream
    has been opened, since what changed before then was not heard; `broken` when one broke off.
    """

    def __init__(
        self,
        conversation: Conversation,
        *,
        fields: Callable[[float], Awaitable[Fields]],
        announce: Callable[[Change], None],
        missed: Callable[[], None],
        broken: Callable[[], None],
    ) -> None:
        """`fields` gives the credential of the moment before a deadline; raises `UpstreamError` where there is none."""
        self._conversation = conversation
        self._fields = fields
        self._announce = announce
        self._missed = missed
        self._broken = broken
        self._task: asyncio.Task[None] | None = None
        self.promised = announced_by(conversation.capabilities)
        """What is announced; the other lists have to be asked for."""

    def start(self) -> None:
        """Begin to follow, if there is anything to be heard."""
        if not self.promised:
            return
        if self._conversation.version == MODERN:
            self._task = asyncio.create_task(self._listen())
        elif isinstance(self._conversation, HandshakeConversation):
            self._task = asyncio.create_task(self._open_events(self._conversation))

    def stop(self) -> None:
        """Close the stream."""
        if self._task is not None:
            self._task.cancel()

    async def _open_events(self, conversation: HandshakeConversation) -> None:
        await conversation.open_events()
        self._missed()

    async def _listen(self) -> None:
        wanted = {key: True for change, _, key in _KEYS if change in self.promised}
        backoff = Backoff()
        while self._conversation.alive:
            opened = until(0)
            error = await self._once(wanted)
            if isinstance(error, Rejected) and not isinstance(error, Refused):
                self.promised = frozenset()
                return
            if isinstance(error, Unreachable):
                self._broken()
            if until(0) - opened > _STEADY_SECONDS:
                backoff.reset()
            await asyncio.sleep(backoff.next())

    async def _once(self, wanted: Json) -> UpstreamError | None:
        """One stream from beginning to end."""
        listening: Listening | None = None
        deadline = until(_OPEN_SECONDS)
        try:
            fields = await self._fields(deadline)
            listening = await Listening.open(self._conversation, wanted, self._heard, fields, deadline)
            self.promised = frozenset(change for change, _, key in _KEYS if listening.honoured.get(key) is True)
            self._missed()
            return await listening.ended()
        except UpstreamError as error:
            return error
        finally:
            if listening is not None:
                listening.close()

    def _heard(self, method: str, params: Json) -> None:
        change = LIST_CHANGED.get(method)
        if change is not None:
            self._announce(change)
