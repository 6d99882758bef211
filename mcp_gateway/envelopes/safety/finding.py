"""What a detector finds in a text, and what a detector is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

Rest = Callable[[], None]
"""What long work calls between its parts: in a thread it lets others have the interpreter. It changes no result."""


def no_rest() -> None:
    """The `Rest` of work that is short, or that nobody else could go on meanwhile."""


T = TypeVar("T")
_FEW: Final = 64


def paced(things: Iterable[T], rest: Rest) -> Iterator[T]:
    """The same things, with a `rest` after every few: there may be ten thousand."""
    for number, thing in enumerate(things):
        if number % _FEW == 0:
            rest()
        yield thing


@dataclass(frozen=True, slots=True)
class Finding:
    """One match, from `start` to before `end` in characters of the text that was given.

    It holds no part of the text, so it may be recorded.
    """

    kind: str
    start: int
    end: int


class Detector(Protocol):
    """Finds one sort of thing in a text. It keeps nothing between two calls, and may be called from any thread."""

    @property
    def name(self) -> str:
        """The detector's type in the configuration."""
        ...

    @property
    def longest(self) -> int:
        """How many characters must be seen after the start of a match, at most, to know that it is one.

        A stream holds back that many. A match may go on for longer.
        """
        ...

    def find(self, text: str, rest: Rest = no_rest) -> Sequence[Finding]:
        """The matches in `text` as it is written, in any order; they may overlap. `text` can be encoded as UTF-8.

        What takes a while calls `rest` meanwhile.
        """
        ...
