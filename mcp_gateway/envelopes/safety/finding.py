"""What a detector finds in a text, and what a detector is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


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

    def find(self, text: str) -> Sequence[Finding]:
        """The matches in `text` as it is written, in any order; they may overlap. `text` can be encoded as UTF-8."""
        ...
