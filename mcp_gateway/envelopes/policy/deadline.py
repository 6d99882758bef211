"""No call waits longer than it was given."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, Protocol, TypeVar

from mcp_gateway.core.asgi.alarm import EARLY, Alarm
from mcp_gateway.core.errors import TimedOut
from mcp_gateway.core.pipeline import Handler

_FOREVER = float("inf")

_GRACE = 0.05
"""Seconds for whoever waits for the upstream to notice the deadline itself, and to say that it was the upstream."""


class Timed(Protocol):
    """What has a deadline, in the loop's clock; infinity for none."""

    @property
    def deadline(self) -> float: ...


C = TypeVar("C", bound=Timed)
R = TypeVar("R")


class Deadline(Generic[C, R]):
    """Ends a call at `call.deadline` with `TimedOut`. Streams that live as long as their client have none.

    One timer serves all calls, that of the earliest deadline: hardly any is ever reached, and a timer of the loop for
    each of them would cost several times what all else here does.
    """

    __slots__ = ("_alarm", "_loop", "_under_way")

    def __init__(self) -> None:
        # Found once: in CPython 3.11 finding the running loop costs a system call.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._alarm: Alarm | None = None
        self._under_way: set[_Expiry] = set()

    async def __call__(self, call: C, call_next: Handler[C, R]) -> R:
        if call.deadline == _FOREVER:
            return await call_next(call)
        # What `asyncio.timeout_at` does, without its context manager: this stands on every call's path.
        if self._loop is None or self._alarm is None:
            self._loop = asyncio.get_running_loop()
            self._alarm = Alarm(self._loop, self._expire)
        task = asyncio.current_task(self._loop)
        assert task is not None
        cancelling = task.cancelling()
        expiry = _Expiry(task, call.deadline + _GRACE)
        self._under_way.add(expiry)
        if expiry.at < self._alarm.deadline:
            self._alarm.set(expiry.at)
        try:
            return await call_next(call)
        except asyncio.CancelledError as cancelled:
            if expiry.fired and task.uncancel() <= cancelling:
                raise TimedOut("the call did not finish within its deadline") from cancelled
            raise
        finally:
            self._under_way.discard(expiry)

    def _expire(self, now: float) -> None:
        """End the calls whose time is over, and look again when that of the next one is."""
        for expiry in [each for each in self._under_way if each.at <= now + EARLY]:
            self._under_way.discard(expiry)
            expiry.fire()
        if self._under_way and self._alarm is not None:
            self._alarm.set(min(each.at for each in self._under_way))


class _Expiry:
    """Cancels the task of a call and remembers that it did. `at` is in the loop's clock."""

    __slots__ = ("_task", "at", "fired")

    def __init__(self, task: asyncio.Task[Any], at: float) -> None:
        self._task = task
        self.at = at
        self.fired = False

    def fire(self) -> None:
        self.fired = True
        self._task.cancel()
