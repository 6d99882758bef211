"""Rounds: every scenario in turn, several times, and the medians of what is compared within a round."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from types import MappingProxyType
from typing import Final

from tests.bench.load import Sample, drive
from tests.bench.scenarios import Measured

Round = Mapping[str, Sample]
"""The samples of one round, by scenario."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long. `warm` and `seconds` are of one scenario in one round; `requests` bounds those of a connection."""

    rounds: int
    warm: float
    seconds: float
    requests: int = 1_000_000


DEFAULT: Final = Plan(rounds=5, warm=0.15, seconds=0.75)
QUICK: Final = Plan(rounds=3, warm=0.08, seconds=0.2)


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians over the rounds. None is what there is nothing to take it from: no answer, or no round of the scenario
    that is compared with."""

    rps: float
    p50_ms: float | None
    p99_ms: float | None
    added_p50_ms: float | None
    ratio_to_forwarder: float | None


async def run_round(
    scenarios: Sequence[Measured],
    ports: Mapping[str, int],
    plan: Plan,
    done: Callable[[Measured], None],
    token: str = "",
    spent: Mapping[str, Callable[[], float]] = MappingProxyType({}),
) -> Round:
    """Run every scenario once; `done` hears of each. `token` is for those that need one. `spent` tells by system how
    many seconds its process was on a processor so far."""
    samples: dict[str, Sample] = {}
    for scenario in scenarios:
        samples[scenario.name] = await drive(
            scenario.target(ports, token),
            scenario.connections,
            warm=plan.warm,
            seconds=plan.seconds,
            requests=plan.requests,
            spent=spent.get(scenario.system, lambda: math.nan),
        )
        done(scenario)
    return samples


def figures(scenario: Measured, rounds: Sequence[Round]) -> Figures:
    """A scenario's medians. Differences and ratios are taken inside each round, where the machine was the same."""
    own = [samples[scenario.name] for samples in rounds]
    direct, forwarded = ([samples[name] for samples in rounds if name in samples] for name in scenario.yardsticks)
    return Figures(
        rps=round(median(one.rps for one in own), 1),
        p50_ms=_median(4, [one.p50_ms for one in own]),
        p99_ms=_median(4, [one.p99_ms for one in own]),
        added_p50_ms=_median(4, [a.p50_ms - b.p50_ms for a, b in zip(own, direct, strict=False)]),
        ratio_to_forwarder=_median(3, [a.rps / b.rps for a, b in zip(own, forwarded, strict=False) if b.rps]),
    )


def added(name: str, other: str, rounds: Sequence[Round]) -> float | None:
    """What the median latency of one scenario is above that of another (milliseconds), inside each round."""
    both = [samples for samples in rounds if name in samples and other in samples]
    return _median(4, [samples[name].p50_ms - samples[other].p50_ms for samples in both])


def first_added(name: str, other: str, rounds: Sequence[Round]) -> float | None:
    """The same for the time to the first words of a stream."""
    both = [samples for samples in rounds if name in samples and other in samples]
    return _median(4, [samples[name].first_ms - samples[other].first_ms for samples in both])


def cpu(name: str, rounds: Sequence[Round]) -> float | None:
    """What an answer takes of a processor, in microseconds: less noisy than the clock where others are at work."""
    return _median(1, [samples[name].cpu_us for samples in rounds if name in samples])


def _median(digits: int, values: Sequence[float]) -> float | None:
    known = [value for value in values if not math.isnan(value)]
    return round(median(known), digits) if known else None


def spread(scenario: Measured, rounds: Sequence[Round]) -> float:
    """How far the throughput of the rounds lies apart, as a part of its median: what the machine does by itself."""
    own = [samples[scenario.name].rps for samples in rounds]
    middle = median(own)
    return (max(own) - min(own)) / middle if middle else 0.0


def wrong(rounds: Sequence[Round]) -> dict[str, list[str]]:
    """What was wrong, by scenario."""
    found: dict[str, list[str]] = {}
    for samples in rounds:
        for name, sample in samples.items():
            if sample.wrong:
                found.setdefault(name, []).extend(sample.wrong)
    return found
