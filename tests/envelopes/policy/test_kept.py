"""What limits and budgets keep of callers changes nothing of where they are counted."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from typing import Final

import pytest

from mcp_gateway.core.call import Trail
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.policy.budgets import budgets as budgets_module
from mcp_gateway.envelopes.policy.budgets.budgets import Budgets
from mcp_gateway.envelopes.policy.budgets.rules import Spending
from mcp_gateway.envelopes.policy.budgets.settling import Settling
from mcp_gateway.envelopes.policy.budgets.store import MemoryStore
from mcp_gateway.envelopes.policy.limits import limit as limit_module
from mcp_gateway.envelopes.policy.limits.limit import LimitCalls, LimitTallies
from mcp_gateway.envelopes.policy.limits.pools import MemoryPools
from mcp_gateway.envelopes.policy.limits.rules import Counted
from tests.envelopes.policy.budgets import making
from tests.envelopes.policy.limits.test_pools import When, rule

PEOPLE: Final = (
    Principal(id="alice", subject="alice", teams=("x",)),
    Principal(id="alice", subject="alice", teams=("x", "y")),
    Principal(id="bob", subject="bob"),
    Principal(id="virtual_account:bot", subject="bot", kind="virtual_account"),
)
NAMES: Final = ("m", "n")
LONG: Final = "n" * 2000
"""A name that nobody keeps: it is as long as a client likes."""

SAID: Final[tuple[Mapping[str, str], ...]] = ({}, {"task": "a"}, {"task": "b"})


@pytest.mark.parametrize("kept", [1, 3, 1000])
async def test_budgets_count_the_same_with_what_is_kept_and_without(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets_module, "KEPT", kept)
    compiled = (
        making.budget(id="all", limits={"cost_per_day": 10**6, "tokens_per_month": 10**9}),
        making.budget(id="each", per=["user", "model", "metadata.task"]),
        making.budget(id="teams", per=["team"], when=making.When(subjects=["team:x"])),
        making.budget(id="task", when=making.When(models=["m"], metadata={"task": "a"})),
    )
    with_it, without = Settling(MemoryStore(now=lambda: 0)), Settling(MemoryStore(now=lambda: 0))
    lasting = Budgets(compiled, with_it)
    cases = list(itertools.product(PEOPLE, NAMES, NAMES, SAID)) * 3
    random.Random(1).shuffle(cases)
    for number, (principal, model, target, metadata) in enumerate(cases):
        spending = Spending(principal, model=model, target=target, metadata=metadata)
        amount = making.usd(0.001 * number)._replace(tokens=number)
        for budgets in (lasting, Budgets(compiled, without)):
            budgets.settle(await budgets.reserve(spending, amount, Trail()), amount)
    counted = [
        {place: (sums.held, sums.spent) for place, sums in settling.store._accounts.items()}
        for settling in (with_it, without)
        if isinstance(settling.store, MemoryStore)
    ]
    assert counted[0] == counted[1] and len(counted[0]) > 20
    assert with_it.tallies.nominated == without.tallies.nominated


@pytest.mark.parametrize("kept", [1, 3, 1000])
async def test_limits_count_the_same_with_what_is_kept_and_without(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit_module, "KEPT", kept)
    rules = {
        "desk": (
            rule(id="all", limit=10**6),
            rule(id="each", limit=10**6, per=["user", "tool", "metadata.task"]),
            rule(id="teams", limit=10**6, per=["team"], when=When(subjects=["team:x"])),
            rule(id="task", limit=10**6, when=When(tools=["m"], metadata={"task": "a"})),
        )
    }

    async def served(call: Counted) -> None:
        return None

    def stage(pools: MemoryPools) -> LimitCalls[Counted, None]:
        return LimitCalls(rules, pools, LimitTallies(), lambda call: (call, Trail()))

    after: Handler[Counted, None] = served
    pools, others = MemoryPools(now=lambda: 0), MemoryPools(now=lambda: 0)
    lasting = stage(pools)
    cases = list(itertools.product(PEOPLE, ("desk", "other"), (*NAMES, LONG), NAMES, SAID)) * 3
    random.Random(1).shuffle(cases)
    for principal, server, tool, exposed, metadata in cases:
        call = Counted(server, principal, "up", tool, exposed, metadata)
        for limits in (lasting, stage(others)):
            await limits(call, after)
    assert pools._rooms == others._rooms and len(pools) > 20
    assert not any(LONG in key for key in lasting._kept) and len(lasting._kept) <= kept
