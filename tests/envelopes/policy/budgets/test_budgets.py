"""Budgets at work, in memory and in a real Redis: refusing, charging, telling, and what a store that is down does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.core.call import Trail
from mcp_gateway.core.errors import BudgetExhausted, LimitExceeded, Overloaded
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.policy.budgets import settling as settling_module
from mcp_gateway.envelopes.policy.budgets.at import budgets_at
from mcp_gateway.envelopes.policy.budgets.budgets import Budgets
from mcp_gateway.envelopes.policy.budgets.redis_store import RedisAccounts
from mcp_gateway.envelopes.policy.budgets.rules import NANO, Amount, Budget
from mcp_gateway.envelopes.policy.budgets.settling import Crossed, Settling
from mcp_gateway.envelopes.policy.budgets.store import Change, Entry, MemoryStore, Room, Store
from tests.envelopes.policy.budgets.making import Thresholds, budget, reserve, spending, usd
from tests.support_redis import RedisServer, redis_server


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    with redis_server(tmp_path) as server:
        redis = RedisAccounts(server.url, tenant="t", seconds=30.0)
        yield redis
        await redis.close()


async def at_work(store: Store, *budgets: Budget) -> tuple[Budgets, Settling, list[Crossed]]:
    told: list[Crossed] = []
    settling = Settling(store, alert=told.append)
    return Budgets(budgets, settling), settling, told


async def test_what_is_held_back_and_what_is_spent_count_together(store: Store) -> None:
    budgets, settling, _ = await at_work(store, budget(limits={"cost_per_lifetime": 10}))
    first, second = await reserve(budgets, 6), await reserve(budgets, 4)
    with pytest.raises(BudgetExhausted):
        await reserve(budgets, 0.000000001)
    budgets.settle(first, usd(1))
    budgets.settle(first, usd(5))  # is settled already
    budgets.release(second)
    budgets.settle(second, usd(9))
    await settling.settled()
    await reserve(budgets, 9)
    with pytest.raises(BudgetExhausted):
        await reserve(budgets, 0.000000001)


async def test_more_than_was_held_back_is_charged_beyond_the_limit(store: Store) -> None:
    budgets, settling, _ = await at_work(store, budget())
    budgets.settle(await reserve(budgets, 1), usd(25))
    await settling.settled()
    with pytest.raises(BudgetExhausted):
        await reserve(budgets, 0.000000001)
    await reserve(budgets, 0.0)


async def test_what_a_provider_claims_to_have_used_cannot_break_the_accounts(store: Store) -> None:
    budgets, settling, _ = await at_work(store, budget(limits={"cost_per_day": 10, "tokens_per_day": 10}))
    for cost, tokens in ((10**40, -(10**40)), (-5, 10**30)):
        budgets.settle(await budgets.reserve(spending(), Amount(), Trail()), Amount(cost, tokens))
        await settling.settled()
    with pytest.raises(BudgetExhausted):
        await budgets.reserve(spending(), Amount(1, 0), Trail())
    with pytest.raises(BudgetExhausted):
        await budgets.reserve(spending(), Amount(0, 1), Trail())
    assert not settling.tallies.unsettled and not store.failures


async def test_a_refusal_holds_nothing_back_anywhere(store: Store) -> None:
    wide, narrow = budget(id="wide"), budget(id="narrow", limits={"cost_per_day": 1}, per=["user"])
    budgets, _, _ = await at_work(store, wide, narrow)
    for _ in range(20):
        with pytest.raises(BudgetExhausted) as refused:
            await reserve(budgets, 2)
        assert refused.value.limit == "narrow"
    only, _, _ = await at_work(store, wide)
    await reserve(only, 10)


async def test_all_limits_of_a_budget_count(store: Store) -> None:
    both = budget(limits={"cost_per_month": 10, "tokens_per_day": 100})
    budgets, settling, _ = await at_work(store, both)
    budgets.settle(await budgets.reserve(spending(), Amount(NANO, 60), Trail()), Amount(NANO, 60))
    await settling.settled()
    with pytest.raises(BudgetExhausted, match="tokens_per_day"):
        await budgets.reserve(spending(), Amount(0, 41), Trail())
    with pytest.raises(BudgetExhausted, match="cost_per_month"):
        await budgets.reserve(spending(), Amount(10 * NANO, 0), Trail())
    await budgets.reserve(spending(), Amount(9 * NANO, 40), Trail())


async def test_each_team_of_a_caller_must_have_room(store: Store) -> None:
    budgets, _, _ = await at_work(store, budget(per=["team"]))
    await reserve(budgets, 8, principal=Principal(id="a", subject="a", teams=("x",)))
    with pytest.raises(BudgetExhausted):
        await reserve(budgets, 4, principal=Principal(id="b", subject="b", teams=("x", "y")))
    await reserve(budgets, 10, principal=Principal(id="c", subject="c", teams=("y",)))


@pytest.mark.parametrize(
    ("word", "longest"), [("cost_per_day", 86_400), ("cost_per_quarter", 92 * 86_400), ("cost_per_lifetime", None)]
)
async def test_a_refusal_says_when_the_window_ends(word: str, longest: int | None) -> None:
    budgets, _, _ = await at_work(MemoryStore(), budget(limits={word: Decimal(1)}))
    trail = Trail()
    with pytest.raises(BudgetExhausted) as refused:
        await budgets.reserve(spending(), usd(2), trail)
    wait = refused.value.retry_after
    assert (wait is None) if longest is None else (wait is not None and 1 <= wait <= longest)
    assert trail.notes["limit"] == "b"
    assert refused.value.reason == "budget_exhausted"


async def test_a_limit_on_tokens_refuses_as_a_rate_does(store: Store) -> None:
    budgets, _, _ = await at_work(store, budget(id="r", rate=True, limits={"tokens_per_minute": 100}))
    with pytest.raises(LimitExceeded) as refused:
        await budgets.reserve(spending(), Amount(0, 101), Trail())
    assert type(refused.value) is LimitExceeded
    assert refused.value.retry_after is not None and refused.value.retry_after <= 60


async def test_audit_records_and_lets_pass(store: Store) -> None:
    audit = budget(id="soft", mode="audit")
    budgets, settling, _ = await at_work(store, audit, budget(id="hard", limits={"cost_per_day": 100}))
    trail = Trail()
    budgets.settle(await budgets.reserve(spending(), usd(11), trail), usd(11))
    assert trail.notes["would_exhaust"] == ("soft",)
    assert settling.tallies.would_refuse == {"soft": 1}
    await settling.settled()
    with pytest.raises(BudgetExhausted) as refused:
        await reserve(budgets, 90)
    assert refused.value.limit == "hard"
    assert settling.tallies.nominated == {"soft": 2, "hard": 2}
    assert settling.tallies.refused == {"hard": 1}


async def test_nothing_matches_nothing_is_asked() -> None:
    budgets, settling, _ = await at_work(MemoryStore(), budget(per=["user"], id="x"))
    none, _, _ = await at_work(MemoryStore())
    budgets.release(await none.reserve(spending(), usd(1e6), Trail()))
    assert not none.any and budgets.any and not settling.tallies.nominated


async def test_each_threshold_is_told_once_even_by_many_at_once(store: Store) -> None:
    alerting = budget(alerts=Thresholds([50.0, 90.0, 100.0]))
    budgets, settling, told = await at_work(store, alerting)
    held = [await reserve(budgets, 0.5) for _ in range(20)]
    assert told == []
    for each in held:
        budgets.settle(each, usd(0.5))
        budgets.settle(each, usd(0.5))
    await settling.settled()
    assert sorted((each.percent, each.spent // NANO) for each in told) == [(50.0, 5), (90.0, 9), (100.0, 10)]


async def test_one_settlement_may_pass_several_thresholds(store: Store) -> None:
    budgets, settling, told = await at_work(store, budget(alerts=Thresholds([10.0, 75.0, 200.0])))
    budgets.settle(await reserve(budgets, 1), usd(9))
    await settling.settled()
    assert [each.percent for each in told] == [10.0, 75.0]


async def test_a_full_memory_forgets_what_is_over_and_never_what_is_held_back() -> None:
    store = MemoryStore(most=8)
    budgets, _, _ = await at_work(store, budget(per=["metadata.x"]), budget(id="c", per=["metadata.x"]))
    kept = [await reserve(budgets, 10, metadata={"x": str(number)}) for number in range(3)]
    for number in range(100):
        budgets.settle(await reserve(budgets, 1, metadata={"x": f"other {number}"}), usd(1))
    assert store.overflows > 0 and len(store) <= 8
    for number in range(3):
        with pytest.raises(BudgetExhausted):
            await reserve(budgets, 1, metadata={"x": str(number)})
    assert len(kept) == 3


# ---------------------------------------------------------------------- a store that is down


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


class Slow:
    """A store whose answers come when they are let through, or never."""

    overflows = failures = 0

    def __init__(self) -> None:
        self.inside = MemoryStore()
        self.let = asyncio.Event()
        self.answers = True
        self.settled: list[tuple[bytes, int]] = []

    async def reserve(self, token: bytes, entries: Sequence[Entry]) -> Sequence[Room] | None:
        rooms = self.inside.reserve(token, entries)
        await self.let.wait()
        return rooms if self.answers else None

    async def settle(self, token: bytes, changes: Sequence[Change]) -> Sequence[int] | None:
        self.settled += [(token, change.spent) for change in changes]
        return self.inside.settle(token, changes)

    async def close(self) -> None:
        await self.inside.close()


async def test_who_is_gone_before_the_store_answers_leaves_nothing_behind() -> None:
    slow = Slow()
    budgets, settling, _ = await at_work(slow, budget(limits={"cost_per_lifetime": 10}))
    task = asyncio.create_task(reserve(budgets, 10))
    while not len(slow.inside):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await settling.settled()
    slow.let.set()
    await reserve(budgets, 10)


@pytest.mark.parametrize("on_store_error", ["allow", "deny"])
async def test_an_answer_that_was_lost_leaves_nothing_behind(on_store_error: Any) -> None:
    slow = Slow()
    slow.answers = False
    slow.let.set()
    one = budget(limits={"cost_per_lifetime": 10}, on_store_error=on_store_error)
    budgets, settling, _ = await at_work(slow, one)
    trail = Trail()
    if on_store_error == "deny":
        with pytest.raises(Overloaded):
            await budgets.reserve(spending(), usd(10), trail)
        assert settling.tallies.failed_closed == {"b": 1}
        spent = 0
    else:
        budgets.settle(await budgets.reserve(spending(), usd(10), trail), usd(3))
        assert trail.notes["uncounted_budgets"] == ("b",)
        assert settling.tallies.failed_open == {"b": 1}
        spent = 3
    await settling.settled()
    slow.answers = True
    await reserve(budgets, 10 - spent)
    with pytest.raises(BudgetExhausted):
        await reserve(budgets, 0.000000001)


async def test_what_is_settled_while_redis_is_down_is_charged_when_it_is_back(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling_module, "RETRY_SECONDS", 0.01)
    one = budget(limits={"cost_per_lifetime": 10})
    budgets, settling, _ = await at_work(RedisAccounts(server.url, tenant="t", seconds=30.0), one)
    before = await reserve(budgets, 2)
    server.stop()
    budgets.settle(before, usd(1))
    through = await reserve(budgets, 50)
    budgets.settle(through, usd(4))
    with pytest.raises(Overloaded):
        await reserve((await at_work(settling.store, budget(on_store_error="deny")))[0], 1)
    server.start()
    await settling.settled()
    # The server lost what it knew: what is told from now on counts, and nothing is taken away for what it held.
    await reserve(budgets, 5)
    with pytest.raises(BudgetExhausted):
        await reserve(budgets, 0.000000001)
    await settling.close()


async def test_closing_gives_up_what_a_store_that_is_down_cannot_be_told(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling_module, "CLOSE_SECONDS", 0.05)
    budgets, settling, _ = await at_work(RedisAccounts(server.url, tenant="t", seconds=30.0), budget())
    held = await reserve(budgets, 2)
    server.stop()
    budgets.settle(held, usd(1))
    await settling.close()
    assert settling.tallies.unsettled == {"b": 1}


async def test_the_clock_of_this_machine_does_not_say_which_window_it_is(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica that is days ahead counts in the account that the others count in."""
    store = RedisAccounts(server.url, tenant="t", seconds=30.0)
    budgets, settling, _ = await at_work(store, budget(limits={"cost_per_quarter": 10}))
    budgets.settle(await reserve(budgets, 6), usd(6))
    await settling.settled()
    real = time.time
    monkeypatch.setattr("mcp_gateway.envelopes.policy.budgets.budgets.time.time", lambda: real() + 200 * 86_400)
    ahead = await reserve(budgets, 4)
    with pytest.raises(BudgetExhausted):
        await reserve(budgets, 1)
    budgets.settle(ahead, usd(1))
    await settling.settled()
    await reserve(budgets, 3)
    await settling.close()


async def test_the_configuration_says_where(server: RedisServer) -> None:
    assert isinstance(budgets_at(None, tenant="t"), MemoryStore)
    redis = budgets_at(Secret(server.url.reveal()), tenant="t")
    assert isinstance(redis, RedisAccounts)
    await redis.close()
