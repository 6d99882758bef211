"""Files of a chain that are old, or too many, go: the oldest first, after a record that says so."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from mcp_gateway.core.spool.segments import sync
from mcp_gateway.envelopes.observability.audit.chain import Chain
from mcp_gateway.envelopes.observability.audit.checking import RETENTION
from mcp_gateway.envelopes.observability.audit.files import INDEX, number_of, segments
from mcp_gateway.envelopes.observability.audit.link import Link
from mcp_gateway.envelopes.observability.audit.opening import last_link
from mcp_gateway.envelopes.observability.lines import now

_log = structlog.get_logger("audit")


@dataclass(frozen=True, slots=True)
class Retention:
    """How much is kept: `seconds` since a file was written last, `size` bytes of a chain. None: all.

    `unshipped` tells of a chain the number of the first file that is still to be copied elsewhere. Such files are kept
    whatever their age; only `size` takes them, and that is said.
    """

    seconds: float | None = None
    size: int | None = None
    unshipped: Callable[[str], int] | None = None

    def __call__(self, chain: Chain) -> int:
        """Remove what is not to be kept; how many files went. Waits for the disk. Raises `OSError`."""
        gone = self.announce(chain)
        # The record first, and on the disk: files without it would be taken for stolen.
        if not gone or sync(chain.syncing()):
            return 0
        remove(gone)
        return len(gone)

    def announce(self, chain: Chain) -> Sequence[Path]:
        """Say in the chain what is not kept; what to `remove` once that is synced. The newest file always stays.

        Raises `OSError`.
        """
        wanted = None if self.unshipped is None else self.unshipped(chain.claim.chain)
        gone = self._gone(segments(chain.claim.folder), chain.active, wanted)
        link = _end(gone)
        if link is None:
            return ()
        names = [path.name for path in gone]
        chain.append({"time": now(), "event": RETENTION, "through": link.seq, "hash": link.hash, "files": names})
        if not chain.flush():
            return ()
        lost = sum(wanted is not None and number_of(path) >= wanted for path in gone)
        if lost:
            _log.error("files of the record go before they were shipped: `keep_size` is reached", files=lost)
        return gone

    def _gone(self, files: Sequence[Path], active: Path | None, wanted: int | None) -> Sequence[Path]:
        gone: list[Path] = []
        stats = [path.stat() for path in files]
        held = sum(stat.st_size for stat in stats)
        oldest = None if self.seconds is None else time.time() - self.seconds
        for path, stat in list(zip(files, stats, strict=True))[:-1]:
            old = oldest is not None and stat.st_mtime < oldest and (wanted is None or number_of(path) < wanted)
            if path == active or not (old or (self.size is not None and held > self.size)):
                break
            gone.append(path)
            held -= stat.st_size
        return gone


def remove(files: Sequence[Path]) -> None:
    """Remove files and their indexes, the oldest first. What cannot be removed is tried again another time."""
    for path in files:
        with contextlib.suppress(OSError):
            path.with_suffix(INDEX).unlink(missing_ok=True)
            path.unlink()


def _end(files: Sequence[Path]) -> Link | None:
    return next((link for path in reversed(files) if (link := last_link(path)) is not None), None)
