"""One timer for many deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

NEVER: Final = float("inf")

EARLY: Final = 0.002
"""Event loops round their timers to a millisecond, in either direction."""


class Alarm:
    """Calls back once its deadline has passed.

    A deadline changes with every request and is hardly ever reached, so moving it later, or clearing it, only stores a
    number: the loop's timer runs out at the old time, looks at the number and is armed again if needed. Only a deadline
    earlier than the armed timer costs a cancel and a new timer.
    """

    __slots__ = ("_armed", "_callback", "_handle", "_loop", "deadline")

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[float], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._handle: asyncio.TimerHandle | None = None
        self._armed = NEVER
        self.deadline = NEVER

    def set(self, deadline: float) -> None:
        """Call back at `deadline` (loop time) instead of whenever it was due before."""
        self.deadline = deadline
        if self._armed > deadline:
            if self._handle is not None:
                self._handle.cancel()
            self._arm(deadline)

    def clear(self) -> None:
        """Do not call back until the next `set`."""
        self.deadline = NEVER

    def cancel(self) -> None:
        """Let go of the loop's timer for good."""
        self.deadline = self._armed = NEVER
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self, when: float) -> None:
        self._armed = when
        self._handle = self._loop.call_later(max(0.0, when - self._loop.time()), self._ring)

    def _ring(self) -> None:
        self._handle, self._armed = None, NEVER
        if self.deadline == NEVER:
            return
        now = self._loop.time()
        if now + EARLY < self.deadline:
            self._arm(self.deadline)
            return
        self.deadline = NEVER
        self._callback(now)
