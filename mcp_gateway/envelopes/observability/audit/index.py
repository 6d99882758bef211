"""Which records of a file are of which request: a sorted list of (CRC-32 of the id, offset), eight bytes each.

Nothing is believed because of an index: what it points to is read, and compared.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import sys
import tempfile
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mcp_gateway.envelopes.observability.audit.files import INDEX

_ID: Final = re.compile(rb'"request_id":"([^"\\]{1,64})"')
_BITS: Final = 32


def build(path: Path) -> None:
    """Make the index of a file that is written no more. Raises `OSError`."""
    with _mapped(path) as data:
        entries = array("Q")
        begin, end = 0, -1
        for found in _ID.finditer(data):
            if found.start() >= end:
                begin = data.rfind(b"\n", 0, found.start()) + 1
                end = data.find(b"\n", found.start()) + 1 or len(data)
            entries.append(zlib.crc32(found[1]) << _BITS | begin)
    ordered = array("Q", sorted(set(entries)))
    if sys.byteorder == "big":
        ordered.byteswap()
    handle, temporary = tempfile.mkstemp(prefix=".index-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            ordered.tofile(stream)
        os.replace(temporary, path.with_suffix(INDEX))
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def lines_of(path: Path, request_id: str) -> list[bytes]:
    """The lines of a file that may be of a request, in their order. Raises `OSError`."""
    wanted = request_id.encode()
    with _mapped(path) as data:
        try:
            offsets = list(_offsets(path.with_suffix(INDEX), zlib.crc32(wanted)))
        except FileNotFoundError:
            offsets = list(_searched(data, b'"request_id":"' + wanted + b'"'))
        return [data[at : data.find(b"\n", at) + 1 or len(data)] for at in offsets]


def _offsets(path: Path, wanted: int) -> Iterator[int]:
    with _mapped(path) as data:
        size = len(data) // 8
        entries = memoryview(data).cast("Q") if sys.byteorder == "little" else _swapped(data)
        try:
            at = bisect_left(entries, wanted << _BITS)
            while at < size and entries[at] >> _BITS == wanted:
                yield entries[at] & ((1 << _BITS) - 1)
                at += 1
        finally:
            if isinstance(entries, memoryview):
                entries.release()


def _swapped(data: bytes | mmap.mmap) -> array[int]:
    entries = array("Q", data[:])
    entries.byteswap()
    return entries


def _searched(data: bytes | mmap.mmap, wanted: bytes) -> Iterator[int]:
    at = data.find(wanted)
    while at >= 0:
        yield data.rfind(b"\n", 0, at) + 1
        end = data.find(b"\n", at)
        at = data.find(wanted, end) if end >= 0 else -1


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[bytes | mmap.mmap]:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data
