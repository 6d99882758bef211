"""A process that begins in the middle of a window, with what the ledger knows of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from mcp_gateway.core.errors import BudgetExhausted
from mcp_gateway.core.principal import subjects_of
from mcp_gateway.envelopes.policy.budgets.budgets import Budgets
from mcp_gateway.envelopes.policy.budgets.restore import Past, recorded, restore
from mcp_gateway.envelopes.policy.budgets.settling import Crossed, Settling
from mcp_gateway.envelopes.policy.budgets.store import MemoryStore
from tests.envelopes.policy.budgets.making import Thresholds, When, budget, reserve, spending, usd

NOW = 1_700_000_000
DAY = NOW // 86_400 * 86_400


@dataclass
class Remembered:
    past: Sequence[Past]
    asked: int = -1

    async def since(self, second: int) -> Sequence[Past]:
        self.asked = second
        return [each for each in self.past if each.second >= second]


def past(second: int, amount: float, **changes: Any) -> Past:
    return Past(second, spending(**changes), usd(amount))


def starting(*specs: Any) -> tuple[Budgets, list[Crossed]]:
    told: list[Crossed] = []
    return Budgets(specs, Settling(MemoryStore(now=lambda: NOW), alert=told.append)), told


async def test_what_was_spent_in_this_window_counts_and_nothing_older() -> None:
    budgets, told = starting(budget(alerts=Thresholds([10.0])))
    spent = Remembered([past(DAY - 1, 9), past(DAY, 3), past(NOW, 2)])
    assert await restore(budgets, spent, NOW) == 2
    assert spent.asked == DAY and told == []
    await reserve(budgets, 5)
    with pytest.raises(BudgetExhausted):
        await reserve(budgets, 0.000000001)


async def test_each_budget_gets_what_is_its_own() -> None:
    tools = budget(id="tools", when=When(tools=["*"]), limits={"cost_per_day": 4})
    lifetime = budget(id="all", limits={"cost_per_lifetime": 20}, per=["metadata.p"])
    budgets, _ = starting(tools, lifetime)
    spent = Remembered([past(5, 10, metadata={"p": "x"}), past(NOW, 3, model="", target="", tool="a/b")])
    await restore(budgets, spent, NOW)
    assert spent.asked == 0
    with pytest.raises(BudgetExhausted, match="tools"):
        await reserve(budgets, 2, model="", target="", tool="a/b")
    await reserve(budgets, 10, metadata={"p": "x"})
    with pytest.raises(BudgetExhausted, match="all"):
        await reserve(budgets, 1, metadata={"p": "x"})
    await reserve(budgets, 17)


async def test_without_budgets_nothing_is_asked_of_long_ago() -> None:
    budgets, _ = starting()
    assert budgets.earliest(NOW) == NOW


@pytest.mark.parametrize(
    ("id", "subjects"),
    [
        ("okta|alice", {"user:okta|alice", "user:alice", "team:x"}),
        ("virtual_account:ci", {"virtual_account:ci", "team:x"}),
    ],
)
def test_rules_speak_of_who_is_recorded_as_of_who_asks(id: str, subjects: set[str]) -> None:
    assert subjects_of(recorded(id, ["x"])) == subjects
