"""What compiling a catalog has to report: everything that was left out or changed, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from mcp_gateway.calls.inventory import Listing


class Severity(StrEnum):
    """ERROR: something was left out because it cannot be right. WARNING: the specification misses its aim
    or an upstream's entry is unusable. NOTICE: the outcome differs from what was asked, harmlessly."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class Finding:
    """One report. `message` is public text; `item` is the upstream's own name or URI, empty for a whole source.

    `left_out` tells that the specification wanted the item and that it is not exposed.
    """

    severity: Severity
    upstream: str
    kind: Listing | None
    item: str
    message: str
    left_out: bool = False

    def __str__(self) -> str:
        where = f"{self.upstream}/{self.item}" if self.item else self.upstream
        return f"{where}: {self.message}"


class LeftOut(Exception):
    """An entry cannot be exposed. Raised and caught inside the catalog only; becomes a `Finding`."""

    def __init__(self, message: str, severity: Severity = Severity.WARNING) -> None:
        super().__init__(message)
        self.message = message
        self.severity = severity


def nearest(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the known name closest to `word`, else an empty string."""
    found = get_close_matches(word, list(known)[:2000], n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else ""


def clip(text: str, length: int = 80) -> str:
    """`text` short enough and printable enough for a message."""
    shown = "".join(char if char.isprintable() else "?" for char in text[: length + 1])
    return shown if len(shown) <= length else shown[: length - 1] + "…"
