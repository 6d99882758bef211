"""What is said about a request, on the wire of both eras: required, refused by name, recorded, and used."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_gateway.core.metadata import META_KEY
from mcp_gateway.envelopes.policy.cedar.compiled import Compiled
from mcp_gateway.govern import Policies
from mcp_gateway.settings.virtual_servers import VirtualServerSettings
from tests.envelopes.policy.cedar.making import text
from tests.ingress.agent import opened
from tests.ingress.rig import Rig, composition

CONTRACT: dict[str, Any] = {
    "keys": {
        "team": {"required": True},
        "environment": {"allowed": ["production", "staging"]},
        "ticket_id": {"pattern": "[A-Z]+-[0-9]+"},
    }
}
SAID = {"team": "payments", "environment": "staging"}
CANARY = "canary-7f3a"

COVERED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("tools/call", {"name": "echo", "arguments": {}}),
    ("prompts/get", {"name": "greet"}),
    ("resources/read", {"uri": "note://1"}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "who", "value": ""}}),
)
NOT_COVERED = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")


class Caller:
    """A client of either era that says something by a header, in `_meta`, or in both."""

    def __init__(self, rig: Rig, modern: bool, user: str = "alice") -> None:
        self.rig = rig
        self.modern = modern
        self.user = user

    async def ask(
        self, method: str, params: dict[str, Any], *, said: object = None, told: object = None, **headers: str
    ) -> Any:
        if said is not None:
            headers = {"x_tfy_metadata": said if isinstance(said, str) else json.dumps(said), **headers}
        meta = {} if told is None else {META_KEY: told}
        if self.modern:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return self.rig.modern(method, params, user=self.user, meta=meta, headers=named)
        agent = await opened(self.rig, user=self.user)
        return agent.request(method, {**params, "_meta": meta} if meta else params, **headers)

    async def echo(self, **options: Any) -> Any:
        return await self.ask("tools/call", {"name": "echo", "arguments": {}}, **options)


@pytest.fixture(params=[True, False], ids=["modern", "handshake"])
def modern(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def refused(exchange: Any) -> dict[str, Any]:
    error: dict[str, Any] = await exchange.error()
    assert error["code"] == 40302 and error["data"]["reason"] == "metadata_required" and error["data"]["requestId"]
    assert exchange.status == 200 and CANARY not in json.dumps(error)
    return error


@pytest.mark.parametrize(("method", "params"), COVERED)
async def test_what_is_required_is_asked_of_every_request_that_is_decided_on(
    modern: bool, method: str, params: dict[str, Any]
) -> None:
    rig = Rig(metadata=CONTRACT)
    caller = Caller(rig, modern)
    error = await refused(await caller.ask(method, params))
    assert error["message"] == "metadata: `team` is required" and error["data"]["metadata"] == ["team"]
    assert rig.terminal.calls == []
    await (await caller.ask(method, params, said=SAID)).result()
    await (await caller.ask(method, params, told=SAID)).result()
    assert [dict(each.call.metadata) for each in rig.terminal.calls] == [SAID, SAID]


async def test_lists_and_handshakes_need_none_and_never_look(modern: bool) -> None:
    rig = Rig(metadata=CONTRACT)
    caller = Caller(rig, modern)
    for method in NOT_COVERED:
        await (await caller.ask(method, {})).result()
        await (await caller.ask(method, {}, said="no JSON")).result()
    if not modern:
        await (await opened(rig)).request("ping").result()


@pytest.mark.parametrize(
    ("said", "words", "fault"),
    [
        (CANARY, "X-TFY-METADATA must be a JSON object of strings: not valid JSON at byte", "X-TFY-METADATA"),
        (f'{{"team": "{CANARY}", "team": "x"}}', "duplicate object key", "X-TFY-METADATA"),
        ({**SAID, CANARY: 1}, "strings of at most 128 characters", "X-TFY-METADATA"),
        ({**SAID, "x": CANARY * 12}, "strings of at most 128 characters", "X-TFY-METADATA"),
        ({**SAID, "environment": CANARY}, "`environment` must be one of production, staging", "environment"),
        ({**SAID, "ticket_id": CANARY}, "`ticket_id` must be of the form [A-Z]+-[0-9]+", "ticket_id"),
    ],
)
async def test_a_refusal_says_what_is_expected_and_nothing_of_what_came(
    modern: bool, said: object, words: str, fault: str
) -> None:
    rig = Rig(metadata=CONTRACT)
    error = await refused(await Caller(rig, modern).echo(said=said))
    assert words in error["message"] and fault in error["data"]["metadata"]
    assert rig.terminal.calls == []
    line = rig.audit[-1]
    assert (line["outcome"], line["reason"]) == ("refused", "metadata_required") and fault in line["metadata_faults"]
    assert CANARY not in json.dumps(rig.lines.records)


async def test_all_that_is_wrong_is_said_at_once(modern: bool) -> None:
    error = await refused(await Caller(Rig(metadata=CONTRACT), modern).echo(said={"environment": "prod"}))
    assert error["data"]["metadata"] == ["team", "environment"] and error["message"].count(";") == 1


async def test_the_other_header_is_the_same_and_two_have_to_agree(modern: bool) -> None:
    rig = Rig(metadata=CONTRACT)
    caller = Caller(rig, modern)
    await (await caller.echo(x_gateway_metadata=json.dumps(SAID))).result()
    await (await caller.echo(said=SAID, x_gateway_metadata=json.dumps(SAID))).result()
    await refused(await caller.echo(said=SAID, x_gateway_metadata='{"team": "x"}'))
    assert len(rig.terminal.calls) == 2


async def test_the_header_and_meta_add_up_and_must_not_contradict(modern: bool) -> None:
    rig = Rig(metadata=CONTRACT)
    caller = Caller(rig, modern)
    await (await caller.echo(said={"team": "a"}, told={"team": "a", "ticket_id": "A-1"})).result()
    assert dict(rig.terminal.calls[0].call.metadata) == {"team": "a", "ticket_id": "A-1"}
    error = await refused(await caller.echo(said={"team": "a"}, told={"team": "b"}))
    assert "must not contradict" in error["message"]


async def test_in_audit_mode_everything_is_done_and_what_would_be_refused_is_recorded_and_counted(modern: bool) -> None:
    rig = Rig(metadata={**CONTRACT, "mode": "audit"})
    caller = Caller(rig, modern)
    await (await caller.echo()).result()
    await (await caller.echo(said={"team": "a", "environment": "prod"}, told={"team": "b"})).result()
    await (await caller.echo(said="no JSON")).result()
    assert [dict(each.call.metadata) for each in rig.terminal.calls] == [{}, {"team": "a", "environment": "prod"}, {}]
    lines = [line for line in rig.audit if line["method"] == "tools/call"]
    assert [line["would_metadata_faults"] for line in lines] == [
        ("team",),
        ("_meta", "environment"),
        ("X-TFY-METADATA", "team"),
    ]
    tallies = rig.standing.metadata_tallies
    assert tallies.would_refuse[("desk", "team")] == 2 and not tallies.refused


async def test_refusals_are_counted_by_what_is_at_fault() -> None:
    rig = Rig(metadata=CONTRACT)
    await refused(await Caller(rig, True).echo())
    assert rig.standing.metadata_tallies.refused == {("desk", "team"): 1}


async def test_the_record_has_the_keys_that_are_configured_and_no_others(modern: bool) -> None:
    rig = Rig(metadata={**CONTRACT, "stamp": [{"set": {"cost_center": "core"}}]})
    said = {"team": "pay\u202eroll", "note": CANARY}
    await (await Caller(rig, modern).echo(said=said)).result()
    assert rig.audit[-1]["metadata"] == {"team": "pay\\u202eroll", "cost_center": "core"}
    assert CANARY not in json.dumps(rig.lines.records)


async def test_identity_outranks_what_the_caller_claims(modern: bool) -> None:
    stamp = [{"when": {"subjects": ["user:alice"]}, "set": {"team": "hers"}}]
    rig = Rig(metadata={**CONTRACT, "stamp": stamp})
    await (await Caller(rig, modern).echo()).result()
    await (await Caller(rig, modern).echo(said={"team": "mine"})).result()
    await (await Caller(rig, modern, "bob").echo(said={"team": "mine"})).result()
    assert [each.call.metadata["team"] for each in rig.terminal.calls] == ["hers", "hers", "mine"]


async def test_it_ends_at_the_gateway(modern: bool) -> None:
    rig = Rig()
    await (await Caller(rig, modern).echo(told=SAID, said=SAID)).result()
    assert rig.terminal.calls[0].meta == {}


async def test_without_a_contract_it_is_read_all_the_same(modern: bool) -> None:
    rig = Rig()
    await (await Caller(rig, modern).echo(said={"a": "x"})).result()
    assert dict(rig.terminal.calls[0].call.metadata) == {"a": "x"} and "metadata" not in rig.audit[-1]
    await refused(await Caller(rig, modern).echo(said='{"a": 1}'))


async def test_each_message_of_a_batch_is_about_the_same_header() -> None:
    rig = Rig(metadata=CONTRACT)
    agent = await opened(rig, "2025-03-26")
    calls = [
        {"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": {"name": "echo", "arguments": {}}} for n in (1, 2)
    ]
    calls[1]["params"]["_meta"] = {META_KEY: {"team": "other"}}  # type: ignore[index]  # a dict in a dict
    exchange = await agent.post(calls, x_tfy_metadata=json.dumps(SAID)).done()
    assert [("result" in each, each.get("error", {}).get("code")) for each in json.loads(exchange.body)] == [
        (True, None),
        (False, 40302),
    ]


# ---------------------------------------------------------------- who reads it


def governed(*policies: str, **options: Any) -> Rig:
    read = text(*policies)
    return Rig(policies=Policies(read, Compiled(read), False), metadata=CONTRACT, **options)


async def test_policies_read_it_and_lists_are_filtered_without_it(modern: bool) -> None:
    rig = governed(
        'permit(principal, action == Action::"up/echo", resource) '
        'when { context.metadata has environment && context.metadata.environment == "staging" };',
    )
    caller = Caller(rig, modern)
    listed = await (await caller.ask("tools/list", {})).result()
    assert [tool["name"] for tool in listed["tools"]] == ["echo"]
    await (await caller.echo(said=SAID)).result()
    denied = await (await caller.echo(said={**SAID, "environment": "production"})).error()
    assert denied["code"] == 40300
    assert (await (await caller.echo(said={"team": "a"})).error())["code"] == 40300


async def test_what_identity_says_is_there_for_policies() -> None:
    read = text('permit(principal, action, resource) when { context.metadata has c && context.metadata.c == "core" };')
    stamp = [{"when": {"subjects": ["user:alice"]}, "set": {"c": "core"}}]
    rig = Rig(policies=Policies(read, Compiled(read), False), metadata={"stamp": stamp})
    await (await Caller(rig, True).echo()).result()
    assert (await (await Caller(rig, True, "bob").echo()).error())["code"] == 40300


async def test_a_policy_that_is_asked_about_the_result_reads_it_too() -> None:
    rig = governed(
        "permit(principal, action, resource);",
        "forbid(principal, action, resource) when { context has output_info && "
        'context.metadata has environment && context.metadata.environment == "production" };',
    )
    await (await Caller(rig, True).echo(said=SAID)).result()
    error = await (await Caller(rig, True).echo(said={**SAID, "environment": "production"})).error()
    assert error["code"] == 40300 and len(rig.terminal.calls) == 2


NOT_IN_PRODUCTION = (
    "permit(principal, action, resource);",
    'forbid(principal, action == Action::"read_resource", resource) '
    'when { context.metadata has environment && context.metadata.environment == "production" };',
)


async def test_who_follows_a_resource_says_as_much_as_who_reads_it() -> None:
    rig = governed(*NOT_IN_PRODUCTION)
    agent = await opened(rig, user="alice")
    wanted = {"uri": "note://1"}
    await refused(agent.request("resources/subscribe", wanted))
    denied = agent.request(
        "resources/subscribe", wanted, x_tfy_metadata=json.dumps({**SAID, "environment": "production"})
    )
    assert (await denied.error())["code"] == -32602
    await agent.request("resources/subscribe", wanted, x_tfy_metadata=json.dumps(SAID)).result()
    await agent.request("resources/unsubscribe", wanted).result()


async def test_who_listens_for_lists_only_need_not_say_anything() -> None:
    rig = governed(*NOT_IN_PRODUCTION)
    await refused(rig.modern("subscriptions/listen", {"notifications": {"resourceSubscriptions": ["note://1"]}}))
    listening = rig.modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    await listening.started()
    assert b"notifications/subscriptions/acknowledged" in listening.body
    rig.closing.begin()
    await listening.done()


def limited(*rules: dict[str, Any], **options: Any) -> Rig:
    given = [{"id": f"r{number}", "limit": 1, "unit": "calls_per_hour", **rule} for number, rule in enumerate(rules)]
    spec = composition(**options).model_dump(exclude_unset=True, by_alias=True) | {"rate_limits": given}
    return Rig(VirtualServerSettings.model_validate(spec))


async def test_each_value_has_a_pool(modern: bool) -> None:
    caller = Caller(limited({"per": ["metadata.team"]}), modern)
    for team in ("a", "b"):
        await (await caller.echo(said={"team": team})).result()
        assert (await (await caller.echo(said={"team": team})).error())["code"] == 42900
    await (await caller.echo()).result()
    assert (await (await caller.echo(said={"other": "x"})).error())["code"] == 42900


async def test_a_limit_may_be_about_one_value(modern: bool) -> None:
    caller = Caller(limited({"when": {"metadata": {"environment": "production"}}}), modern)
    for _ in range(3):
        await (await caller.echo(said=SAID)).result()
    await (await caller.echo(told={"environment": "production"})).result()
    error = await (await caller.echo(said={"environment": "production"})).error()
    assert (error["code"], error["data"]["limit"]) == (42900, "r0")


async def test_an_argument_may_be_bound_to_it(modern: bool) -> None:
    server = composition(tools={"echo": {"arguments": {"text": {"from": "metadata.ticket_id"}}}})
    rig = Rig(server)
    caller = Caller(rig, modern)
    await (await caller.echo(said={"ticket_id": "A-1"})).result()
    assert rig.terminal.calls[0].params["arguments"] == {"text": "A-1"}
    missing = await (await caller.echo()).result()
    assert missing["isError"] and "filled from metadata.ticket_id" in missing["content"][0]["text"]
    assert len(rig.terminal.calls) == 1
