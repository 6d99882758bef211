"""How long to wait before the next attempt: exponential, with full jitter."""

from __future__ import annotations

import random
from typing import Final

FIRST: Final = 0.2
LONGEST: Final = 30.0


class Backoff:
    """Waits are drawn from zero to a bound that doubles, so that many who failed together do not return together."""

    __slots__ = ("_bound", "_first", "_longest")

    def __init__(self, first: float = FIRST, longest: float = LONGEST) -> None:
        self._first = self._bound = first
        self._longest = longest

    def next(self) -> float:
        """The seconds to wait now."""
        bound, self._bound = self._bound, min(self._bound * 2, self._longest)
        return random.uniform(0, bound)

    def reset(self) -> None:
        """The last attempt went well."""
        self._bound = self._first
