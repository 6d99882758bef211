"""The data plane with policies: what is not permitted is not there, what is denied is told why, in both eras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from mcp_gateway.envelopes.policy.cedar.compiled import Compiled
from mcp_gateway.govern import Policies
from mcp_gateway.settings.virtual_servers import VirtualServerSettings
from tests.envelopes.policy.cedar.making import text
from tests.ingress.agent import opened
from tests.ingress.rig import Rig, composition, desk

ECHO = 'action == Action::"up/echo"'
TEAM = 'principal == User::"corp|alice"'


def governed(*policies: str, audit: bool = False, servers: Sequence[VirtualServerSettings] = (), **options: Any) -> Rig:
    read = text(*policies)
    return Rig(*servers, policies=Policies(read, Compiled(read), audit), **options)


async def names(rig: Rig, method: str, user: str = "alice") -> list[str]:
    result = await rig.modern(method, user=user).result()
    (entries,) = [value for value in result.values() if isinstance(value, list)]
    return [entry.get("uri") or entry.get("uriTemplate") or entry["name"] for entry in entries]


async def code(exchange: Any) -> tuple[int, dict[str, Any]]:
    error = await exchange.error()
    return error["code"], error.get("data") or {}


async def test_without_a_permit_nothing_is_there() -> None:
    rig = governed("forbid(principal, action, resource);")
    for method in ("tools/list", "prompts/list", "resources/list", "resources/templates/list"):
        assert await names(rig, method) == []
    for exchange in (
        rig.call("echo"),
        rig.modern("prompts/get", {"name": "greet"}),
        rig.modern("resources/read", {"uri": "note://1"}),
    ):
        assert (await code(exchange))[0] == -32602
    assert rig.terminal.calls == []


async def test_each_caller_sees_what_could_be_permitted_to_them() -> None:
    rig = governed(
        f"permit({TEAM}, {ECHO}, resource) when {{ context.input has count && context.input.count < 5 }};",
        'permit(principal, action == Action::"up/region", resource);',
        f'permit({TEAM}, action == Action::"read_resource", resource == Resource::"note://2");',
        f'permit({TEAM}, action == Action::"get_prompt", resource in Upstream::"up");',
    )
    assert await names(rig, "tools/list") == ["echo", "region"]
    assert await names(rig, "tools/list", "bob") == ["region"]
    assert await names(rig, "resources/list") == ["note://2"]
    assert await names(rig, "resources/list", "bob") == []
    assert await names(rig, "prompts/list") == ["greet"]
    assert await names(rig, "prompts/list", "bob") == []


async def test_a_filtered_list_is_for_one_caller_only() -> None:
    rig = governed("permit(principal, action, resource);")
    assert (await rig.modern("tools/list", user="alice").result())["cacheScope"] == "private"


async def test_what_is_hidden_answers_as_what_does_not_exist() -> None:
    rig = governed('permit(principal, action == Action::"up/region", resource);')
    hidden, absent = await rig.call("echo", {"text": 5}).error(), await rig.call("nope", {"text": 5}).error()
    assert hidden == {**absent, "message": absent["message"].replace("nope", "echo")}


async def test_a_denied_call_names_the_policies_and_never_reaches_the_upstream() -> None:
    rig = governed(
        "permit(principal, action, resource);",
        f'@id("few") forbid(principal, {ECHO}, resource) '
        "when { context.input has count && context.input.count > 5 };",
    )
    found, data = await code(rig.call("echo", {"count": 6}, user="alice"))
    assert (found, data["reason"], data["policies"]) == (40300, "policy_denied", ["few"])
    assert rig.terminal.calls == []
    await rig.call("echo", {"count": 5}, user="alice").result()
    assert [(line["decision"], line["policies"]) for line in rig.audit] == [("deny", ("few",)), ("allow", ("p0",))]


async def test_a_value_that_cannot_be_held_exactly_is_refused_and_recorded_as_such() -> None:
    rig = governed(
        "permit(principal, action, resource);",
        f"forbid(principal, {ECHO}, resource) when {{ context.input has count && context.input.count > 5 }};",
    )
    found, _ = await code(rig.call("echo", {"count": 2**63}, user="alice"))
    assert found == 40300
    (line,) = rig.audit
    assert line["decision"] == "error" and "represented exactly" in line["policy_failure"]


async def test_a_result_is_withheld_where_a_policy_says_so() -> None:
    rig = governed(
        "permit(principal, action, resource);",
        '@id("no-images") forbid(principal, action in Action::"call_tool", resource) '
        'when { context has output_info && context.output_info.kinds.contains("image") };',
    )
    rig.terminal.answers(
        "echo", {"resultType": "complete", "content": [{"type": "image", "data": "", "mimeType": "x"}]}
    )
    found, data = await code(rig.call("echo", user="alice"))
    assert (found, data["policies"]) == (40300, ["no-images"])
    assert len(rig.terminal.calls) == 1
    rig.terminal.answers("echo", {"resultType": "complete", "content": [{"type": "text", "text": "x"}]})
    assert "content" in await rig.call("echo", user="alice").result()
    assert [line["release"] for line in rig.audit] == ["deny", "allow"]


async def test_a_renamed_tool_keeps_its_permissions() -> None:
    server = composition(tools={"echo": {"name": "repeat"}})
    rig = Rig(server, policies=Policies(read := text(f"permit(principal, {ECHO}, resource);"), Compiled(read), False))
    assert await names(rig, "tools/list") == ["repeat"]
    await rig.call("repeat", user="alice").result()


async def test_the_hints_that_policies_read_are_the_compositions() -> None:
    server = composition(tools={"echo": {"annotations": {"readOnlyHint": True}}})
    read = text("permit(principal, action, resource) when { resource has read_only && resource.read_only };")
    rig = Rig(server, policies=Policies(read, Compiled(read), False))
    assert await names(rig, "tools/list") == ["echo"]


async def test_what_policies_read_is_what_the_upstream_gets() -> None:
    """Arguments by the upstream's names, with what the composition fixes."""
    server = composition(tools={"echo": {"arguments": {"count": {"value": 7}, "text": {"name": "words"}}}})
    read = text(
        f"permit(principal, {ECHO}, resource) when "
        "{ context.input has count && context.input.count == 7 }"
        'when { context.input has text && context.input.text == "a" };'
    )
    rig = Rig(server, policies=Policies(read, Compiled(read), False))
    await rig.call("echo", {"words": "a"}, user="alice").result()
    assert (await code(rig.call("echo", {"words": "b"}, user="alice")))[0] == 40300


