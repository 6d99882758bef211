"""How long sessions with an upstream last. Versions from 2026-07-28 on have none."""

from __future__ import annotations

import time
from collections.abc import Callable

from mcp_gateway.upstream.wire import MODERN, Conversation

Ended = Callable[[str, float, bool], None]
"""Told of each session that ended: the protocol version, seconds, and whether the other side was still there."""


def told_to_nobody(version: str, seconds: float, well: bool) -> None:
    """Where nobody wants to know."""


class Lasting:
    """Remembers when each session of one upstream began, until it ends."""

    __slots__ = ("_began", "_told")

    def __init__(self, told: Ended = told_to_nobody) -> None:
        self._told = told
        self._began: dict[int, tuple[Conversation, float]] = {}

    def began(self, conversation: Conversation) -> None:
        """A conversation is open."""
        if conversation.version != MODERN:
            self._began.setdefault(id(conversation), (conversation, time.monotonic()))

    def ended(self, conversation: Conversation) -> None:
        """It is about to be closed. One that never began is no session."""
        known = self._began.pop(id(conversation), None)
        if known is not None:
            self._told(conversation.version, time.monotonic() - known[1], conversation.alive)
