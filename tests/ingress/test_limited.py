"""Limits of a composition on the wire: told which, and when to come back, in both eras."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.envelopes.policy.cedar.compiled import Compiled
from mcp_gateway.govern import Policies
from mcp_gateway.settings.virtual_servers import VirtualServerSettings
from tests.envelopes.policy.cedar.making import text
from tests.ingress.agent import opened
from tests.ingress.rig import Rig, composition, desk


def limited(*rules: dict[str, Any], **options: Any) -> Rig:
    """A desk with these limits, each a call an hour if it says no more."""
    given = [{"id": f"r{number}", "limit": 1, "unit": "calls_per_hour", **rule} for number, rule in enumerate(rules)]
    spec = composition().model_dump(exclude_unset=True) | {"rate_limits": given}
    return Rig(VirtualServerSettings.model_validate(spec), **options)


async def refusal(exchange: Any) -> dict[str, Any]:
    error: dict[str, Any] = await exchange.error()
    assert error["code"] == 42900 and error["data"]["reason"] == "rate_limited"
    data: dict[str, Any] = error["data"]
    return data


@pytest.mark.parametrize("modern", [True, False])
async def test_a_refusal_names_the_limit_and_when_to_come_back(modern: bool) -> None:
    rig = limited({"per": ["user"]})
    agent: Any = rig if modern else await opened(rig, user="alice")
    options = {"user": "alice"} if modern else {}
    await agent.call("echo", **options).result()
    data = await refusal(agent.call("echo", **options))
    assert data["limit"] == "r0" and 3_590_000 < data["retryAfterMs"] <= 3_600_000
    assert len(rig.terminal.calls) == 1
    assert [(line["outcome"], line["reason"]) for line in rig.audit if line["method"] == "tools/call"] == [
        ("ok", None),
        ("refused", "rate_limited"),
    ]


async def test_each_caller_has_a_pool() -> None:
    rig = limited({"per": ["user"]})
    for user in ("alice", "bob"):
        await rig.call("echo", user=user).result()
        await refusal(rig.call("echo", user=user))


async def test_a_limit_without_per_is_one_pool_for_all() -> None:
    rig = limited({})
    await rig.call("echo", user="alice").result()
    await refusal(rig.call("region", user="bob"))


async def test_a_limit_may_be_about_some_tools_or_people_only() -> None:
    rig = limited({"when": {"tools": ["up/echo"]}}, {"when": {"subjects": ["user:bob"]}})
    await rig.call("echo", user="alice").result()
    await refusal(rig.call("echo", user="alice"))
    for _ in range(3):
        await rig.call("region", user="alice").result()
    await rig.call("region", user="bob").result()
    assert (await refusal(rig.call("region", user="bob")))["limit"] == "r1"


async def test_every_rule_must_have_room_and_a_refusal_counts_nowhere() -> None:
    rig = limited({"limit": 3}, {"when": {"tools": ["up/echo"]}})
    await rig.call("echo").result()
    for _ in range(5):
        assert (await refusal(rig.call("echo")))["limit"] == "r1"
    await rig.call("region").result()
    await rig.call("region").result()
    assert (await refusal(rig.call("region")))["limit"] == "r0"


async def test_a_rule_in_audit_mode_only_records() -> None:
    rig = limited({"mode": "audit"})
    await rig.call("echo").result()
    await rig.call("echo").result()
    assert [line.get("would_limit") for line in rig.audit] == [None, ("r0",)]


async def test_pools_outlive_a_change_of_what_upstreams_offer() -> None:
    rig = limited({})
    await rig.call("echo").result()
    rig.swap(desk())
    await refusal(rig.call("echo"))


async def test_limits_say_nothing_of_a_tool_that_the_caller_may_not_see() -> None:
    read = text('permit(principal, action == Action::"up/region", resource);')
    rig = limited({}, policies=Policies(read, Compiled(read), False))
    await rig.call("region").result()
    await refusal(rig.call("region"))
    assert (await rig.call("echo").error())["code"] == -32602
