"""A text as read in another way, with the way back to the text that was given. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class View:
    """`text`, made from another one piece by piece.

    Piece i begins at `at[i]` in `text` and at `of[i]` in the other one, where it is `size[i]` characters long. A piece
    of size 0 was copied, character by character. Of several that begin at one place the last counts, the others are
    empty. `base` is the view that the other text is, if it is one.
    """

    text: str
    at: tuple[int, ...] = ()
    of: tuple[int, ...] = ()
    size: tuple[int, ...] = ()
    base: View | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where `text[start:end]`, which must not be empty, stands in the text that was given.

        A piece that was replaced is taken whole: of a decoded one, no part stands anywhere by itself.
        """
        if self.at:
            first, last = bisect_right(self.at, start) - 1, bisect_right(self.at, end - 1) - 1
            start = self.of[first] + (0 if self.size[first] else start - self.at[first])
            end = self.of[last] + (self.size[last] or end - self.at[last])
        return (start, end) if self.base is None else self.base.span(start, end)


def alternating(base: View, parts: Sequence[str], pieces: Sequence[str]) -> View:
    """A view of `base`, whose text is `parts`: of these every second, from the second on, is replaced by a piece.

    All at once, for what is replaced thousands of times in a text.
    """
    sizes = list(map(len, parts))
    written = list(parts)
    written[1::2] = pieces
    replaced = [0] * len(parts)
    replaced[1::2] = sizes[1::2]
    at = tuple(accumulate(map(len, written[:-1]), initial=0))
    of = tuple(accumulate(sizes[:-1], initial=0))
    return View("".join(written), at, of, tuple(replaced), based(base))


def based(view: View) -> View | None:
    """`view` as the base of another one: none, if it is the text that was given itself."""
    return None if not view.at and view.base is None else view


class Writer:
    """Makes a view of `base`, from left to right."""

    __slots__ = ("_at", "_base", "_length", "_of", "_pieces", "_read", "_size")

    def __init__(self, base: View) -> None:
        self._base = base
        self._pieces: list[str] = []
        self._at: list[int] = []
        self._of: list[int] = []
        self._size: list[int] = []
        self._length = self._read = 0

    def put(self, piece: str, start: int, end: int) -> None:
        """`piece` stands for what is from `start` to before `end` in the text; what is before it is copied."""
        self._copy(start)
        self._append(piece, start, end - start)
        self._read = end

    def view(self) -> View:
        """The view, after the rest of the text was copied."""
        self._copy(len(self._base.text))
        return View("".join(self._pieces), tuple(self._at), tuple(self._of), tuple(self._size), based(self._base))

    def _copy(self, end: int) -> None:
        if end > self._read:
            self._append(self._base.text[self._read : end], self._read, 0)

    def _append(self, piece: str, start: int, size: int) -> None:
        if piece:
            self._pieces.append(piece)
            self._at.append(self._length)
            self._of.append(start)
            self._size.append(size)
            self._length += len(piece)
