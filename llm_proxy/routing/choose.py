"""In which order the targets of a route are tried. Deterministic with given random numbers and time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Final

from llm_proxy.routing.health import Healths
from llm_proxy.routing.targets import Route, Target

EQUAL: Final = 1.2
"""Targets that need at most so many times as long as the fastest are as good as it."""

Random = Callable[[], float]
"""Numbers of [0, 1), such as `random.random`."""

_Deal = Callable[[Target], float]
"""A number of [0, 1) for a target: a random one, or the one that a session gives it."""


class Candidates(Iterator[Target]):
    """The targets to try, one after the other. What keeps failing is passed over, unless all do: then all are tried.

    Every target that is taken is a promise to tell its health how it ended.
    """

    __slots__ = ("_clock", "_forced", "_healths", "_next", "_order", "_taken")

    def __init__(self, order: Sequence[Target], healths: Healths, clock: Callable[[], float]) -> None:
        self._order = order
        self._next = 0
        self._healths = healths
        self._clock = clock
        self._forced = False
        self._taken = False

    @property
    def others(self) -> bool:
        """Whether another target may come."""
        return self._next < len(self._order)

    def __next__(self) -> Target:
        while self._next < len(self._order):
            target = self._order[self._next]
            self._next += 1
            if self._forced or self._healths.of(target.name).circuit.admit(self._clock()):
                self._taken = True
                return target
        if self._taken or not self._order:
            raise StopIteration
        self._forced, self._next = True, 0
        return next(self)


def choose(
    route: Route,
    healths: Healths,
    clock: Callable[[], float],
    random: Random,
    metadata: Mapping[str, str],
    session: bytes | None = None,
) -> Candidates:
    """The candidates for one request, the best first. None at all if no target is for requests with this `metadata`.

    `clock` is monotonic, in seconds. `session` is what `Sticky.session` said. A target that is no candidate for
    fallbacks stands first or nowhere.
    """
    eligible = [each for each in route.targets if not each.metadata or each.metadata <= metadata.items()]
    if len(eligible) > 1:
        now = clock()
        ordered = _ordered(route, eligible, healths, now, _deal(session, random))
        eligible = _allowed(ordered)
        if any(target.watched for target in eligible):
            eligible.sort(key=lambda target: healths.of(target.name).too_slow(target, now))
            eligible = _allowed(eligible)
    return Candidates(eligible, healths, clock)


def _allowed(ordered: Sequence[Target]) -> list[Target]:
    return [target for place, target in enumerate(ordered) if target.fallback or place == 0]


def _ordered(route: Route, targets: Sequence[Target], healths: Healths, now: float, deal: _Deal) -> list[Target]:
    if route.strategy == "priority":
        return sorted(targets, key=lambda target: target.priority)
    if route.strategy == "weight":
        return _weighted(targets, deal)
    return _fastest(targets, healths, now, deal)


def _deal(session: bytes | None, random: Random) -> _Deal:
    if session is None:
        return lambda target: random()

    def dealt(target: Target) -> float:
        digest = blake2b(target.seed.encode(), key=session, digest_size=8).digest()
        return (int.from_bytes(digest, "big") >> 11) / (1 << 53)

    return dealt


def _weighted(targets: Sequence[Target], deal: _Deal) -> list[Target]:
    """Each place is drawn by weight from those that are left; those without weight come last.

    The smallest of exponential variates with the weights as rates is each target's with the odds of its weight. With a
    session's numbers this is rendezvous hashing: a target that drops out moves no session but its own.
    """
    keyed = [(-math.log1p(-deal(target)) / target.weight if target.weight else math.inf) for target in targets]
    return [targets[place] for place in sorted(range(len(targets)), key=keyed.__getitem__)]


def _fastest(targets: Sequence[Target], healths: Healths, now: float, deal: _Deal) -> list[Target]:
    """Group after group of equally fast ones, each in random order. One that is not known counts as fastest."""
    times = [(healths.of(target.name).time_per_token(now) or 0.0, deal(target), target) for target in targets]
    times.sort(key=lambda each: each[0])
    ordered: list[Target] = []
    while times:
        bound = next((time for time, _, _ in times if time > 0), 0.0) * EQUAL
        group = [each for each in times if each[0] <= bound]
        times = times[len(group) :]
        ordered += [target for _, _, target in sorted(group, key=lambda each: each[1])]
    return ordered
