"""No call waits longer than it was given."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, Protocol, TypeVar

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
    """Ends a call at `call.deadline` with `TimedOut`. Streams that live as long as their client have none."""

    __slots__ = ("_loop",)

    def __init__(self) -> None:
        # Found once: in CPython 3.11 finding the running loop costs a system call.
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, call: C, call_next: Handler[C, R]) -> R:
        if call.deadline == _FOREVER:
            return await call_next(call)
        # What `asyncio.timeout_at` does, without its context manager: this stands on every call's path.
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        cancelling = task.cancelling()
        expiry = _Expiry(task)
        timer = loop.call_at(call.deadline + _GRACE, expiry)
        try:
            return await call_next(call)
        except asyncio.CancelledError as cancelled:
            if expiry.fired and task.uncancel() <= cancelling:
                raise TimedOut("the call did not finish within its deadline") from cancelled
            raise
        finally:
            timer.cancel()


class _Expiry:
    """Cancels the task and remembers that it did."""

    __slots__ = ("_task", "fired")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        self.fired = False

    def __call__(self) -> None:
        self.fired = True
        self._task.cancel()
