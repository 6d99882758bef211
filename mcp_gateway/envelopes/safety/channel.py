"""A window over a text that has a key before it, which says something of the text and does not leave. Sans-IO."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from mcp_gateway.envelopes.safety.window import Window


class Channel:
    """One text in pieces, looked at as if `before` stood before it."""

    __slots__ = ("_before", "_key", "_window")

    def __init__(self, window: Window, before: str) -> None:
        self._window = window
        self._key: Final = len(before)
        self._before = before
        window.feed(before)

    @property
    def found(self) -> Mapping[str, int]:
        """How much was found so far, by kind."""
        return Counter(one.kind for one in self._window.found if one.end > self._key)

    @property
    def blocked(self) -> bool:
        return self._window.blocked

    @property
    def held(self) -> str:
        """What has arrived and not left."""
        return self._without_key(self._window.held)

    @property
    def missing(self) -> int:
        """How many characters have to arrive for the next look."""
        return self._window.missing

    def feed(self, text: str) -> str:
        """Takes the next piece; what may leave now."""
        return self._left(self._window.feed(text))

    def end(self) -> str:
        """The text ends; what may leave of the rest."""
        return self._left(self._window.end())

    def _left(self, leaving: str) -> str:
        if not self._before or not leaving:
            return leaving
        left = self._without_key(leaving)
        # Where what was found begins in the key, the rest of that is gone with it.
        self._before = "" if left else self._before[len(leaving) :]
        return left

    def _without_key(self, text: str) -> str:
        alike = 0
        for one, other in zip(self._before, text, strict=False):
            if one != other:
                break
            alike += 1
        return text[alike:]
