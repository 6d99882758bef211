"""What came of a replay: counts, and the decisions that differ, alike ones together. Bounded whatever the record."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp_gateway.cli.policy.replay.again import Again
from mcp_gateway.cli.policy.replay.recorded import Decided

MAX_GROUPS: Final = 10_000
"""Most groups that are kept; beyond, those whose last decision is oldest go."""

MAX_REASONS: Final = 1_000


@dataclass(slots=True)
class Group:
    """Decisions of one principal about one thing that change in the same way. Times are those of the records."""

    principal: str
    server: str
    what: str
    was: str
    would: str
    count: int
    first: str
    last: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    def json(self) -> dict[str, Any]:
        return {
            "principal": self.principal,
            "server": self.server,
            "what": self.what,
            "was": self.was,
            "would_be": self.would,
            "count": self.count,
            "first": self.first,
            "last": self.last,
            "policies": list(self.before),
            "would_policies": list(self.after),
        }


class Tally:
    """`each` keeps the newest `limit` changed decisions one by one instead of in groups."""

    def __init__(self, *, limit: int, each: bool) -> None:
        self._limit = limit
        self._groups: OrderedDict[tuple[object, ...], Group] = OrderedDict()
        self._each: deque[dict[str, Any]] | None = deque(maxlen=limit) if each else None
        self.results: Counter[str] = Counter()
        self.changes: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.forgotten = 0

    def add(self, decided: Decided, again: Again) -> None:
        """Count one decision. Records are taken to be in the order of their times."""
        self.results[again.result] += 1
        if again.result == "unknown":
            known = again.why in self.unknown or len(self.unknown) < MAX_REASONS
            self.unknown[again.why if known else "other"] += 1
        if again.result != "changed" or again.word is None:
            return
        self.changes[f"{decided.word}→{again.word}"] += 1
        group = self._group(decided, again)
        if self._each is not None:
            self._each.append({"request_id": decided.request_id, "time": decided.time, **_one(group)})

    def _group(self, decided: Decided, again: Again) -> Group:
        what = decided.action if decided.resource[0] == "Tool" else f"{decided.action} {decided.resource[1]}"
        key = (decided.principal, decided.server, what, decided.word, again.word, decided.policies, again.policies)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(
                decided.principal,
                decided.server,
                what,
                decided.word,
                str(again.word),
                0,
                decided.time,
                decided.time,
                decided.policies,
                again.policies,
            )
            if len(self._groups) > MAX_GROUPS:
                self._groups.popitem(last=False)
                self.forgotten += 1
        group.count += 1
        group.first, group.last = min(group.first, decided.time), max(group.last, decided.time)
        self._groups.move_to_end(key)
        return group

    def groups(self) -> Sequence[Group]:
        """The newest groups, newest last."""
        found = sorted(self._groups.values(), key=lambda each: each.last)
        return found[-self._limit :]

    def one_by_one(self) -> Sequence[dict[str, Any]] | None:
        """The newest changed decisions, newest last; None where groups are asked for."""
        return None if self._each is None else list(self._each)


def _one(group: Group) -> dict[str, Any]:
    shown = group.json()
    return {name: shown[name] for name in shown if name not in ("count", "first", "last")}
