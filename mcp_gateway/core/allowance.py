"""How often something may be done that anybody can bring about: so often in a minute, and for any one of them less."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Final

WINDOW_SECONDS: Final = 60.0
SHARE: Final = 10
"""Any one key gets the tenth part, so that one who floods does not use up what is there for all."""


class Allowance:
    """So many times in each minute. Memory is bounded by `most`: a key is only remembered for what it was given."""

    __slots__ = ("_clock", "_each", "_given", "_left", "_most", "_until")

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """With a `most` of 0 there is nothing to take."""
        self._most = most
        self._each = max(1, most // SHARE)
        self._clock = clock
        self._given: dict[Hashable, int] = {}
        self._left = most
        self._until = clock() + WINDOW_SECONDS

    def take(self, key: Hashable) -> bool:
        """Whether `key` may once more; taken as done then."""
        now = self._clock()
        if now >= self._until:
            self._until = now + WINDOW_SECONDS
            self._left = self._most
            self._given.clear()
        given = self._given.get(key, 0)
        if self._left <= 0 or given >= self._each:
            return False
        self._left -= 1
        self._given[key] = given + 1
        return True
