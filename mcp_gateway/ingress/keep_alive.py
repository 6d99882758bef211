"""Answers that take long become streams before something on the way hangs up."""

from __future__ import annotations

import asyncio
from typing import Protocol

from mcp_gateway.core.asgi.alarm import EARLY, Alarm
from mcp_gateway.ingress.stream import KEEP_ALIVE_SECONDS


class Opens(Protocol):
    """An answer that can become a stream."""

    def open(self) -> object: ...


class KeepAlive:
    """Opens the answers that were waited for long enough.

    One timer serves all of them, that of the one that waits longest: most are over long before, and a timer of the
    loop for each would cost several times what all else here does.
    """

    __slots__ = ("_alarm", "_loop", "_waiting")

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._alarm: Alarm | None = None
        self._waiting: dict[Opens, float] = {}

    def watch(self, answer: Opens, loop: asyncio.AbstractEventLoop) -> None:
        """Open `answer` if it takes long."""
        if self._alarm is None or self._loop is not loop:
            self._loop, self._alarm = loop, Alarm(loop, self._ring)
        due = self._waiting[answer] = loop.time() + KEEP_ALIVE_SECONDS
        if due < self._alarm.deadline:
            self._alarm.set(due)

    def leave(self, answer: Opens) -> None:
        """Nobody waits for `answer` any more."""
        self._waiting.pop(answer, None)

    def _ring(self, now: float) -> None:
        # All wait equally long, so they stand in the order in which they are due.
        while self._waiting:
            answer, due = next(iter(self._waiting.items()))
            if due > now + EARLY:
                assert self._alarm is not None
                self._alarm.set(due)
                return
            del self._waiting[answer]
            answer.open()
