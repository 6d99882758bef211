"""What of a chain is still to be shipped, read from its files in batches.

Only whole lines are read, and only what is on the disk is given out: a copy never knows more than what the machine
still has after its power was cut, so that no number of a chain is used twice.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from mcp_gateway.envelopes.observability.audit.files import number_of, segments
from mcp_gateway.envelopes.observability.audit.link import Record, read_unproved
from mcp_gateway.envelopes.observability.audit.opening import last_link
from mcp_gateway.envelopes.observability.audit.shipping.target import Item

MOST_RECORDS: Final = 500
MOST_BYTES: Final = 512 * 1024
"""Of a batch, more only where one record is longer."""

_MOST_SEQ: Final = 2**63
_HASH: Final = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Position:
    """How far a target is in a chain: the number of a file, bytes of it, the record before. All 0: at its beginning."""

    number: int = 0
    offset: int = 0
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Records to ship, and the position behind them.

    `missing` counts records before or among them that are gone from the chain; `unreadable` lines that are no records.
    """

    items: Sequence[Item]
    position: Position
    missing: int = 0
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Behind:
    """How much is still to be shipped."""

    records: int = 0
    bytes: int = 0

    def __add__(self, other: Behind) -> Behind:
        return Behind(self.records + other.records, self.bytes + other.bytes)


def read_batch(folder: Path, at: Position) -> Batch | None:
    """The records behind `at`; None if there are none yet. Waits for the disk. Raises `OSError`."""
    # Listed first: a file with another behind it is whole by the time that it is read.
    files = _from(folder, at)
    torn = 0
    for file in files:
        number = number_of(file)
        try:
            with file.open("rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                offset = min(at.offset, size) if number == at.number else 0
                data = _lines(stream, offset)
                if data:
                    os.fsync(stream.fileno())
        except FileNotFoundError:
            continue  # removed meanwhile, for its age or size
        if data:
            if offset == 0:
                _sync_folder(folder)
            return _batch(folder.name, data, Position(number, offset, at.seq), torn)
        torn += offset < size and file is not files[-1]
    return None


def behind(folder: Path, at: Position) -> Behind:
    """How far a target that is at `at` is behind the chain. Raises `OSError`."""
    files = _from(folder, at)
    left = 0
    for file in files:
        with contextlib.suppress(FileNotFoundError):  # removed meanwhile
            size = file.stat().st_size
            left += size - (min(at.offset, size) if number_of(file) == at.number else 0)
    return Behind(max(0, _last(files) - at.seq), left) if left else Behind()


def _last(files: Sequence[Path]) -> int:
    """The number of the last record in some files; 0 if there is none."""
    for file in reversed(files):
        with contextlib.suppress(FileNotFoundError):
            link = last_link(file)
            if link is not None:
                return link.seq
    return 0


def _from(folder: Path, at: Position) -> Sequence[Path]:
    """The chain's files from that of a position on. What is called otherwise is none of them."""
    return [file for file in segments(folder) if number_of(file) >= max(at.number, 1)]


def _lines(stream: BinaryIO, offset: int) -> bytes:
    """Whole lines from `offset` on: as many as fit, or one."""
    stream.seek(offset)
    data = stream.read(MOST_BYTES)
    while b"\n" not in data and (more := stream.read(MOST_BYTES)):
        data += more
    return data[: data.rfind(b"\n") + 1]


def _batch(chain: str, data: bytes, begin: Position, unreadable: int) -> Batch:
    lines = data.splitlines(keepends=True)[:MOST_RECORDS]
    items: list[Item] = []
    seq, missing = begin.seq, 0
    for line in lines:
        record = read_unproved(line)
        if record is None or record.chain != chain or not 0 < record.link.seq < _MOST_SEQ or not _hashes(record):
            unreadable += 1
            continue
        if record.link.seq > seq + 1:
            missing += record.link.seq - seq - 1
        seq = record.link.seq
        text = line[:-1].decode("utf-8", "replace")
        items.append(Item(chain, seq, record.link.hash, record.prev, text, record.fields))
    end = Position(begin.number, begin.offset + sum(map(len, lines)), seq)
    # A line that is no record counts once, and not as a record that is gone as well.
    return Batch(items, end, max(0, missing - unreadable), unreadable)


def _hashes(record: Record) -> bool:
    return _HASH.fullmatch(record.link.hash) is not None and _HASH.fullmatch(record.prev) is not None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
