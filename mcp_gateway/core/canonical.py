"""One text for one JSON value, and its digest. Pure.

Close to RFC 8785: no whitespace, keys in order, so that neither decides. It differs in two points. Numbers keep the
way they were meant: 1 and 1.0 are two values, because a reader may treat them as an integer and a float. Keys are
ordered by code point, not by UTF-16 unit. Strings are never normalised: what looks alike is not the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any


def canonical(value: object) -> bytes:
    """The one text of a JSON value, ASCII only. Raises ValueError for NaN and infinities, which are no JSON."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.encode("ascii")


def fingerprint(value: object) -> str:
    """SHA-256 of the canonical text, in hexadecimal."""
    return sha256(canonical(value)).hexdigest()


@dataclass(frozen=True, slots=True)
class Pin:
    """A definition that was accepted, and its fingerprint."""

    definition: dict[str, Any]
    digest: str

    @classmethod
    def of(cls, definition: dict[str, Any]) -> Pin:
        """`definition`, accepted as it is."""
        return cls(definition, fingerprint(definition))
