"""Costs: exact, never below what providers charge, and the bound holds for everything within it."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.spend.price import MAX_COST, MAX_TOKENS, Price, Rates, flat, rate, tiered
from llm_proxy.spend.usage import Usage
from mcp_gateway.envelopes.policy.budgets.rules import NANO

rates = st.integers(0, 10**9)
tokens = st.integers(0, 2_000_000)
price_values = st.builds(Rates, rates, rates, rates, rates)
prices = st.builds(
    lambda base, tiers: tiered([(0, base), *tiers]),
    price_values,
    st.lists(st.tuples(st.integers(1, 1_000_000), price_values), max_size=3, unique_by=lambda tier: tier[0]),
)
usages = st.builds(Usage, tokens, tokens, tokens, tokens, tokens)


@pytest.mark.parametrize(
    ("dollars", "expected"),
    [
        (1, 1_000_000),
        (Decimal("0.15"), 150_000),
        (0.1, 100_000),
        (Decimal("0.01875"), 18_750),
        (0, 0),
        (Decimal("0.0000001"), 1),
    ],
)
def test_a_price_is_picodollars_per_token(dollars: Decimal | float, expected: int) -> None:
    assert rate(dollars) == expected


@pytest.mark.parametrize("dollars", [-1, float("nan"), float("inf"), 10**7])
def test_what_is_no_price_is_refused(dollars: float) -> None:
    with pytest.raises(ValueError, match="a price is"):
        rate(dollars)


def test_a_bill_is_what_price_lists_make_of_it() -> None:
    price = flat(3, 15, 0.3, 3.75)
    usage = Usage(input=12_000, output=800, cache_read=9_000, cache_write=1_000, reasoning=500)
    dollars = (2_000 * Decimal(3) + 9_000 * Decimal("0.3") + 1_000 * Decimal("3.75") + 800 * Decimal(15)) / 1_000_000
    assert price.cost(usage) == dollars * NANO


def test_without_prices_of_caches_their_tokens_cost_what_others_do() -> None:
    assert flat(2, 8).cost(Usage(1000, 10, 400, 300)) == flat(2, 8).cost(Usage(1000, 10))


def test_a_tier_holds_for_the_whole_prompt_beyond_its_threshold() -> None:
    price = tiered([(0, flat(1, 1).base), (200_000, flat(2, 3).base)])
    assert price.cost(Usage(200_000, 10)) == 200_010_000
    assert price.cost(Usage(200_001, 10)) == 400_032_000


@given(st.decimals(0, 1000, places=6), st.decimals(0, 1000, places=6), tokens, tokens)
def test_costs_are_those_of_decimals_rounded_up_once(
    in_price: Decimal, out_price: Decimal, inputs: int, outputs: int
) -> None:
    exact = (in_price * inputs + out_price * outputs) / 1_000_000 * NANO
    assert flat(in_price, out_price).cost(Usage(inputs, outputs)) == exact.to_integral_value(ROUND_CEILING)


@given(prices, usages, tokens, tokens)
def test_nothing_within_a_bound_costs_more_than_it(price: Price, usage: Usage, more_in: int, more_out: int) -> None:
    cached = usage.cache_read + usage.cache_write
    bound = price.most(max(usage.input, cached) + more_in, usage.output + more_out)
    assert 0 <= price.cost(usage) <= bound


@given(prices, st.builds(Usage, st.integers(), st.integers(), st.integers(), st.integers()))
def test_nonsense_costs_something_bounded(price: Price, usage: Usage) -> None:
    assert 0 <= price.cost(usage) <= MAX_COST


def test_absurd_counts_are_counted_as_the_most_there_can_be() -> None:
    assert flat(0.001).cost(Usage(10**30)) == flat(0.001).cost(Usage(MAX_TOKENS)) == NANO
