"""A chain that is being written: records are tied together as they come, and go to the kernel when `flush` is called.

What was flushed outlives this process, however that ends. `syncing` gives what it takes to make it outlive the
machine. What the disk does not take waits in memory, in its place in the chain, and only so much of it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mcp_gateway.core.sign import Signer
from mcp_gateway.core.spool.segments import SegmentWriter, sync
from mcp_gateway.envelopes.observability.audit import head
from mcp_gateway.envelopes.observability.audit.files import RECORDS, Claim
from mcp_gateway.envelopes.observability.audit.link import Link, seal
from mcp_gateway.envelopes.observability.lines import now

SEGMENT_BYTES: Final = 16 * 1024 * 1024
MEMORY_BYTES: Final = 8 * 1024 * 1024
ANCHOR_EVERY: Final = 1000
"""Records between two anchors: signed on the way, so that a chain is proved in pieces too."""

ANCHOR: Final = "anchor"


@dataclass(slots=True)
class Counts:
    """Since the start. `records`: written. `dropped`: records that there was no room for in memory. `failures`: times
    that the disk took less than was given. `unsynced`: syncs that failed. `refused` and `allowed`: calls without a
    durable intent."""

    records: int = 0
    dropped: int = 0
    failures: int = 0
    unsynced: int = 0
    refused: int = 0
    allowed: int = 0


@dataclass(slots=True)
class Chain:
    """Make it with `opening.open_chain`. `link` is its last record, `number` that of the first file to be begun."""

    claim: Claim
    signer: Signer
    link: Link
    number: int
    segment_bytes: int = SEGMENT_BYTES
    memory_bytes: int = MEMORY_BYTES
    counts: Counts = field(default_factory=Counts)
    finished: list[Path] = field(default_factory=list)
    """Files that are written no more and have no index yet."""

    _writer: SegmentWriter = field(init=False)
    _name: str = field(init=False)
    _head: int | None = None
    _waiting: list[bytes] = field(default_factory=list)
    _begun: bytes = b""
    _taken: int = 0
    _held: int = 0
    _unanchored: int = 0
    _untold: int = 0
    _headless: bool = False

    def __post_init__(self) -> None:
        self._name = self.claim.chain
        self._writer = SegmentWriter(
            self.claim.folder,
            RECORDS,
            self.segment_bytes,
            number=self.number,
            retired=self.finished.append,
        )

    @property
    def waits(self) -> bool:
        """Whether something is not with the kernel yet."""
        return bool(self._waiting or self._begun or self._headless)

    @property
    def unanchored(self) -> int:
        """Records since the last anchor."""
        return self._unanchored

    def append(self, fields: Mapping[str, object]) -> bool:
        """Add a record. False if it was dropped, and counted, for want of room. Never waits, never raises."""
        if self._held > self.memory_bytes:
            self.counts.dropped += 1
            self._untold += 1
            return False
        if self._untold:
            dropped, self._untold = self._untold, 0
            self._add({"time": now(), "event": "gap", "dropped": dropped})
        self._add(fields)
        if self._unanchored >= ANCHOR_EVERY:
            self.anchor()
        return True

    def anchor(self) -> None:
        """Add a signature of all that was added so far."""
        signature = self.signer.sign(head.stated(ANCHOR, self.claim.chain, self.link))
        self._add({"time": now(), "event": ANCHOR, "key": self.signer.first, "signature": signature})
        self._unanchored = 0

    def flush(self) -> bool:
        """Give the kernel what waits. False if it did not take all of it; the rest waits."""
        if not self.waits:
            return True
        try:
            while self._begun or self._waiting:
                if not self._begun:
                    self._begun, self._headless = b"".join(self._waiting), True
                    self._waiting.clear()
                self._write()
            self._write_head(closed=False)
        except OSError:
            self.counts.failures += 1
            return False
        return True

    @property
    def dirty(self) -> bool:
        """Whether there is something to sync."""
        return self._writer.dirty

    @property
    def active(self) -> Path | None:
        """The file that is written, if one is open."""
        return self._writer.path

    def again(self) -> None:
        """A sync failed: what it was for may not be on the disk, and is not believed to be after another one."""
        self._rewind()
        self._writer.again()

    def lost(self) -> bool:
        """Whether the file that is written was taken away; another one is begun then."""
        if not self._writer.gone():
            return False
        self._rewind()
        self._writer.retire()
        return True

    def syncing(self) -> list[int]:
        """Descriptors that have to be synced and closed for what was flushed to be on the disk. Raises `OSError`."""
        return self._writer.syncing(self._head)

    def close(self) -> None:
        """Say that nothing follows, and let go. Another process may go on with the chain then."""
        self.append({"time": now(), "event": "closed"})
        if self.flush():
            with contextlib.suppress(OSError):
                self._write_head(closed=True)
        with contextlib.suppress(OSError):
            sync(self.syncing())
        self._writer.close()
        if self._head is not None:
            os.close(self._head)
            self._head = None
        self.claim.leave()

    def _add(self, fields: Mapping[str, object]) -> None:
        line, self.link = seal(fields, self._name, self.link)
        self._waiting.append(line)
        self._held += len(line)
        self._unanchored += 1
        self.counts.records += 1

    def _write(self) -> None:
        """What is begun goes into one file. What is taken by half goes on where it ended: nothing is written twice."""
        if not self._taken:
            self._writer.room(len(self._begun))
        written = self._writer.write(self._begun[self._taken :])
        self._held -= written
        self._taken += written
        if self._taken == len(self._begun):
            self._begun, self._taken = b"", 0

    def _rewind(self) -> None:
        """The present file gets no more: half a record at its end is taken off, and goes whole into the next one."""
        whole = self._begun.rfind(b"\n", 0, self._taken) + 1
        torn = self._taken - whole
        if torn:
            self._writer.cut(self._writer.size - torn)
        self._held += torn
        self._begun, self._taken = self._begun[whole:], 0

    def _write_head(self, *, closed: bool) -> None:
        if self._head is None:
            self._head = head.opened(self.claim.folder)
        head.write(self._head, head.encoded(head.Head(self.link, closed), self.claim.chain, self.signer))
        self._headless = False
