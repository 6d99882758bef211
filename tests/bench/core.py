"""How fast the core of the gateway is just now. On a shared machine that changes by half within seconds, and figures
of two runs compare only where this is alike."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable
from statistics import median
from time import perf_counter_ns
from typing import Final, NamedTuple

from tests.bench.processes import pinned

_ADDITIONS: Final = 2_000
_TIMES: Final = 50
_STEPS: Final = 20_000
_NEAR: Final = 8 * 1024
_FAR: Final = 1024 * 1024
"""Places of eight bytes: what fits into a core's own caches, and what does not."""


class Speed(NamedTuple):
    """`loop_us` is what a loop of 2,000 additions takes, in microseconds; `far_ns` how many nanoseconds longer a look
    into 8 MiB takes than one into 64 KiB: near 20 where the core has its share of the last cache, 100 and more where
    neighbours use it up."""

    loop_us: float
    far_ns: float


def gauge(core: int) -> Speed:
    """The speed of `core`, for which this process runs there for half a second."""
    with pinned(core):
        loop = median(_timed(_add) for _ in range(_TIMES)) / 1e3
        near, far = _looking(_NEAR), _looking(_FAR)
    return Speed(round(loop, 1), round(far - near, 1))


def _looking(places: int) -> float:
    """Nanoseconds for a look at a place that the one before names: one cannot begin before the other has ended."""
    order = list(range(places))
    random.Random(places).shuffle(order)
    chain = array("q", bytes(8 * places))
    for place, following in zip(order, [*order[1:], order[0]], strict=True):
        chain[place] = following

    def look() -> None:
        place = 0
        for _ in range(_STEPS):
            place = chain[place]

    return median(_timed(look) for _ in range(7)) / _STEPS


def _add() -> None:
    total = 0
    for number in range(_ADDITIONS):
        total += number


def _timed(work: Callable[[], None]) -> int:
    began = perf_counter_ns()
    work()
    return perf_counter_ns() - began
