"""Regular expressions in time linear in the text (RE2), over the characters of a text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import re2  # type: ignore[import-untyped]  # the library ships no types

from mcp_gateway.core.linear import compiled

_MEMORY: Final = 64 << 20
"""Bytes that the states of all expressions of a gate may take: with too few for some of them, nothing would match."""

_ANYWHERE: Final = re2._Anchor.UNANCHORED


class Pattern:
    """One expression, compiled. Look-around and back references do not exist: they have no linear time.

    Raises `ValueError` for what is none.
    """

    __slots__ = ("_groups", "_match", "expression", "ignore_case")

    def __init__(self, expression: str, *, ignore_case: bool = False) -> None:
        self.expression: Final = expression
        self.ignore_case: Final = ignore_case
        try:
            made = compiled(expression.encode(), ignore_case=ignore_case)
        except ValueError as error:  # a UnicodeEncodeError is one
            raise ValueError(f"not an expression that can be matched in linear time: {error}") from None
        self._groups: range = range(1, made.groups + 1)
        # The engine itself: the library's matches cost as much again as finding them does.
        self._match: Callable[[object, bytes, int, int], Sequence[tuple[int, int]]] = made._regexp.Match

    def within(self, text: str) -> bool:
        """Whether it matches anywhere in `text`."""
        raw = text.encode()
        return self._match(_ANYWHERE, raw, 0, len(raw))[0][0] >= 0

    def spans(self, text: str, group: int = 0) -> Iterator[tuple[int, int]]:
        """Where the matches are, from left to right; of each, the part that is `group`, if it is there."""
        raw = text.encode()
        plain = len(raw) == len(text)
        byte = character = 0
        for found in self._found(raw):
            start, end = found[group]
            if start < 0:
                continue
            if plain:
                yield start, end
                continue
            character += len(raw[byte:start].decode())
            byte = start
            yield character, character + len(raw[start:end].decode())

    def grown(self, text: str, grow: Callable[[int], int]) -> Iterator[tuple[int, int]]:
        """Where the matches are when each goes on from its end to where `grow` says: the next one begins after that.

        An expression with a long repetition at its end is slow, because it can be in too many states.
        """
        raw = text.encode()
        plain = len(raw) == len(text)
        match, size = self._match, len(raw)
        byte = character = 0
        while (found := match(_ANYWHERE, raw, byte, size)[0])[0] >= 0:
            first, last = found
            start = first if plain else character + len(raw[byte:first].decode())
            end = last if plain else start + len(raw[first:last].decode())
            character = grow(end)
            byte = character if plain else last + len(text[end:character].encode())
            yield start, character

    def groups(self, text: str) -> Iterator[tuple[int, int, int]]:
        """Of each match, the number of the first group that is there, from 1, and where that group is."""
        raw = text.encode()
        plain = len(raw) == len(text)
        byte = character = 0
        for found in self._found(raw):
            number = next(number for number in self._groups if found[number][0] >= 0)
            start, end = found[number]
            if plain:
                yield number, start, end
                continue
            character += len(raw[byte:start].decode())
            byte = start
            yield number, character, character + len(raw[start:end].decode())

    def _found(self, raw: bytes) -> Iterator[Sequence[tuple[int, int]]]:
        """The spans of all groups of each match, in bytes."""
        match, size = self._match, len(raw)
        place = 0
        while (found := match(_ANYWHERE, raw, place, size))[0][0] >= 0:
            yield found
            if place == size:
                return
            end = found[0][1]
            place = end if end > place else place + 1


class Gate:
    """Which of many expressions match a text at all, in one pass over it."""

    __slots__ = ("_set",)

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        options = re2.Options()
        options.max_mem = _MEMORY
        self._set = re2.Set.SearchSet(options)
        for pattern in patterns:
            self._set.Add(f"(?i:{pattern.expression})" if pattern.ignore_case else pattern.expression)
        self._set.Compile()

    def matching(self, text: str) -> Sequence[int]:
        """The numbers of those that match, from 0."""
        return self._set.Match(text) or ()