async def test_in_audit_mode_everything_is_done_and_recorded() -> None:
    rig = governed(f'@id("none") forbid(principal, {ECHO}, resource) when {{ context.input has text }};', audit=True)
    await rig.call("echo", {"text": "x"}, user="alice").result()
    assert rig.audit[0]["decision"] == "would_deny" and rig.audit[0]["policies"] == ("none",)


async def test_a_policy_in_audit_mode_is_recorded_beside_the_decision() -> None:
    rig = governed(
        "permit(principal, action, resource);", f'@id("new") @mode("audit") forbid(principal, {ECHO}, resource);'
    )
    await rig.call("echo", user="alice").result()
    (line,) = rig.audit
    assert (line["decision"], line["would"], line["would_policies"]) == ("allow", "deny", ("new",))


async def test_the_handshake_era_is_decided_on_alike() -> None:
    rig = governed(f'permit({TEAM}, {ECHO}, resource) when {{ context.input has text && context.input.text == "a" }};')
    alice, bob = await opened(rig, user="alice"), await opened(rig, user="bob")
    assert [tool["name"] for tool in (await alice.request("tools/list").result())["tools"]] == ["echo"]
    assert (await bob.request("tools/list").result())["tools"] == []
    assert (await alice.call("echo", {"text": "b"}).error())["code"] == 40300
    assert (await bob.call("echo", {"text": "a"}).error())["code"] == -32602
    await alice.call("echo", {"text": "a"}).result()
    assert len(rig.terminal.calls) == 1


async def test_nobody_follows_a_resource_that_they_may_not_read() -> None:
    rig = governed(f'permit({TEAM}, action == Action::"read_resource", resource == Resource::"note://1");')
    wanted = {"notifications": {"resourceSubscriptions": ["note://1", "note://2"]}}
    exchange = rig.modern("subscriptions/listen", wanted, user="alice")
    await exchange.started()
    assert b'"resourceSubscriptions":["note://1"]' in exchange.body
    assert [uri for _, uri, _, _ in rig.watch.held] == ["note://1"]
    rig.closing.begin()
    await exchange.done()


async def test_what_a_reload_takes_away_is_not_told_any_more() -> None:
    both = f'permit({TEAM}, action == Action::"read_resource", resource);'
    rig = governed(both)
    session = await opened(rig, user="alice")
    await session.request("resources/subscribe", {"uri": "note://1"}).result()
    wanted = {"notifications": {"resourceSubscriptions": ["note://1", "note://2"]}}
    exchange = rig.modern("subscriptions/listen", wanted, user="alice")
    assert (await exchange.message())["method"] == "notifications/subscriptions/acknowledged"
    read = text(f'permit({TEAM}, action == Action::"read_resource", resource == Resource::"note://2");')
    rig.policies = Policies(read, Compiled(read), audit=False)
    rig.swap(desk())
    rig.watch.update("note://1")
    rig.watch.update("note://2")
    assert (await exchange.message())["params"]["uri"] == "note://2"
    rig.closing.begin()
    await exchange.done()


@pytest.mark.parametrize(
    ("ref", "seen"),
    [({"type": "ref/prompt", "name": "greet"}, True), ({"type": "ref/resource", "uri": "file:///{path}"}, False)],
)
async def test_completion_is_an_action_of_its_own(ref: dict[str, str], seen: bool) -> None:
    rig = governed(
        'permit(principal, action == Action::"complete", resource == Prompt::"up/greet");',
        'permit(principal, action == Action::"get_prompt", resource == Prompt::"up/greet");',
    )
    exchange = rig.modern("completion/complete", {"ref": ref, "argument": {"name": "who", "value": "a"}}, user="alice")
    if seen:
        await exchange.result()
        assert len(rig.terminal.calls) == 1
    else:
        assert (await code(exchange))[0] == -32602


async def test_an_admin_s_tags_are_there_for_policies_in_the_composition_that_gave_them() -> None:
    tagged = composition(tags=["outside"], tools={"echo": {"tags": ["money"]}})
    money = 'permit(principal, action, resource) when { resource.tags.contains("money") };'
    assert await names(governed(money, servers=(tagged,)), "tools/list") == ["echo"]
    assert await names(governed(money), "tools/list") == []
    outside = 'permit(principal, action in Action::"call_tool", resource) when { resource.tags.contains("outside") };'
    assert await names(governed(outside, servers=(tagged,)), "tools/list") == ["echo", "region"]
