"""Single flight: the same piece of work runs once, whoever asks for it meanwhile waits for the same outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Final, Generic, TypeVar

_PATIENCE: Final = 1.0
"""Seconds that closing waits for what runs, before it is cancelled."""


class Interrupted(Exception):
    """The work was ended before it had an outcome, because its owner closed."""


K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Flights(Generic[K, V]):
    """At most one running task per key; nothing is kept of one that ended. The work outlives who asked for it."""

    __slots__ = ("_running",)

    def __init__(self) -> None:
        self._running: dict[K, asyncio.Task[V]] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._running

    def __len__(self) -> int:
        return len(self._running)

    def start(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> asyncio.Task[V]:
        """The task of `key`, begun unless it runs. What it raises is never reported as unretrieved."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.get_running_loop().create_task(work())
            task.add_done_callback(partial(self._ended, key))
        return task

    async def join(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """The outcome of `work`, or of the one that runs for `key` already. Cancelling the caller cancels no work.

        Raises what the work raises, and `Interrupted`.
        """
        task = self.start(key, work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if task.cancelled() and caller is not None and not caller.cancelling():
                raise Interrupted from None
            raise

    async def close(self) -> None:
        """Give what runs a moment to end, then cancel it."""
        running = tuple(self._running.values())
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=_PATIENCE)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    def _ended(self, key: K, task: asyncio.Task[V]) -> None:
        if self._running.get(key) is task:
            del self._running[key]
        if not task.cancelled():
            task.exception()
