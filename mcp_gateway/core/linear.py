"""Regular expressions of admins, run in time linear to the text: none can be made to hold up the gateway.

The engine is RE2. What it cannot do in linear time (look-around, back references) it refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import re2  # type: ignore[import-untyped]  # no stubs

MAX_PATTERN: Final = 1024
"""Most characters of a pattern."""

_MEMORY: Final = 1 << 20
"""Bytes that one compiled pattern may take; a pattern that needs more is refused."""


def full_match(pattern: str) -> Callable[[str], bool]:
    """A test for whether a whole text matches `pattern`.

    Raises `ValueError` with a public message where `pattern` is no regular expression in RE2's syntax.
    """
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"longer than {MAX_PATTERN} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        raise ValueError(_words(error)) from None

    def matches(text: str) -> bool:
        return compiled.fullmatch(text) is not None

    return matches


def _words(error: Exception) -> str:
    """The engine's words, which it gives as bytes."""
    given = error.args[0] if error.args else b""
    return given.decode("utf-8", "replace") if isinstance(given, bytes) else str(given)
