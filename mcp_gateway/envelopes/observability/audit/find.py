"""Reading the record: of one request, or of a time. Files that cannot hold what is asked for are not read."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from mcp_gateway.envelopes.observability.audit.files import chains, segments
from mcp_gateway.envelopes.observability.audit.index import lines_of

Fields = Mapping[str, Any]

_INTRODUCES: Final = b'"event":"principal"'

MOST_FILES: Final = 4
"""Files of a chain that are searched for who asked: each names everybody who asked lately."""


def of_request(path: Path, request_id: str) -> Sequence[Fields]:
    """All records of a request, in the order of each chain. Raises `OSError`."""
    found: list[Fields] = []
    for folder in chains(path):
        for file in segments(folder):
            try:
                lines = lines_of(file, request_id)
            except FileNotFoundError:
                continue  # removed meanwhile, for its age
            found.extend(each for line in lines if (each := fields_of(line)) and each.get("request_id") == request_id)
    return found


def since(path: Path, time: str = "") -> Iterator[Fields]:
    """Every record from `time` on (RFC 3339, UTC), those of several chains by their time. Raises `OSError`."""
    return heapq.merge(*(_chain(folder, time) for folder in chains(path)), key=lambda each: str(each.get("time", "")))


def newest(path: Path, most: int) -> Sequence[Fields]:
    """The last records, the oldest of them first. Raises `OSError`."""
    found: list[Fields] = []
    for folder in chains(path):
        here: list[Fields] = []
        for file in reversed(segments(folder)):
            lines = [each for line in file.read_bytes().splitlines()[-most:] if (each := fields_of(line))]
            here = lines[-(most - len(here)) :] + here
            if len(here) >= most:
                break
        found.extend(here)
    return sorted(found, key=lambda each: str(each.get("time", "")))[-most:]


def introduced(path: Path, who: str, chain: str) -> Fields | None:
    """What was last recorded of an identity in a chain; None if that is long ago, or gone. Raises `OSError`."""
    for folder in (each for each in chains(path) if each.name == chain):
        for file in list(reversed(segments(folder)))[:MOST_FILES]:
            data = file.read_bytes()
            at = data.find(_INTRODUCES)
            while at >= 0:
                begin, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
                fields = fields_of(data[begin:end]) if end >= 0 else None
                if fields is not None and fields.get("who") == who:
                    return fields
                at = data.find(_INTRODUCES, end) if end >= 0 else -1
    return None


class Follow:
    """What is added to a record from now on."""

    __slots__ = ("_path", "_read")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = {file: file.stat().st_size for folder in chains(path) for file in segments(folder)}

    def more(self) -> Iterator[Fields]:
        """The records since it was last asked. Raises `OSError`."""
        for folder in chains(self._path):
            for file in segments(folder):
                at = self._read.setdefault(file, 0)
                if file.stat().st_size <= at:
                    continue
                with file.open("rb") as stream:
                    stream.seek(at)
                    for line in stream:
                        if not line.endswith(b"\n"):
                            break
                        self._read[file] += len(line)
                        if (fields := fields_of(line)) is not None:
                            yield fields


def fields_of(line: bytes) -> Fields | None:
    """What a line holds; None where it is torn, or no record."""
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return fields if isinstance(fields, dict) else None


def _chain(folder: Path, time: str) -> Iterator[Fields]:
    files = segments(folder)
    starts = [_first_time(file) for file in files]
    for number, file in enumerate(files):
        if time and number + 1 < len(files) and starts[number + 1] and starts[number + 1] < time:
            continue
        with file.open("rb") as stream:
            for line in stream:
                fields = fields_of(line)
                if fields is not None and str(fields.get("time", "")) >= time:
                    yield fields


def _first_time(file: Path) -> str:
    with file.open("rb") as stream:
        fields = fields_of(stream.readline())
    return "" if fields is None else str(fields.get("time", ""))
