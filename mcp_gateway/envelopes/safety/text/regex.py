"""Regular expressions in time linear in the text (RE2), over the characters of a text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import re2  # type: ignore[import-untyped]  # the library ships no types

from mcp_gateway.core.linear import compiled

_MEMORY: Final = 64 << 20
"""Bytes that the states of all expressions of a gate may take: with too few for some of them, nothing would match."""


class Pattern:
    """One expression, compiled. Look-around and back references do not exist: they have no linear time.

    Raises `ValueError` for what is none.
    """

    __slots__ = ("_compiled",)

    def __init__(self, expression: str, *, ignore_case: bool = False) -> None:
        try:
            self._compiled = compiled(expression.encode(), ignore_case=ignore_case)
        except ValueError as error:  # a UnicodeEncodeError is one
            raise ValueError(f"not an expression that can be matched in linear time: {error}") from None

    def within(self, text: str) -> bool:
        """Whether it matches anywhere in `text`."""
        return self._compiled.search(text.encode()) is not None

    def spans(self, text: str, group: int = 0) -> Iterator[tuple[int, int]]:
        """Where the matches are, from left to right; of each, the part that is `group`, if it is there."""
        raw = text.encode()
        plain = len(raw) == len(text)
        byte = character = 0
        for match in self._compiled.finditer(raw):
            start, end = match.span(group)
            if start < 0:
                continue
            if plain:
                yield start, end
                continue
            character += len(raw[byte:start].decode())
            byte = start
            yield character, character + len(raw[start:end].decode())

    def groups(self, text: str) -> Iterator[tuple[int, int, int]]:
        """Of each match, the number of the first group that is there, from 1, and where that group is."""
        raw = text.encode()
        plain = len(raw) == len(text)
        byte = character = 0
        for match in self._compiled.finditer(raw):
            number, (start, end) = next(
                (n, span) for n in range(1, self._compiled.groups + 1) if (span := match.span(n))[0] >= 0
            )
            if plain:
                yield number, start, end
                continue
            character += len(raw[byte:start].decode())
            byte = start
            yield number, character, character + len(raw[start:end].decode())


class Gate:
    """Which of many expressions match a text at all, in one pass over it."""

    __slots__ = ("_set",)

    def __init__(self, expressions: Iterable[tuple[str, bool]]) -> None:
        options = re2.Options()
        options.max_mem = _MEMORY
        self._set = re2.Set.SearchSet(options)
        for expression, ignore_case in expressions:
            self._set.Add(f"(?i:{expression})" if ignore_case else expression)
        self._set.Compile()

    def matching(self, text: str) -> Sequence[int]:
        """The numbers of those that match, from 0."""
        return self._set.Match(text) or ()
