"""Which budget is about what, and in which accounts it counts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.policy.budgets.rules import NANO, nano
from tests.envelopes.policy.budgets.making import Limits, Spec, Thresholds, When, budget, spending

COMPLETION: dict[str, Any] = {"model": "smart", "target": "openai/m"}
TOOL: dict[str, Any] = {"model": "", "target": "", "tool": "crm/find"}


@pytest.mark.parametrize(
    ("when", "completion", "tool"),
    [
        (When(), True, True),
        (When(models=["smart"]), True, False),
        (When(models=["openai/*"]), True, False),
        (When(models=["anthropic/*"]), False, False),
        (When(tools=["crm/*"]), False, True),
        (When(tools=["*"]), False, True),
        (When(tools=["find"]), False, False),
        (When(models=["*"], tools=["crm/find"]), True, True),
        (When(subjects=["user:alice"]), True, True),
        (When(subjects=["user:bob", "team:x"]), False, False),
        (When(metadata={"project_id": "p"}), False, False),
    ],
)
def test_what_a_budget_is_about(when: When, completion: bool, tool: bool) -> None:
    alice = Principal(id="user:alice", subject="alice")
    one = budget(when=when)
    assert one.matches(spending(principal=alice, **COMPLETION)) is completion
    assert one.matches(spending(principal=alice, **TOOL)) is tool


def test_completions_and_tool_calls_count_in_one_account() -> None:
    for per in ([], ["user"], ["metadata.project_id"]):
        one = budget(per=per)
        metadata = {"project_id": "p"}
        assert one.accounts(spending(metadata=metadata, **COMPLETION)) == one.accounts(
            spending(metadata=metadata, **TOOL)
        )


@pytest.mark.parametrize("per", [["model"], ["tool"], ["user"], ["metadata.x"], ["metadata.x", "user"]])
def test_accounts_are_apart_where_the_budget_says(per: list[str]) -> None:
    one = budget(per=per)
    first = one.accounts(spending(metadata={"x": "1"}, **COMPLETION))
    other = spending(principal=Principal(id="bob", subject="bob"), metadata={"x": "2"}, model="b", tool="t")
    assert first != one.accounts(other)
    assert budget(per=[]).accounts(other) == budget(per=[]).accounts(spending())


def test_a_raised_limit_keeps_what_was_spent_and_another_id_does_not() -> None:
    low, high = budget(limits={"cost_per_day": 1}), budget(limits={"cost_per_day": 2})
    assert low.accounts(spending()) == high.accounts(spending())
    assert low.accounts(spending()) != budget(id="other").accounts(spending())
    assert low.accounts(spending()) != budget(rate=True).accounts(spending())


@given(st.decimals(0, 10**6, places=12))
def test_money_is_rounded_up_to_whole_nano_dollars(usd: Decimal) -> None:
    assert 0 <= nano(usd) - usd * NANO < 1


def test_a_cost_that_no_binary_fraction_has_is_exact() -> None:
    assert nano(0.002) == 2_000_000
    assert nano(0.1) + nano(0.2) == nano(0.3)


def test_thresholds_become_amounts_that_are_not_too_low() -> None:
    alerts = budget(limits={"tokens_per_day": 7}, alerts=Thresholds([100.0, 50.0])).limits[0].alerts
    assert alerts == ((4, 50.0), (7, 100.0))


@pytest.mark.parametrize("word", ["cost_per_year", "dollars_per_day", "cost", ""])
def test_what_is_no_limit_is_none(word: str) -> None:
    with pytest.raises(ValueError, match="is no limit"):
        type(budget()).of(Spec(Limits([(word, 1)])))
