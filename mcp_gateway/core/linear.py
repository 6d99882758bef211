"""Regular expressions in time linear to the text: none can be made to hold up the gateway.

The engine is RE2. What it cannot do in linear time (look-around, back references) it refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import re2  # type: ignore[import-untyped]  # the library ships no types

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
    expression = compiled(pattern, memory=_MEMORY)

    def matches(text: str) -> bool:
        return expression.fullmatch(text) is not None

    return matches


def compiled(pattern: str | bytes, *, ignore_case: bool = False, memory: int | None = None) -> Any:
    """The engine's object for `pattern`, over bytes if that is. Raises `ValueError` with the engine's words."""
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    if memory is not None:
        options.max_mem = memory
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        given = error.args[0] if error.args else b""
        raise ValueError(given.decode("utf-8", "replace") if isinstance(given, bytes) else str(given)) from None
