"""The stage that counts calls and refuses those beyond a limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from mcp_gateway.core.call import Trail
from mcp_gateway.core.errors import LimitExceeded, Overloaded
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.policy.limits.pools import Asked, Pools
from mcp_gateway.envelopes.policy.limits.rules import Counted, Rule

UNCOUNTED_SECONDS: Final = 1.0
"""When a call may be tried again that could not be counted: the store is asked again by then."""

KEPT: Final = 4096
"""Most callers and things to call whose pools are kept ready."""

LONGEST: Final = 1024
"""Characters of the names of a thing to call that are kept: clients may name any model."""

C = TypeVar("C")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class LimitTallies:
    """What the limits did, by virtual server and rule id."""

    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    would_refuse: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed_open: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed_closed: Counter[tuple[str, str]] = field(default_factory=Counter)


class LimitCalls(Generic[C, R]):
    """Every enforced rule that matches a call must have room for it; those in audit mode only record.

    `describe` tells what limits see of a call, None for one that they do not count, and where notes about it go.
    Raises `LimitExceeded` with the rule that takes longest to have room again, and `Overloaded` where the store
    cannot be asked and a rule says `deny`.
    """

    __slots__ = ("_describe", "_kept", "_pools", "_rules", "_tallies")

    def __init__(
        self,
        rules: Mapping[str, Sequence[Rule]],
        pools: Pools,
        tallies: LimitTallies,
        describe: Callable[[C], tuple[Counted, Trail] | None],
    ) -> None:
        self._rules = rules
        self._pools = pools
        self._tallies = tallies
        self._describe = describe
        # By the identity of a principal, as the engine of the policies: a verified token keeps its own.
        self._kept: dict[tuple[int, str, str, str, str], tuple[Principal, Sequence[Asked]]] = {}

    def __call__(self, call: C, call_next: Handler[C, R]) -> Awaitable[R]:
        described = self._describe(call)
        if described is None:
            return call_next(call)
        counted, trail = described
        asked = self._asked(counted)
        if not asked:
            return call_next(call)
        waits = self._pools.admit(asked)
        # Asking for the one type that memory answers with is a tenth of asking whether something is awaitable.
        if type(waits) is not list and isinstance(waits, Awaitable):
            return self._once_counted(waits, asked, trail, call, call_next)
        self._settle(waits, asked, trail)
        return call_next(call)

    def _asked(self, counted: Counted) -> Sequence[Asked]:
        """The pools of a call. They are kept, since callers come again, but where they hang on what a caller says."""
        principal = counted.principal
        key = (id(principal), counted.server, counted.upstream, counted.tool, counted.exposed)
        kept = None if counted.metadata else self._kept.get(key)
        if kept is not None and kept[0] is principal:
            return kept[1]
        found = [
            Asked(rule, pool)
            for rule in self._rules.get(counted.server, ())
            if rule.matches(counted)
            for pool in rule.pools(counted)
        ]
        if not counted.metadata and len(counted.tool) + len(counted.exposed) <= LONGEST:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[key] = principal, found
        return found

    async def _once_counted(
        self,
        waits: Awaitable[Sequence[int] | None],
        asked: Sequence[Asked],
        trail: Trail,
        call: C,
        call_next: Handler[C, R],
    ) -> R:
        self._settle(await waits, asked, trail)
        return await call_next(call)

    def _settle(self, waits: Sequence[int] | None, asked: Sequence[Asked], trail: Trail) -> None:
        if waits is None:
            self._uncounted(asked, trail)
            return
        if not any(waits):
            return
        refusing: dict[Rule, int] = {}
        for each, wait in zip(asked, waits, strict=True):
            if wait:
                refusing[each.rule] = max(wait, refusing.get(each.rule, 0))
        would = [rule for rule in refusing if not rule.enforced]
        if would:
            trail.notes["would_limit"] = tuple(rule.id for rule in would)
            self._tallies.would_refuse.update((rule.server, rule.id) for rule in would)
        longest = max((rule for rule in refusing if rule.enforced), key=lambda rule: refusing[rule], default=None)
        if longest is None:
            return
        trail.notes["limit"] = longest.id
        self._tallies.refused.update([(longest.server, longest.id)])
        # Up to the next millisecond: who waits as long as told is not early.
        seconds = -(-refusing[longest] // 1_000) / 1_000
        raise LimitExceeded(f"the limit `{longest.id}` is used up", limit=longest.id, retry_after=seconds)

    def _uncounted(self, asked: Sequence[Asked], trail: Trail) -> None:
        rules = dict.fromkeys(each.rule for each in asked)
        closed = next((rule for rule in rules if rule.enforced and not rule.fails_open), None)
        if closed is not None:
            trail.notes["limit"] = closed.id
            self._tallies.failed_closed.update([(closed.server, closed.id)])
            raise Overloaded(f"the limit `{closed.id}` cannot be counted now", retry_after=UNCOUNTED_SECONDS)
        trail.notes["uncounted_limits"] = tuple(rule.id for rule in rules)
        self._tallies.failed_open.update((rule.server, rule.id) for rule in rules)
