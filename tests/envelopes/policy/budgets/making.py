"""Budgets as an admin writes them, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from mcp_gateway.core.call import Trail
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.policy.budgets.budgets import Budgets, Reservation
from mcp_gateway.envelopes.policy.budgets.rules import NANO, Amount, Budget, Spending


@dataclass(frozen=True)
class When:
    subjects: Sequence[str] = ()
    models: Sequence[str] = ()
    tools: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    given: Sequence[tuple[str, Decimal | int]]


@dataclass(frozen=True)
class Thresholds:
    thresholds: Sequence[float] = ()
    webhook: Secret | None = None


@dataclass(frozen=True)
class Spec:
    limits: Limits
    id: str = "b"
    when: When = field(default_factory=When)
    per: Sequence[str] = ()
    mode: Literal["enforce", "audit"] = "enforce"
    alerts: Thresholds = field(default_factory=Thresholds)
    on_store_error: Literal["allow", "deny"] = "allow"


def budget(*, rate: bool = False, limits: Mapping[str, Any] | None = None, **changes: Any) -> Budget:
    given = {"cost_per_day": Decimal(10)} if limits is None else limits
    return Budget.of(Spec(Limits(tuple(given.items())), **changes), rate=rate)


ALICE = Principal(id="alice", subject="alice")


def spending(**changes: Any) -> Spending:
    return Spending(**{"principal": ALICE, "model": "openai/m", "target": "openai/m", **changes})


def usd(amount: float) -> Amount:
    return Amount(cost=int(amount * NANO))


async def reserve(budgets: Budgets, amount: float, **changes: Any) -> Reservation:
    return await budgets.reserve(spending(**changes), usd(amount), Trail())
