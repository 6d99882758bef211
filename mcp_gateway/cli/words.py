"""What commands print, for people and for programs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import orjson


def printable(text: str) -> str:
    """`text` without control characters, with which a file could write over other lines of a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def print_json(facts: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    sys.stdout.write(orjson.dumps(facts, option=orjson.OPT_INDENT_2).decode() + "\n")


def count(number: int, word: str, words: str = "") -> str:
    """`number` things, in the singular or the plural: `words`, else `word` with an s."""
    return f"{number} {word if number == 1 else words or word + 's'}"
