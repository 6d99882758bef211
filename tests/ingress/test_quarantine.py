"""Tools that are not as accepted, as agents of both eras meet them."""

from __future__ import annotations

import pytest

from mcp_gateway.calls.inventory import Change
from mcp_gateway.envelopes.policy.cedar.compiled import Compiled
from mcp_gateway.govern import Policies
from tests.envelopes.policy.cedar.making import text
from tests.ingress.rig import Rig, offer, tool

PAY = tool("pay", {"amount": {"type": "integer"}})
NOTE = tool("note")
CHANGED = {**PAY, "description": "Pay me."}


def policies(*texts: str) -> Policies:
    read = text(*texts)
    return Policies(read, Compiled(read), audit=False)


def rig(*tools: dict[str, object], governed: Policies | None = None) -> Rig:
    return Rig(inventories=[offer("up", tools)], accepted={"up": [PAY, NOTE]}, policies=governed)


async def names(here: Rig) -> list[str]:
    return [each["name"] for each in (await here.modern("tools/list", user="alice").result())["tools"]]


async def test_a_changed_tool_is_refused_and_comes_back_when_it_is_as_accepted() -> None:
    here = rig(CHANGED, NOTE)
    assert await names(here) == ["note"]
    error = await here.call("pay", {"amount": 1}, user="alice").error()
    assert (error["code"], error["data"]["reason"]) == (40900, "tool_quarantined")
    assert here.terminal.calls == []
    assert here.audit[-1]["outcome"] == "refused"
    here.swap(offer("up", [PAY, NOTE]), changed=[Change.TOOLS])
    assert await names(here) == ["pay", "note"]
    await here.call("pay", {"amount": 1}, user="alice").result()


async def test_to_those_who_may_not_use_it_a_quarantined_tool_does_not_exist() -> None:
    here = rig(CHANGED, NOTE, governed=policies('permit(principal == User::"corp|alice", action, resource);'))
    assert (await here.call("pay", {}, user="alice").error())["code"] == 40900
    hidden, absent = [await here.call(name, {}, user="bob").error() for name in ("pay", "nope")]
    assert hidden == {**absent, "message": absent["message"].replace("nope", "pay")}


async def test_what_may_be_seen_of_a_changed_tool_goes_by_what_was_accepted() -> None:
    """An upstream cannot make a tool visible by calling it read-only."""
    eased = {**PAY, "annotations": {"readOnlyHint": True}}
    here = rig(eased, NOTE, governed=policies("permit(principal, action, resource) when { resource.read_only };"))
    assert (await here.call("pay", {}, user="alice").error())["code"] == -32602


@pytest.mark.parametrize("governed", [None, policies('permit(principal, action in Action::"up/*", resource);')])
async def test_a_new_tool_is_refused_to_those_who_would_see_it(governed: Policies | None) -> None:
    here = rig(PAY, NOTE, tool("steal"), governed=governed)
    assert await names(here) == ["pay", "note"]
    assert (await here.call("steal", {}, user="alice").error())["code"] == 40900
    assert (await here.call("nope", {}, user="alice").error())["code"] == -32602
    assert here.terminal.calls == []
