"""Look-ups in the record of calls: in threads, few at a time, with an error for each way in which there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

AT_ONCE: Final = 2
"""Look-ups that run at the same time: a thread that parses takes its share of the interpreter from calls."""

MOST_WAITING: Final = 16

T = TypeVar("T")


class NoRecord(Exception):
    """No record is kept that could be looked into."""


class RecordUnreadable(Exception):
    """The record is there, or should be, and cannot be read. The message is public."""


class Busy(Exception):
    """Too many look-ups wait already."""


class Lookups:
    """Runs look-ups in the record at `path`; there is none if it is None. Make it inside the running loop."""

    __slots__ = ("_path", "_places", "_running", "_waiting")

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._places = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._running: set[asyncio.Task[object]] = set()

    async def run(self, look: Callable[[Path], T]) -> T:
        """What `look` finds, in a thread. Raises `NoRecord`, `RecordUnreadable`, `Busy`, and what it raises."""
        if self._path is None:
            raise NoRecord
        if self._waiting >= MOST_WAITING:
            raise Busy
        # A client that goes away ends no thread: its place is taken until the thread is done.
        task: asyncio.Task[T] = asyncio.get_running_loop().create_task(self._one(look, self._path))
        self._running.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def _one(self, look: Callable[[Path], T], path: Path) -> T:
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            return await asyncio.to_thread(_looked, look, path)
        finally:
            self._places.release()

    def _done(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited for it has seen it, or is gone


def _looked(look: Callable[[Path], T], path: Path) -> T:
    try:
        if not path.is_dir():
            raise RecordUnreadable("the folder of the record is not there")
        return look(path)
    except OSError as error:
        raise RecordUnreadable(f"the record cannot be read: {error.strerror or type(error).__name__}") from None
