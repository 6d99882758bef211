"""Records in a file: a mark, the length, a checksum, the payload. Reads on after what is broken. Pure."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

MARK: Final = b"\xf5SP1"
"""Begins a record. No UTF-8 text holds its first byte, so that none of ours is mistaken for it in a damaged file."""

MAX_PAYLOAD: Final = 256 * 1024

_HEAD: Final = struct.Struct("<4sII")

OVERHEAD: Final = _HEAD.size
MAX_FRAME: Final = OVERHEAD + MAX_PAYLOAD


@dataclass(frozen=True, slots=True)
class Scan:
    """What a piece of a file holds: whole records, how many bytes were gone through, and how many were no record."""

    payloads: list[bytes]
    consumed: int
    lost: int


def frame(payload: bytes) -> bytes:
    """The record of a payload, which has at most `MAX_PAYLOAD` bytes."""
    return _HEAD.pack(MARK, len(payload), _checksum(payload)) + payload


def scan(data: bytes, limit: int, *, end: bool) -> Scan:
    """The first `limit` records in `data`, at the most. `end`: nothing follows, so that what is cut off is lost.

    Where `end` is false, `data` has at least `MAX_FRAME` bytes.
    """
    payloads: list[bytes] = []
    at = lost = 0
    while len(payloads) < limit and at < len(data):
        payload = _record(data, at)
        if payload is not None:
            payloads.append(payload)
            at += OVERHEAD + len(payload)
            continue
        if not end and len(data) - at < MAX_FRAME:
            break  # It may be whole once more has been read.
        following = data.find(MARK, at + 1)
        if following < 0:
            following = len(data) if end else max(at + 1, len(data) - len(MARK) + 1)
        lost += following - at
        at = following
    return Scan(payloads, at, lost)


def _record(data: bytes, at: int) -> bytes | None:
    """The payload of the record that begins at `at`, None if there is no whole and sound one."""
    if len(data) - at < OVERHEAD:
        return None
    mark, length, checksum = _HEAD.unpack_from(data, at)
    start = at + OVERHEAD
    if mark != MARK or length > MAX_PAYLOAD or start + length > len(data):
        return None
    payload = data[start : start + length]
    return payload if _checksum(payload) == checksum else None


def _checksum(payload: bytes) -> int:
    """Of the length too: a hole of zeroes is no empty record."""
    return zlib.crc32(payload, len(payload) ^ 0x5A5A5A5A)
