"""A mean over what was measured lately. Pure: time is given."""

from __future__ import annotations

from collections import deque
from typing import Final

CALLS: Final = 100
"""Most measurements that a mean is taken of."""

ENOUGH: Final = 3
"""Fewer measurements say nothing."""


class Rolling:
    """The mean over the last `span` seconds or `CALLS` measurements, whichever are fewer."""

    __slots__ = ("_known", "_mean", "_samples", "_span")

    def __init__(self, span: float) -> None:
        self._span = span
        self._samples: deque[tuple[float, float, int]] = deque(maxlen=CALLS)
        self._mean: float | None = None
        self._known = True

    def add(self, now: float, amount: float, count: int = 1) -> None:
        """`amount` was measured for `count` things at once; times never go back."""
        self._samples.append((now, amount, count))
        self._known = False

    def mean(self, now: float) -> float | None:
        """The mean for one thing at `now`; None with fewer than `ENOUGH` measurements."""
        while self._samples and self._samples[0][0] <= now - self._span:
            self._samples.popleft()
            self._known = False
        if not self._known:
            self._known = True
            enough = len(self._samples) >= ENOUGH
            self._mean = _mean(self._samples) if enough else None
        return self._mean


def _mean(samples: deque[tuple[float, float, int]]) -> float:
    return sum(amount for _, amount, _ in samples) / sum(count for _, _, count in samples)
