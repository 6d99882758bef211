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
from mcp_gateway.envelopes.observability.audit import head
from mcp_gateway.envelopes.observability.audit.files import Claim, segment
from mcp_gateway.envelopes.observability.audit.link import Link, seal
from mcp_gateway.envelopes.observability.lines import now

SEGMENT_BYTES: Final = 16 * 1024 * 1024
MEMORY_BYTES: Final = 8 * 1024 * 1024
ANCHOR_EVERY: Final = 1000
"""Records between two anchors: signed on the way, so that a chain is proved in pieces too."""

ANCHOR: Final = "anchor"

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC


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
    """Make it with `opening.open_chain`. `link` is the record that was added last, `number` that of the next file."""

    claim: Claim
    signer: Signer
    link: Link
    number: int
    segment_bytes: int = SEGMENT_BYTES
    memory_bytes: int = MEMORY_BYTES
    counts: Counts = field(default_factory=Counts)
    finished: list[Path] = field(default_factory=list)
    """Files that are written no more and have no index yet."""

    _file: int | None = None
    _head: int | None = None
    _path: Path | None = None
    _size: int = 0
    _waiting: list[bytes] = field(default_factory=list)
    _begun: bytes = b""
    _held: int = 0
    _unanchored: int = 0
    _untold: int = 0
    _headless: bool = False
    _retired: list[int] = field(default_factory=list)
    _dirty: bool = False

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
                    self._begin()
                self._write()
            self._write_head(closed=False)
        except OSError:
            self.counts.failures += 1
            return False
        return True

    @property
    def dirty(self) -> bool:
        """Whether there is something to sync."""
        return self._dirty or bool(self._retired)

    @property
    def active(self) -> Path | None:
        """The file that is written, if one is open."""
        return None if self._file is None else self._path

    def again(self) -> None:
        """A sync failed: what it was for may not be on the disk, and is not believed to be after another one."""
        self._dirty = True
        self.retire()

    def lost(self) -> bool:
        """Whether the file that is written was taken away; another one is begun then."""
        if self._file is None or os.fstat(self._file).st_nlink > 0:
            return False
        self.retire()
        return True

    def retire(self) -> None:
        """Append to the present file no more."""
        if self._file is None or self._path is None:
            return
        self._retired.append(self._file)
        self.finished.append(self._path)
        self._file = None

    def syncing(self) -> list[int]:
        """Descriptors that have to be synced and closed for what was flushed to be on the disk. Raises `OSError`."""
        found, self._retired = self._retired, []
        if self._dirty:
            self._dirty = False
            found.append(os.open(self.claim.folder, os.O_RDONLY | os.O_CLOEXEC))
            found.extend(os.dup(each) for each in (self._file, self._head) if each is not None)
        return found

    def close(self) -> None:
        """Say that nothing follows, and let go. Another process may go on with the chain then."""
        self.append({"time": now(), "event": "closed"})
        if self.flush():
            with contextlib.suppress(OSError):
                self._write_head(closed=True)
        with contextlib.suppress(OSError):
            sync(self.syncing())
        for descriptor in (self._file, self._head, *self._retired):
            if descriptor is not None:
                os.close(descriptor)
        self._file = self._head = None
        self.claim.leave()

    def _add(self, fields: Mapping[str, object]) -> None:
        line, self.link = seal(fields, self.claim.chain, self.link)
        self._waiting.append(line)
        self._held += len(line)
        self._unanchored += 1
        self.counts.records += 1

    def _begin(self) -> None:
        """Take what waits in hand: it goes into one file, whole."""
        data = b"".join(self._waiting)
        if self._file is not None and self._size and self._size + len(data) > self.segment_bytes:
            self.retire()
        if self._file is None:
            path = segment(self.claim.folder, self.number)
            self._file = os.open(path, _FLAGS, 0o600)
            self.number += 1
            self._path, self._size = path, 0
        self._begun, self._headless = data, True
        self._waiting.clear()

    def _write(self) -> None:
        """What is taken by half goes on where it ended: nothing is written twice, and nothing is cut off."""
        assert self._file is not None
        written = os.write(self._file, self._begun)
        if not written:
            raise OSError("nothing was written")
        self._dirty = True
        self._size += written
        self._held -= written
        self._begun = self._begun[written:]

    def _write_head(self, *, closed: bool) -> None:
        if self._head is None:
            self._head = head.opened(self.claim.folder)
        head.write(self._head, head.encoded(head.Head(self.link, closed), self.claim.chain, self.signer))
        self._headless = False


def sync(descriptors: list[int]) -> int:
    """Sync and close what `Chain.syncing` gave; how many failed. Waits for the disk."""
    failed = 0
    for descriptor in descriptors:
        try:
            os.fsync(descriptor)
        except OSError:
            failed += 1
        finally:
            os.close(descriptor)
    return failed
