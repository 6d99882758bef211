"""Reading a record of calls, line by line: it may be longer than memory, torn, and mixed with other lines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from mcp_gateway.envelopes.observability.audit.files import chains, segments

SUFFIXES: Final = (".jsonl", ".log", ".ndjson", ".json")
MAX_LINE: Final = 1 << 20
"""Longest line that is read; records are far shorter."""

STANDARD_INPUT: Final = Path("-")


@dataclass(slots=True)
class Read:
    """What was read so far: lines, and those of them that are no records."""

    lines: int = 0
    foreign: int = 0


def files_of(path: Path) -> list[Path]:
    """The files of a record: itself, those directly in a folder by name, or those of its chains, each in its order.

    Raises `OSError`.
    """
    if path == STANDARD_INPUT or not path.is_dir():
        return [path]
    here = sorted(each for each in path.iterdir() if each.suffix in SUFFIXES and each.is_file())
    return here or [file for folder in chains(path) for file in segments(folder)]


def records(files: list[Path], read: Read, progress: Callable[[Read], None]) -> Iterator[dict[str, Any]]:
    """Every line of `files` that is an object with an `event`. Raises `OSError`."""
    for path in files:
        if path == STANDARD_INPUT:
            yield from _lines(sys.stdin.buffer, read, progress)
        else:
            with path.open("rb") as stream:
                yield from _lines(stream, read, progress)


def _lines(stream: BinaryIO, read: Read, progress: Callable[[Read], None]) -> Iterator[dict[str, Any]]:
    whole = True
    while line := stream.readline(MAX_LINE):
        first, whole = whole, line.endswith(b"\n")
        if not first:
            continue  # the rest of a line that is too long
        read.lines += 1
        progress(read)
        record = _record(line)
        if record is None:
            read.foreign += 1
        else:
            yield record


def _record(line: bytes) -> dict[str, Any] | None:
    if not line.startswith(b"{"):
        return None
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get("event"), str) else None
