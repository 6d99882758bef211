"""What the ledger has of calls of tools."""

from __future__ import annotations

import asyncio

import pytest

from mcp_gateway.calls.enter import EnterCalls
from mcp_gateway.calls.kinds import Invocation, Kind, Result
from mcp_gateway.core.errors import GatewayError, Overloaded, ProtocolViolation, TimedOut, Unreachable
from mcp_gateway.envelopes.observability.ledger.ledger import MemoryLedger
from mcp_gateway.envelopes.policy.authorize import Authorize, Permitted, unrestricted
from mcp_gateway.envelopes.policy.budgets.rules import nano
from tests.calls.making import binding, invocation

COST = 0.002


async def made(call: Invocation, ends: Result | BaseException) -> MemoryLedger:
    """The ledger after `call`, which ended so."""
    ledger = MemoryLedger()
    enter = EnterCalls(ledger)

    async def invoke(permitted: Permitted[Invocation]) -> Result:
        if isinstance(ends, BaseException):
            raise ends
        return ends

    async def through(permitted: Permitted[Invocation]) -> Result:
        return await enter(permitted, invoke)

    try:
        await Authorize[Invocation](unrestricted)(call, through)
    except BaseException as error:
        assert error is ends
    return ledger


@pytest.mark.parametrize(
    ("ends", "status", "cost"),
    [
        ({"resultType": "complete"}, "ok", nano(COST)),
        ({"isError": True}, "tool_error", nano(COST)),
        (ProtocolViolation("x"), "upstream_protocol_error", nano(COST)),
        (TimedOut("x"), "upstream_timeout", nano(COST)),
        (Unreachable("x", sent=True), "upstream_unavailable", nano(COST)),
        (Unreachable("x", sent=False), "upstream_unavailable", 0),
        (Overloaded("x"), "overloaded", 0),
        (GatewayError("x"), "internal_error", nano(COST)),
        (ValueError("x"), "internal_error", nano(COST)),
        (asyncio.CancelledError(), "cancelled", nano(COST)),
    ],
    ids=repr,
)
async def test_every_call_that_is_made_has_one_entry(ends: Result | BaseException, status: str, cost: int) -> None:
    call = invocation(tool=binding(cost=nano(COST)))
    (entry,) = (await made(call, ends)).entries
    assert (entry.plane, entry.status, entry.cost) == ("mcp", status, cost)
    assert (entry.target, entry.asked) == (f"{call.upstream}/{call.target}", "say")
    assert entry.principal == call.call.principal.id
    assert entry.request_id == call.call.request_id


async def test_a_tool_without_a_cost_has_an_entry_too() -> None:
    (entry,) = (await made(invocation(tool=binding()), {})).entries
    assert (entry.cost, entry.status) == (0, "ok")


async def test_what_is_no_tool_has_none() -> None:
    assert not (await made(invocation(kind=Kind.PROMPT, tool=None), {})).entries
