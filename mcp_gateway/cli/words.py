"""What commands print, for people and for programs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import orjson

from mcp_gateway.core.plural import count

__all__ = ["count", "print_json", "printable"]


def printable(text: str) -> str:
    """`text` without control characters, with which a file could write over other lines of a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def print_json(facts: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    sys.stdout.write(orjson.dumps(facts, option=orjson.OPT_INDENT_2).decode() + "\n")
