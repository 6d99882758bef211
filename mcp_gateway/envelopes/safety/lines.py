"""The texts of a message, many at a time: most messages hold nothing, and to know that takes one look. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final

from mcp_gateway.envelopes.safety.finding import Detector, Rest, no_rest
from mcp_gateway.envelopes.safety.scan import encodable, once, views
from mcp_gateway.envelopes.safety.text.view import View

LONG: Final = 8_192
"""Characters that are looked through at once, at most. One look at more would hold the interpreter, and with it the
event loop, from another thread too: a longer text is gone through as a stream is."""

SEPARATOR: Final = "\n[]\n"
"""Between texts that are looked through together. No match of a detector that joins goes on across it: none has such
brackets within, and a line that ends says nothing of the next."""


class Batch:
    """Some lines in one text, in all ways in which it is looked through."""

    __slots__ = ("_lines", "_text", "_views")

    def __init__(self, lines: Sequence[str], rest: Rest = no_rest) -> None:
        self._lines = lines
        self._text = encodable(SEPARATOR.join(lines))
        self._views: Sequence[View] = tuple(views(self._text, rest))

    def clean(self, detector: Detector, rest: Rest = no_rest) -> tuple[Iterable[str], bool]:
        """The lines in which `detector` finds nothing, and whether they are all."""
        found = once(self._text, self._views, (detector,), rest)
        if not found:
            return self._lines, True
        starts = list(accumulate((len(line) + len(SEPARATOR) for line in self._lines[:-1]), initial=0))
        touched = {
            number
            for one in found
            for number in range(bisect_right(starts, one.start) - 1, bisect_right(starts, one.end - 1))
        }
        return (line for number, line in enumerate(self._lines) if number not in touched), False


class Lines:
    """The lines of a message (see `Content.lines`) in batches; with `keep`, those are made once for all detectors."""

    __slots__ = ("_keep", "_kept", "_lines")

    def __init__(self, lines: Iterable[str], *, keep: bool) -> None:
        self._lines = lines
        self._keep = keep
        self._kept: Sequence[Batch | None] | None = None

    def batches(self, rest: Rest = no_rest) -> Iterable[Batch | None]:
        """All batches, None for each line that is too long to be in one. Without `keep` they can be had once."""
        if not self._keep:
            return _batches(self._lines, rest)
        if self._kept is None:
            # Rows of a table say the same again and again: once is enough to be looked at.
            lines = tuple(dict.fromkeys(self._lines))
            whole = sum(map(len, lines)) + len(SEPARATOR) * len(lines) <= LONG
            self._kept = (Batch(lines, rest),) if whole and lines else tuple(_batches(lines, rest))
        return self._kept


def _batches(lines: Iterable[str], rest: Rest) -> Iterator[Batch | None]:
    batch: list[str] = []
    size = 0
    for line in lines:
        if len(line) > LONG:
            yield None
            continue
        if size + len(line) > LONG and batch:
            yield Batch(batch, rest)
            batch, size = [], 0
        batch.append(line)
        size += len(line) + len(SEPARATOR)
    if batch:
        yield Batch(batch, rest)
