"""The way from what is recorded to whoever collects it: a bounded queue and a thread of its own.

Recording never waits. What finds the queue full is dropped and counted, and so is what the collector does not take.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MAX_QUEUED: Final = 8192
MAX_BATCH: Final = 2048
"""Records that are sent without waiting for more: what it takes to send some hardly depends on how many they are."""

EVERY_SECONDS: Final = 2.0
FLUSH_SECONDS: Final = 5.0
"""How long closing waits for what is still queued."""


class Exporting(Generic[T]):
    """Takes records from the event loop and hands them in batches to `send`, which runs in a thread and may block.

    `send` returns how many of a batch arrived, none if it raises. `done` is told of each batch whether all did.
    """

    __slots__ = ("_closed", "_done", "_every", "_most", "_queue", "_send", "_thread", "_wake", "dropped", "sent")

    def __init__(
        self,
        send: Callable[[Sequence[T]], int],
        *,
        most: int = MAX_QUEUED,
        every: float = EVERY_SECONDS,
        done: Callable[[bool], None] = lambda well: None,
    ) -> None:
        self._queue: deque[T] = deque()
        self._send = send
        self._most = most
        self._every = every
        self._done = done
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self.dropped = 0
        """Records that found the queue full, or were not taken by the collector."""
        self.sent = 0

    def start(self) -> None:
        self._thread.start()

    def put(self, record: T) -> None:
        """Queue `record`. Never waits, never raises."""
        queue = self._queue
        if len(queue) >= self._most or self._closed:
            self.dropped += 1
            return
        queue.append(record)
        if len(queue) == MAX_BATCH:
            self._wake.set()

    @property
    def waiting(self) -> int:
        """Records in the queue."""
        return len(self._queue)

    def close(self, stop: Callable[[], None], patience: float = FLUSH_SECONDS) -> None:
        """Send what is queued, for at most `patience` seconds. `stop` ends a `send` that is waiting."""
        self._closed = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(patience)
        stop()
        if self._thread.is_alive():
            self._thread.join(patience)
        self.dropped += len(self._queue)
        self._queue.clear()

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(self._every)
            self._wake.clear()
            while self._queue:
                well = self._batch()
                if not well and self._closed:
                    return
        while self._queue and self._batch():
            pass

    def _batch(self) -> bool:
        queue = self._queue
        batch = [queue.popleft() for _ in range(min(len(queue), MAX_BATCH))]
        try:
            sent = self._send(batch)
        except Exception:
            sent = 0
        self.sent += sent
        self.dropped += len(batch) - sent
        well = sent == len(batch)
        self._done(well)
        return well
