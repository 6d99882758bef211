"""Reading the record from its end: the newest first, so much at a time, and where to go on afterwards.

Lines that cannot hold what is wanted are not parsed: records are canonical JSON, so what a field would look like in the
line is known beforehand. Nothing is believed because of it; what is parsed is compared.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from mcp_gateway.envelopes.observability.audit.files import chains, segments
from mcp_gateway.envelopes.observability.audit.find import Fields, fields_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which records are wanted: those whose line has all `needles` and that `fits` says yes to.

    `since` and `until` are RFC 3339 in UTC as records have it, the one included, the other not; empty for no bound.
    """

    needles: Sequence[bytes] = ()
    fits: Callable[[Fields], bool] = lambda _: True
    since: str = ""
    until: str = ""

    def takes(self, fields: Fields) -> bool:
        time = str(fields.get("time", ""))
        return self.since <= time and (not self.until or time < self.until) and self.fits(fields)


def needle(name: str, value: str) -> bytes:
    """What the line of a record has in it if its field `name` is `value`."""
    return orjson.dumps(name) + b":" + orjson.dumps(value)


class Walk:
    """An iterator over the wanted records below `path`, the newest first. Use it in a `with` statement.

    It ends when `look` lines were looked at, or there are no more. `below` tells where another walk goes on: by chain,
    the number of a record that the next one is below; empty where there is nothing left.
    """

    def __init__(self, path: Path, wanted: Wanted, *, look: int, below: Mapping[str, int] | None = None) -> None:
        """Raises `OSError`, and so does iterating. Chains that `below` does not name are not read.

        At least one line more than there are chains is looked at: each walk comes further than the one before.
        """
        named = [each for each in chains(path) if below is None or each.name in below]
        self._budget = _Budget(max(look, len(named) + 1))
        self._readers = [
            _Reader(each.name, _records(each, wanted, None if below is None else below[each.name], self._budget))
            for each in named
        ]
        self._begun = False

    def __enter__(self) -> Walk:
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self._readers:
            reader.close()

    def __iter__(self) -> Iterator[Fields]:
        return self

    def __next__(self) -> Fields:
        if not self._begun:
            self._begun = True
            for reader in self._readers:
                reader.advance()
        if any(reader.stopped for reader in self._readers):
            raise StopIteration
        best = max((each for each in self._readers if each.fields is not None), key=_time, default=None)
        if best is None:
            raise StopIteration
        fields = best.fields
        assert fields is not None
        best.advance()
        return fields

    @property
    def below(self) -> Mapping[str, int]:
        return {each.name: each.below for each in self._readers if each.below is not None}

    @property
    def looked(self) -> int:
        """Lines that were looked at."""
        return self._budget.used


@dataclass(slots=True)
class _Budget:
    left: int
    used: int = 0


@dataclass(frozen=True, slots=True)
class _At:
    """A record that is wanted; without `fields`, the place at which enough was looked at."""

    below: int
    fields: Fields | None


@dataclass(slots=True)
class _Reader:
    """One chain: the next record of it that is wanted. `below` is None at its end."""

    name: str
    records: Iterator[_At]
    fields: Fields | None = None
    below: int | None = None
    stopped: bool = False
    _closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def advance(self) -> None:
        at = next(self.records, None)
        self.fields, self.below = (None, None) if at is None else (at.fields, at.below)
        self.stopped = at is not None and at.fields is None

    def close(self) -> None:
        close: Any = getattr(self.records, "close", None)
        if close is not None:
            close()


def _time(reader: _Reader) -> str:
    return "" if reader.fields is None else str(reader.fields.get("time", ""))


def _records(folder: Path, wanted: Wanted, below: int | None, budget: _Budget) -> Iterator[_At]:
    """Those of one chain, the last first."""
    for file in reversed(segments(folder)):
        try:
            with _mapped(file) as data:
                first = fields_of(data[: data.find(b"\n") + 1]) or {}
                begins, time = first.get("seq"), str(first.get("time", ""))
                passed = isinstance(begins, int) and below is not None and begins >= below
                if passed or (wanted.until and time >= wanted.until):
                    continue
                yield from _in_file(data, wanted, below, budget)
                if time and time < wanted.since:
                    return
        except FileNotFoundError:
            continue  # removed meanwhile, for its age


def _in_file(data: bytes | mmap.mmap, wanted: Wanted, below: int | None, budget: _Budget) -> Iterator[_At]:
    end = len(data) if below is None else _end(data, below)
    while end > 0:
        begin = data.rfind(b"\n", 0, end - 1) + 1
        line = data[begin:end]
        end = begin
        if not budget.left:
            seq = _seq(line)
            if seq is None:
                continue
            yield _At(seq + 1, None)
            return
        budget.left -= 1
        budget.used += 1
        if all(each in line for each in wanted.needles):
            fields = fields_of(line)
            if fields is not None and isinstance(fields.get("seq"), int) and wanted.takes(fields):
                yield _At(fields["seq"] + 1, fields)


def _end(data: bytes | mmap.mmap, below: int) -> int:
    """Where the records of a file end whose numbers are below `below`: they count up."""
    low, high = 0, len(data)
    while low < high:
        begin = at = data.rfind(b"\n", low, (low + high) // 2) + 1 or low
        seq: int | None = None
        while at < high and seq is None:
            # A line that is no record has the place of the one after it.
            after = data.find(b"\n", at) + 1 or len(data)
            seq, at = _seq(data[at:after]), after
        if seq is None or seq >= below:
            high = begin
        else:
            low = at
    return low


def _seq(line: bytes) -> int | None:
    found = (fields_of(line) or {}).get("seq")
    return found if isinstance(found, int) else None


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[bytes | mmap.mmap]:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data
