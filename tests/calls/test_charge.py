"""Calls of tools out of budgets: what is charged, what is not, and where in the order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mcp_gateway.calls.charge import ChargeCalls
from mcp_gateway.calls.kinds import Invocation, Kind, Result
from mcp_gateway.calls.pipeline import Invoke, inner
from mcp_gateway.calls.state import SealState
from mcp_gateway.core.call import Trail
from mcp_gateway.core.errors import (
    BudgetExhausted,
    ConnectionRequired,
    Forbidden,
    IdentityUnavailable,
    InvalidArguments,
    Overloaded,
    ProtocolViolation,
    Rejected,
    TimedOut,
    Unreachable,
)
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.core.seal import Sealer
from mcp_gateway.envelopes.policy.authorize import Authorize, Decide, Decision, Permitted, unrestricted
from mcp_gateway.envelopes.policy.breaker import Breaker, Circuit
from mcp_gateway.envelopes.policy.budgets.budgets import Budgets
from mcp_gateway.envelopes.policy.budgets.rules import Amount, nano
from mcp_gateway.envelopes.policy.budgets.settling import Settling
from mcp_gateway.envelopes.policy.budgets.store import MemoryStore
from mcp_gateway.envelopes.policy.bulkhead import Bulkhead, Places
from tests.calls.making import binding, invocation
from tests.envelopes.policy.budgets.making import When, budget, spending

COST = 0.002
PRICED = binding(cost=nano(COST))


async def answering(permitted: Permitted[Invocation]) -> Result:
    return {"resultType": "complete"}


def ten_calls(**changes: Any) -> Budgets:
    return Budgets([budget(limits={"cost_per_lifetime": 10 * COST}, **changes)], Settling(MemoryStore()))


def pipeline(
    budgets: Budgets,
    invoke: Invoke = answering,
    *,
    decide: Decide[Invocation] = unrestricted,
    circuit: Circuit | None = None,
    places: Places | None = None,
) -> Handler[Invocation, Result]:
    return inner(
        seal_state=SealState(Sealer((b"k" * 32,), "request-state")),
        authorize=Authorize(decide),
        breaker=Breaker({"up": circuit or Circuit()}),
        bulkhead=Bulkhead({"up": places or Places(20)}),
        charge_calls=ChargeCalls(budgets),
        invoke=invoke,
    )


async def left(budgets: Budgets) -> int:
    """How many more calls there is room for."""
    reservations = []
    for _ in range(11):
        try:
            reservations.append(await budgets.reserve(spending(tool="up/echo"), Amount(nano(COST)), Trail()))
        except BudgetExhausted:
            break
    for each in reservations:
        budgets.release(each)
    return len(reservations)


async def test_as_many_calls_as_there_is_money_for() -> None:
    budgets = ten_calls()
    handler = pipeline(budgets)
    for _ in range(10):
        await handler(invocation(tool=PRICED))
    one = invocation(tool=PRICED)
    with pytest.raises(BudgetExhausted):
        await handler(one)
    assert one.call.trail.notes["limit"] == "b"
    await handler(invocation(tool=binding()))


async def test_at_once_no_more_than_there_is_money_for() -> None:
    reached, on = [], asyncio.Event()

    async def invoke(permitted: Permitted[Invocation]) -> Result:
        reached.append(permitted)
        await on.wait()
        return {"resultType": "complete"}

    handler = pipeline(ten_calls(), invoke, places=Places(100))
    tasks = [asyncio.ensure_future(handler(invocation(tool=PRICED))) for _ in range(30)]
    while sum(task.done() for task in tasks) < 20:
        await asyncio.sleep(0)
    on.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert len(reached) == 10
    assert sum(isinstance(each, BudgetExhausted) for each in results) == 20


@pytest.mark.parametrize(
    ("error", "charged"),
    [
        (Unreachable("x", sent=False), 0),
        (TimedOut("x", sent=False), 0),
        (ConnectionRequired("x", upstream="up"), 0),
        (IdentityUnavailable("x"), 0),
        (Overloaded("x"), 0),
        (Unreachable("x", sent=True), 1),
        (TimedOut("x"), 1),
        (ProtocolViolation("x"), 1),
        (Rejected(-1, "x"), 1),
        (ValueError("x"), 1),
        (asyncio.CancelledError(), 1),
    ],
)
async def test_what_was_perhaps_sent_is_charged(error: BaseException, charged: int) -> None:
    async def invoke(permitted: Permitted[Invocation]) -> Result:
        raise error

    budgets = ten_calls()
    with pytest.raises(type(error)):
        await pipeline(budgets, invoke)(invocation(tool=PRICED))
    assert await left(budgets) == 10 - charged


async def test_what_is_refused_before_costs_nothing() -> None:
    budgets = ten_calls()
    opened = Circuit(failures=1, cooldown=1e9)
    opened.failed(0.0)
    misfit = binding(cost=nano(COST), check=lambda arguments: ("/params/arguments", "no"))
    with pytest.raises(InvalidArguments):
        await pipeline(budgets)(invocation(tool=misfit))
    with pytest.raises(Forbidden):
        await pipeline(budgets, decide=lambda call: Decision(False, ("p",)))(invocation(tool=PRICED))
    with pytest.raises(Unreachable):
        await pipeline(budgets, circuit=opened)(invocation(tool=PRICED))
    with pytest.raises(Overloaded):
        await pipeline(budgets, places=Places(0, queue=0))(invocation(tool=PRICED))
    assert await left(budgets) == 10


async def test_a_budget_that_is_used_up_says_nothing_of_the_upstream_and_keeps_no_place() -> None:
    budgets, places = ten_calls(), Places(1)
    cooled = Circuit(failures=1, cooldown=-1e9)
    cooled.failed(0.0)
    await budgets.reserve(spending(), Amount(10 * nano(COST)), Trail())
    with pytest.raises(BudgetExhausted):
        await pipeline(budgets, circuit=cooled, places=places)(invocation(tool=PRICED))
    assert cooled.admit(1.0) and places.in_use == 0


async def test_only_calls_of_tools_with_a_cost_are_asked_about() -> None:
    budgets = ten_calls()
    await budgets.reserve(spending(), Amount(10 * nano(COST)), Trail())
    for one in (invocation(tool=binding()), invocation(kind=Kind.RESOURCE, tool=None)):
        assert await pipeline(budgets)(one) == {"resultType": "complete"}


async def test_budgets_speak_of_tools_by_the_upstreams_own_name() -> None:
    for globs, matches in ((["up/echo"], True), (["up/say"], False), (["*/echo"], True)):
        budgets = ten_calls(when=When(tools=globs))
        handler = pipeline(budgets)
        for _ in range(10):
            await handler(invocation(tool=PRICED))
        if matches:
            with pytest.raises(BudgetExhausted):
                await handler(invocation(tool=PRICED))
        else:
            await handler(invocation(tool=PRICED))


async def test_completions_and_calls_draw_on_one_budget() -> None:
    budgets = ten_calls(per=["metadata.project_id"])
    completion = await budgets.reserve(spending(), Amount(9 * nano(COST), 100), Trail())
    await pipeline(budgets)(invocation(tool=PRICED))
    with pytest.raises(BudgetExhausted):
        await pipeline(budgets)(invocation(tool=PRICED))
    budgets.settle(completion, Amount(nano(COST), 10))
    await pipeline(budgets)(invocation(tool=PRICED))
    with pytest.raises(BudgetExhausted):
        await budgets.reserve(spending(), Amount(8 * nano(COST), 1), Trail())
