"""The generic cell rate algorithm, in whole numbers. Pure.

A pool holds `limit` calls and refills evenly over its period. What is kept of it is one number, the time at which it
will be full again. Times are counted in parts, of which a tick has `limit`: so one call costs exactly `period` parts,
whatever the limit, and nothing is ever rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Unit = Literal["calls_per_second", "calls_per_minute", "calls_per_hour", "calls_per_day"]

MOST: Final = 100_000_000
"""The largest limit: a full pool's parts stay below 2^53, so that Redis, which counts in doubles, counts exactly."""

_TICKS: Final[Mapping[Unit, tuple[int, int]]] = MappingProxyType(
    {
        "calls_per_second": (1_000_000, 1),
        "calls_per_minute": (60_000_000, 1),
        "calls_per_hour": (36_000_000, 100),
        "calls_per_day": (86_400_000, 1_000),
    }
)
"""Ticks of each unit, and the microseconds of a tick: coarser where the period is longer, for the bound of `MOST`."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`limit` calls at once, and as many again in every `period` ticks of `tick` microseconds."""

    limit: int
    period: int
    tick: int

    @classmethod
    def of(cls, limit: int, unit: Unit) -> Rate:
        """`limit` calls per `unit`."""
        return cls(limit, *_TICKS[unit])

    def ask(self, full_at: int, now: int) -> tuple[int, int]:
        """Whether one more call fits at `now` microseconds into a pool that is full at `full_at` parts.

        The answer is the microseconds to wait, 0 if it fits, and when the pool is full after it if it fits.
        """
        limit, period = self.limit, self.period
        base = now // self.tick * limit
        begun = full_at if full_at > base else base
        excess = begun - base - (limit - 1) * period
        if excess > 0:
            return -(-excess // limit) * self.tick, full_at
        return 0, begun + period

    def full(self, full_at: int, now: int) -> bool:
        """Whether such a pool is as good as one that was never used."""
        return full_at <= now // self.tick * self.limit
