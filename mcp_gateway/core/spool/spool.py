"""A spool: appended to without waiting, read in batches, emptied as batches are done.

What `append` calls kept is with the kernel: it outlives this process, however that ends. `syncing` gives what it takes
to make it outlive the machine. One thread appends and completes; reading and syncing may happen in others.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from mcp_gateway.core.spool.folder import SUFFIX, Claim, claim, leave
from mcp_gateway.core.spool.record import MAX_FRAME, MAX_PAYLOAD, OVERHEAD, frame, scan
from mcp_gateway.core.spool.segments import SegmentWriter, sync

SEGMENT_BYTES: Final = 4 * 1024 * 1024
MAX_BYTES: Final = 1024 * 1024 * 1024
MEMORY_BYTES: Final = 8 * 1024 * 1024

FRESH_BYTES: Final = 1024 * 1024
"""Of the records that came last, which are kept in memory too: where they are delivered soon nobody reads the file."""

_RESET_BYTES: Final = 256 * 1024
"""A file of which everything was delivered begins anew from here on: little is delivered twice after a crash."""

_READ_BYTES: Final = max(1024 * 1024, 2 * MAX_FRAME)


@dataclass(slots=True, eq=False)
class _Segment:
    """`fresh` are the last payloads of the file once more, `fresh_size` is how many bytes of the file they are."""

    path: Path
    size: int = 0
    read: int = 0
    fresh: deque[bytes] = field(default_factory=deque)
    fresh_size: int = 0

    def keep(self, payload: bytes, size: int) -> None:
        """A record of `size` bytes was appended."""
        self.size += size
        self.fresh.append(payload)
        self.fresh_size += size
        if self.fresh_size > FRESH_BYTES:
            self.fresh.clear()
            self.fresh_size = 0

    def forget(self, end: int) -> None:
        """What stands before `end` was delivered."""
        self.read = end
        while self.fresh and self.size - self.fresh_size < end:
            self.fresh_size -= OVERHEAD + len(self.fresh.popleft())


@dataclass(frozen=True, slots=True)
class Batch:
    """Records to deliver. `lost` counts bytes on the way to them that were no records any more."""

    payloads: Sequence[bytes]
    segment: _Segment | None = None
    end: int = 0
    lost: int = 0


@dataclass(slots=True)
class Counts:
    """Since the start. `dropped`: records for which there was no room. `lost_bytes`: of files that were damaged or cut
    off. `failures`: times that the disk took no record, which then waited in memory. `unsynced`: syncs that failed."""

    dropped: int = 0
    lost_bytes: int = 0
    failures: int = 0
    unsynced: int = 0


@dataclass(slots=True)
class Spool:
    """Make it with `open`, which takes over what others left in `folder`."""

    claim: Claim
    writer: SegmentWriter
    max_bytes: int
    memory_bytes: int
    counts: Counts = field(default_factory=Counts)
    _segments: deque[_Segment] = field(default_factory=deque)
    _memory: deque[bytes] = field(default_factory=deque)
    _memory_held: int = 0
    _disk_held: int = 0

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        max_bytes: int = MAX_BYTES,
        memory_bytes: int = MEMORY_BYTES,
    ) -> Spool:
        """A spool in `folder` of at most `max_bytes` on disk. `memory_bytes` wait while the disk takes nothing.

        Raises `OSError`.
        """
        mine = claim(folder)
        writer = SegmentWriter(mine.path, SUFFIX, segment_bytes, number=len(mine.found) + 1)
        spool = cls(mine, writer, max_bytes, memory_bytes)
        for path in mine.found:
            spool._segments.append(_Segment(path, path.stat().st_size))
        spool._disk_held = sum(segment.size for segment in spool._segments)
        return spool

    @property
    def waiting(self) -> int:
        """Bytes that were not delivered yet."""
        return self._memory_held + sum(segment.size - segment.read for segment in self._segments)

    @property
    def in_memory(self) -> int:
        """Records that the disk did not take yet."""
        return len(self._memory)

    def append(self, payload: bytes) -> bool:
        """Keep a record. False if it was dropped, and counted, for want of room. Never waits, never raises."""
        record = frame(payload) if len(payload) <= MAX_PAYLOAD else b""
        # What is held is cut from here: what a JSON encoder gives has kilobytes of room behind it, and keeps them.
        if not record or self._disk_held + len(record) > self.max_bytes:
            self.counts.dropped += 1
            return False
        if not self._write(record):
            self.counts.failures += 1
            if self._memory_held + len(payload) > self.memory_bytes:
                self.counts.dropped += 1
                return False
            self._memory.append(record[OVERHEAD:])
            self._memory_held += len(payload)
        return True

    def settle(self) -> None:
        """Try again to put on disk what waits in memory."""
        while self._memory:
            payload = self._memory[0]
            record = frame(payload)
            if self._disk_held + len(record) > self.max_bytes or not self._write(record):
                return
            self._memory.popleft()
            self._memory_held -= len(payload)

    def due(self, limit: int) -> Callable[[], Batch] | None:
        """What reads the next `limit` records, at the most, in any thread; None if there are none.

        What it gives has to be `done` before the next one is asked for, and nothing is to `settle` meanwhile. It may
        be less, and even nothing where a file is damaged. Raises `OSError` when called.
        """
        if self._memory:
            return partial(Batch, list(islice(self._memory, limit)))
        for segment in self._segments:
            if segment.read < segment.size:
                return partial(_read, segment, segment.read, segment.size, limit)
        return None

    def at_hand(self, limit: int) -> Batch | None:
        """The same as what `due` gives would read, where it is in memory; None where a file has to be read."""
        if self._memory:
            return Batch(list(islice(self._memory, limit)))
        segment = next((each for each in self._segments if each.read < each.size), None)
        if segment is None or not segment.fresh or segment.size - segment.fresh_size != segment.read:
            return None
        payloads = list(islice(segment.fresh, limit))
        return Batch(payloads, segment, segment.read + sum(map(len, payloads)) + OVERHEAD * len(payloads))

    def done(self, batch: Batch) -> None:
        """The records of the batch are delivered: forget them."""
        segment = batch.segment
        if segment is None:
            for _ in batch.payloads:
                self._memory_held -= len(self._memory.popleft())
            return
        segment.forget(batch.end)
        self.counts.lost_bytes += batch.lost
        if segment.read < segment.size:
            return
        if self.writer.path != segment.path:
            self._remove(segment)
        elif segment.size >= _RESET_BYTES:
            self._restart(segment)

    def syncing(self) -> list[int]:
        """Descriptors that have to be synced and closed, by `sync`, for all that was appended to be on the disk."""
        with contextlib.suppress(OSError):
            return self.writer.syncing()
        return []

    def close(self) -> None:
        """Leave what is not delivered for the next process, synced as well as may be."""
        self.settle()
        self.counts.unsynced += sync(self.syncing())
        self.writer.retire()
        sync(self.syncing())
        self.writer.close()
        for segment in [each for each in self._segments if each.read >= each.size]:
            self._remove(segment)
        leave(self.claim)

    def _write(self, record: bytes) -> bool:
        """Whether the disk took the record. What it took of one by half is cut off again."""
        try:
            begun = self.writer.room(len(record))
            if begun is not None:
                self._segments.append(_Segment(begun))
            written = self.writer.write(record)
        except OSError:
            return False
        if written < len(record):
            self.writer.cut(self._segments[-1].size)
            return False
        self._segments[-1].keep(record[OVERHEAD:], written)
        self._disk_held += written
        return True

    def _restart(self, segment: _Segment) -> None:
        if not self.writer.cut(0):
            self._remove(segment)
            return
        self._disk_held -= segment.size
        segment.size = segment.read = 0

    def _remove(self, segment: _Segment) -> None:
        # What cannot be removed is delivered again by the next process, and changes nothing then.
        with contextlib.suppress(OSError):
            segment.path.unlink(missing_ok=True)
        self._segments.remove(segment)
        self._disk_held -= segment.size


def _read(segment: _Segment, start: int, size: int, limit: int) -> Batch:
    try:
        with segment.path.open("rb") as file:
            file.seek(start)
            data = file.read(min(_READ_BYTES, size - start))
    except FileNotFoundError:
        return Batch((), segment, size, size - start)
    end = start + len(data) >= size or not data
    found = scan(data, limit, end=end)
    # A file that is shorter than it was, after a power cut, has nothing more to read.
    consumed = found.consumed if data else size - start
    return Batch(found.payloads, segment, start + consumed, found.lost + (0 if data else consumed))
