"""A few threads for what would hold the event loop, and no more work for them than they can do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep
from typing import Final, TypeVar

T = TypeVar("T")

THREADS: Final = 2
"""Detectors share one interpreter: more threads than this scan nothing faster and only wait for each other."""

WAITING: Final = 64
"""Most pieces of work that wait or run. What comes on top fails at once, and the guardrail's mode decides."""

_TURN: Final = 0.0005
_BREAK: Final = 0.00005
"""Seconds of work after which a thread lets others have the interpreter, and for how long: with less than this it takes
it back before the event loop's has woken up. What releases it for a moment only (every search of RE2's does) is worse
than what holds it: each time the event loop's thread begins to wait anew."""


class Busy(Exception):
    """As much work as can be is under way."""


class Turn:
    """A thread's turn with the interpreter, which ends when it is called and has lasted for a while. A `Rest`."""

    __slots__ = ("_begun",)

    def __init__(self) -> None:
        self._begun = monotonic()

    def __call__(self) -> None:
        if monotonic() - self._begun >= _TURN:
            sleep(_BREAK)
            self._begun = monotonic()


class Workers:
    """Runs work that cannot be interrupted. Whoever stops waiting leaves it behind, and its place stays taken."""

    __slots__ = ("_pool", "_waiting", "under_way")

    def __init__(self, *, threads: int = THREADS, waiting: int = WAITING) -> None:
        # Threads are started when there is work for them.
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="guardrail")
        self._waiting = waiting
        self.under_way = 0

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises. Raises `Busy` where it cannot even wait."""
        if self.under_way >= self._waiting:
            raise Busy
        self.under_way += 1
        running = self._pool.submit(work)
        loop = asyncio.get_running_loop()
        running.add_done_callback(lambda _: _later(loop, self._done))
        return await asyncio.wrap_future(running)

    def close(self) -> None:
        """Take no more work, and wait for none."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _done(self) -> None:
        self.under_way -= 1


def _later(loop: asyncio.AbstractEventLoop, work: Callable[[], None]) -> None:
    # Work that was left behind may end after the loop has.
    if not loop.is_closed():
        loop.call_soon_threadsafe(work)
