"""What is shipped, and what takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, datetime
from typing import Any, Final, Protocol

NUL: Final = "\x00"
_MAX_TEXT: Final = 512
_FIRST_YEAR: Final = 1970


class NotTaken(Exception):
    """A target did not take a batch, or nobody knows whether it did. `kind` is a word for why, never its own text."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Item:
    """A record on its way. `hash` is its id: the same wherever and however often it arrives. `line` is its text as it
    stands in the chain, without the end of the line; `fields` is what that holds."""

    chain: str
    seq: int
    hash: str
    prev: str
    line: str
    fields: Mapping[str, Any]

    def text(self, name: str) -> str | None:
        """A field as a short text that every target takes, None if there is none."""
        value = self.fields.get(name)
        return value[:_MAX_TEXT].replace(NUL, "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else None

    @property
    def time(self) -> datetime | None:
        """When it was written, by the clock of the gateway."""
        try:
            found = datetime.fromisoformat(str(self.fields.get("time")))
        except ValueError:
            return None
        return found if found.tzinfo is not None and _FIRST_YEAR <= found.year < MAXYEAR else None


class Target(Protocol):
    """Takes records over for good. It is used by one thread, may block, and for so long only."""

    def send(self, items: Sequence[Item]) -> int:
        """Hand records over; how many of them the target refused for good, and will never take.

        Raises `NotTaken`: all of them are sent again then, also those that have arrived.
        """
        ...

    def close(self) -> None:
        """Let go of what is open. Called by the thread that sends."""
        ...


class MemoryTarget:
    """A `Target` that keeps what it is given, for tests and embedding. While `failing` says why, it takes nothing."""

    __slots__ = ("failing", "items")

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.failing = ""

    def send(self, items: Sequence[Item]) -> int:
        if self.failing:
            raise NotTaken(self.failing)
        self.items.extend(items)
        return 0

    def close(self) -> None:
        pass
