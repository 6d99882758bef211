"""The budgets of a configuration, compiled: what each is about, and in which accounts it counts. Pure.

Money is counted in whole nano-dollars, so sums are exact in every store.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from fnmatch import translate
from typing import Final, Literal, NamedTuple, Protocol, get_args

from mcp_gateway.core.metadata import NO_METADATA
from mcp_gateway.core.principal import Principal, subjects_of
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.policy.budgets.window import Window
from mcp_gateway.envelopes.policy.limits.keys import SHARED, Keys

NANO: Final = 1_000_000_000
"""Nano-dollars of a dollar."""

MOST: Final = 10**15
"""Of one request: a million dollars, or so many tokens."""

Kind = Literal["cost", "tokens"]


class WhenSpec(Protocol):
    """What counts; what is empty matches everything."""

    @property
    def subjects(self) -> Sequence[str]: ...
    @property
    def models(self) -> Sequence[str]: ...
    @property
    def tools(self) -> Sequence[str]: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...


class LimitsSpec(Protocol):
    """How much, as (`cost_per_day`, amount) pairs; cost in USD."""

    @property
    def given(self) -> Sequence[tuple[str, Decimal | int]]: ...


class AlertsSpec(Protocol):
    """From which percents of a limit on somebody is told, and at which address, if any."""

    @property
    def thresholds(self) -> Sequence[float]: ...
    @property
    def webhook(self) -> Secret | None: ...


class BudgetSpec(Protocol):
    """One budget as an admin writes it."""

    @property
    def id(self) -> str: ...
    @property
    def when(self) -> WhenSpec: ...
    @property
    def limits(self) -> LimitsSpec: ...
    @property
    def per(self) -> Sequence[str]: ...
    @property
    def mode(self) -> Literal["enforce", "audit"]: ...
    @property
    def alerts(self) -> AlertsSpec: ...
    @property
    def on_store_error(self) -> Literal["allow", "deny"]: ...


class Spending(NamedTuple):
    """What is about to be spent on: a `model` that was asked for and the `target` that may answer, or a `tool`.

    `tool` is ``upstream/tool``, `target` is ``provider/model``.
    """

    principal: Principal
    model: str = ""
    target: str = ""
    tool: str = ""
    metadata: Mapping[str, str] = NO_METADATA


class Amount(NamedTuple):
    """Nano-dollars and tokens."""

    cost: int = 0
    tokens: int = 0

    def of(self, kind: Kind) -> int:
        """What counts for limits of that kind. Whatever a provider says it used, a store can add it."""
        amount = self.cost if kind == "cost" else self.tokens
        return amount if 0 <= amount <= MOST else min(max(amount, 0), MOST)


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a budget, in nano-dollars or tokens. `alerts` are amounts, ascending, each with its percent.

    `suffix` follows the key of an account of the budget in that of the limit.
    """

    kind: Kind
    window: Window
    most: int
    alerts: tuple[tuple[int, float], ...]
    suffix: bytes

    @property
    def word(self) -> str:
        return f"{self.kind}_per_{self.window}"


@dataclass(frozen=True, slots=True)
class Budget:
    """One compiled budget. `rate`: it is a rate limit on tokens, and refuses as one.

    `name` stands for what decides its accounts: a limit that is raised keeps what was spent, another `per` does not.
    """

    id: str
    name: str
    limits: tuple[Limit, ...]
    per: tuple[str, ...]
    subjects: frozenset[str]
    models: re.Pattern[str] | None
    tools: re.Pattern[str] | None
    metadata: frozenset[tuple[str, str]]
    enforced: bool
    fails_open: bool
    keys: Keys = field(compare=False, repr=False)
    rate: bool = False
    webhook: Secret | None = None

    @classmethod
    def of(cls, spec: BudgetSpec, *, rate: bool = False) -> Budget:
        """The budget `spec`."""
        per = tuple(sorted(set(spec.per)))
        name = "\0".join(("rate" if rate else "budget", spec.id, *per))
        return cls(
            id=spec.id,
            name=name,
            limits=tuple(_limit(word, amount, spec.alerts.thresholds) for word, amount in spec.limits.given),
            per=per,
            subjects=frozenset(spec.when.subjects),
            models=_globs(spec.when.models),
            tools=_globs(spec.when.tools),
            metadata=frozenset(spec.when.metadata.items()),
            enforced=spec.mode == "enforce",
            fails_open=spec.on_store_error == "allow",
            keys=Keys(name, per, {"model": _model, "tool": _tool}),
            rate=rate,
            webhook=spec.alerts.webhook,
        )

    def matches(self, spending: Spending) -> bool:
        """Whether `spending` counts. One that names only models counts no tools, and the other way round."""
        if self.models is not None or self.tools is not None:
            pattern = self.tools if spending.tool else self.models
            names = (spending.tool,) if spending.tool else (spending.model, spending.target)
            if pattern is None or not any(pattern.match(name) for name in names):
                return False
        if not self.metadata <= spending.metadata.items():
            return False
        return not self.subjects or not self.subjects.isdisjoint(subjects_of(spending.principal))

    def accounts(self, spending: Spending) -> Sequence[bytes]:
        """The keys of its accounts that must all have room: several where the caller is in several teams."""
        return self.keys.of(spending)


def _model(spending: Spending) -> Sequence[str]:
    return (spending.model or SHARED,)


def _tool(spending: Spending) -> Sequence[str]:
    return (spending.tool or SHARED,)


def _limit(word: str, amount: Decimal | int, thresholds: Sequence[float]) -> Limit:
    kind, _, window = word.partition("_per_")
    if kind not in get_args(Kind) or window not in get_args(Window):
        raise ValueError(f"{word} is no limit of a budget")
    most = nano(amount) if kind == "cost" else int(amount)
    alerts = tuple((_part(most, percent), percent) for percent in sorted(thresholds))
    return Limit("cost" if kind == "cost" else "tokens", _window(window), most, alerts, word.encode())


def _window(word: str) -> Window:
    return next(window for window in get_args(Window) if window == word)


def _part(most: int, percent: float) -> int:
    return int((Decimal(most) * Decimal(str(percent)) / 100).to_integral_value(ROUND_CEILING))


def nano(usd: Decimal | float) -> int:
    """Dollars in whole nano-dollars, rounded up."""
    return int((Decimal(str(usd)) * NANO).to_integral_value(ROUND_CEILING))


def _globs(globs: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(translate, globs))) if globs else None
