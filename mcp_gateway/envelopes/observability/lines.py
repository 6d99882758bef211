"""Structured lines on a stream: one JSON object a line, escaped by the encoder, written in batches.

Writing happens once per turn of the event loop, so that concurrent calls share one system call.
The buffer is bounded: when the reader of the stream is slower than the gateway, lines are dropped
and counted, never waited for.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Protocol

import orjson

_MAX_BUFFERED: Final = 10_000
_RETRY_SECONDS: Final = 0.05


class LineSink(Protocol):
    """Takes one record; never waits, never raises."""

    def write(self, record: Mapping[str, object]) -> None: ...


class FileLines:
    """A `LineSink` on a file descriptor. `dropped` counts the records that found the buffer full."""

    __slots__ = ("_buffer", "_fd", "_loop", "_partial", "_scheduled", "dropped")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._buffer: list[bytes] = []
        self._partial = b""
        self._scheduled = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.dropped = 0

    def write(self, record: Mapping[str, object]) -> None:
        """Queue `record`; it is on the descriptor after this turn of the loop."""
        if len(self._buffer) >= _MAX_BUFFERED:
            self.dropped += 1
            return
        self._buffer.append(orjson.dumps(record, default=str, option=orjson.OPT_APPEND_NEWLINE))
        if not self._scheduled:
            self._scheduled = True
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what is queued; what the descriptor does not take now is tried again shortly."""
        self._scheduled = False
        while self._partial or self._buffer:
            if not self._partial:
                self._partial = b"".join(self._buffer)
                self._buffer.clear()
            try:
                self._partial = self._partial[os.write(self._fd, self._partial) :]
            except BlockingIOError:
                # The buffer fills up meanwhile, and only so far: what waits here is not added to.
                self._scheduled = True
                asyncio.get_running_loop().call_later(_RETRY_SECONDS, self.flush)
                return
            except OSError:
                self.dropped += self._partial.count(b"\n")
                self._partial = b""


class MemoryLines:
    """A `LineSink` that keeps its records, for tests and embedding."""

    __slots__ = ("records",)

    def __init__(self) -> None:
        self.records: list[dict[str, object]] = []

    def write(self, record: Mapping[str, object]) -> None:
        self.records.append(dict(record))


def now() -> str:
    """The wall-clock time of a record: RFC 3339, UTC, milliseconds."""
    return stamp(time.time())


def stamp(at: float) -> str:
    """A time in Unix seconds as records have it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
