"""Histograms with few label sets: an observation is a look-up and a count.

A label set that is one too many goes with the others that are, so that no caller can fill the memory with names.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

MAX_SERIES: Final = 1000
OVERFLOW: Final = "other"

MCP_SECONDS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
GEN_AI_SECONDS: Final = tuple(round(0.01 * 2**power, 2) for power in range(14))
FIRST_TOKEN_SECONDS: Final = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
PER_TOKEN_SECONDS: Final = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
TOKENS: Final = tuple(4**power for power in range(14))
LAG_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Histogram:
    """One metric by its labels. `name` and `labels` are those of the conventions, with dots."""

    __slots__ = ("_most", "_series", "bounds", "labels", "name", "overflows", "says", "unit")

    def __init__(
        self,
        name: str,
        says: str,
        unit: str,
        bounds: Sequence[float],
        labels: Sequence[str],
        *,
        most: int = MAX_SERIES,
    ) -> None:
        self.name = name
        self.says = says
        self.unit = unit
        self.bounds = tuple(bounds)
        self.labels = tuple(labels)
        self._series: dict[tuple[str, ...], _Series] = {}
        self._most = most
        self.overflows = 0
        """Observations that went to the label set of the others."""

    def observe(self, value: float, *labels: str) -> None:
        """Count `value` under these labels, given in the order of `self.labels`."""
        series = self._series.get(labels)
        if series is None:
            if len(self._series) >= self._most:
                self.overflows += 1
                labels = (OVERFLOW,) * len(self.labels)
            series = self._series.setdefault(labels, _Series(len(self.bounds) + 1))
        series.counts[bisect_left(self.bounds, value)] += 1
        series.total += value

    def series(self) -> Iterator[tuple[Mapping[str, str], Sequence[int], float]]:
        """Labels, the count of each bucket (the last one without a bound), and the sum of what was observed."""
        for labels, series in self._series.items():
            yield dict(zip(self.labels, labels, strict=True)), series.counts, series.total


class Counts:
    """Counters of one name by their labels, with the same bound."""

    __slots__ = ("_most", "counts", "labels", "name", "overflows", "says")

    def __init__(self, name: str, says: str, labels: Sequence[str], *, most: int = MAX_SERIES) -> None:
        self.name = name
        self.says = says
        self.labels = tuple(labels)
        self.counts: dict[tuple[str, ...], float] = {}
        self._most = most
        self.overflows = 0

    def add(self, amount: float, *labels: str) -> None:
        """Add `amount` under these labels, given in the order of `self.labels`."""
        counts = self.counts
        if labels not in counts and len(counts) >= self._most:
            self.overflows += 1
            labels = (OVERFLOW,) * len(self.labels)
        counts[labels] = counts.get(labels, 0) + amount


class _Series:
    __slots__ = ("counts", "total")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.total = 0.0


class Allowed:
    """The metadata keys that are labels. Of each so many values are told apart; all further ones are `other`."""

    __slots__ = ("_most", "_seen", "keys", "overflows")

    def __init__(self, keys: Sequence[str], *, most: int = 100) -> None:
        self.keys = tuple(keys)
        self._most = most
        self._seen: tuple[set[str], ...] = tuple(set() for _ in keys)
        self.overflows = 0

    def __call__(self, metadata: Mapping[str, str]) -> tuple[str, ...]:
        """The label values of a request, one for each key; empty where it has none."""
        if not self.keys:
            return ()
        values: list[str] = []
        for key, seen in zip(self.keys, self._seen, strict=True):
            value = metadata.get(key, "")
            if value and value not in seen:
                if len(seen) < self._most:
                    seen.add(value)
                else:
                    self.overflows += 1
                    value = OVERFLOW
            values.append(value)
        return tuple(values)
