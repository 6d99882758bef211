"""Guardrails on the wire, in both eras: what is blocked, what is rewritten, and what is told of it."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.core.errors import ConfigurationError, Forbidden, Rejected
from mcp_gateway.envelopes.policy.cedar.compiled import Compiled
from mcp_gateway.envelopes.safety.detectors.regex import Regex
from mcp_gateway.envelopes.safety.scan import redact, scan
from mcp_gateway.envelopes.safety.verdict import Action
from mcp_gateway.govern import Policies
from mcp_gateway.settings.documents import Document
from mcp_gateway.settings.guardrails import GuardrailsSettings
from tests.envelopes.policy.cedar.making import text
from tests.ingress.agent import opened
from tests.ingress.rig import Rig, desk, offer, tool

PRE, POST = "mcp_tool_pre_invoke_guardrails", "mcp_tool_post_invoke_guardrails"
MAIL = "alice@example.com"
HEADER = "X-TFY-GUARDRAILS"


def instance(name: str = "mail", **changes: Any) -> dict[str, Any]:
    """A guardrail that finds e-mail addresses."""
    return {"name": name, "type": "regex", "config": {"presets": ["email"]}, **changes}


def spec(*instances: dict[str, Any], pre: Any = ("g/mail",), post: Any = ("g/mail",), **rule: Any) -> dict[str, Any]:
    return {
        "groups": [{"name": "g", "guardrails": list(instances or (instance(),))}],
        "rules": [{"id": "r", PRE: list(pre), POST: list(post), **rule}],
    }


@asynccontextmanager
async def guarded(guardrails: dict[str, Any], **options: Any) -> AsyncIterator[Rig]:
    rig = Rig(**options)
    model = GuardrailsSettings.model_validate(guardrails)
    rig.settings = replace(rig.settings, guardrails=Document(Path("guardrails.yaml"), b"", None, model))
    try:
        rig.swap(*(options.get("inventories") or (desk(),)))
        yield rig
    finally:
        await rig.standing.safeguard.close()


async def blocked(exchange: Any, name: str = "g/mail") -> str:
    error = await exchange.error()
    assert (error["code"], error["data"]["reason"], error["data"]["guardrail"]) == (40301, "guardrail_blocked", name)
    assert MAIL not in json.dumps(error)
    message: str = error["message"]
    return message


def noted(rig: Rig) -> list[tuple[str, str, str]]:
    return [(each["name"], each["verdict"], each["action"]) for each in rig.audit[-1].get("guardrails", ())]


CALLS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    (
        "echo",
        "tools/call",
        {"name": "echo", "arguments": {"text": MAIL}},
        {"content": [{"type": "text", "text": MAIL}]},
    ),
    ("note://1", "resources/read", {"uri": "note://1"}, {"contents": [{"uri": "note://1", "text": MAIL}]}),
    (
        "greet",
        "prompts/get",
        {"name": "greet", "arguments": {"who": MAIL}},
        {"messages": [{"role": "user", "content": {"type": "text", "text": MAIL}}]},
    ),
    (
        "greet",
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "who", "value": MAIL}},
        {"completion": {"values": [MAIL]}},
    ),
]


@pytest.mark.parametrize("modern", [True, False])
@pytest.mark.parametrize(("target", "method", "params", "result"), CALLS)
async def test_the_same_payload_has_the_same_verdict_at_every_door(
    modern: bool, target: str, method: str, params: dict[str, Any], result: dict[str, Any]
) -> None:
    async with guarded(spec(pre=())) as rig:
        rig.terminal.answers(target, {"resultType": "complete", **result})
        agent: Any = rig if modern else await opened(rig)
        ask = rig.modern if modern else agent.request
        assert "withheld" in await blocked(ask(method, params))
        assert noted(rig) == [("g/mail", "deny", "block")]
    async with guarded(spec(post=())) as rig:
        agent = rig if modern else await opened(rig)
        ask = rig.modern if modern else agent.request
        if method != "resources/read":
            assert "request is blocked" in await blocked(ask(method, params))
            assert rig.terminal.calls == []


@pytest.mark.parametrize("mode", ["audit", "enforce_but_ignore_on_error", "enforce"])
@pytest.mark.parametrize("operation", ["validate", "mutate"])
async def test_the_phases_of_a_roll_out(mode: str, operation: str) -> None:
    async with guarded(spec(instance(mode=mode, operation=operation), post=())) as rig:
        exchange = rig.call("echo", {"text": f"to {MAIL}"})
        action = "allow" if mode == "audit" else "block" if operation == "validate" else "mutate"
        if action == "block":
            await blocked(exchange)
            assert rig.terminal.calls == []
        else:
            await exchange.result()
            left = f"to {MAIL}" if action == "allow" else "to [EMAIL]"
            assert rig.terminal.calls[0].params["arguments"] == {"text": left}
        assert noted(rig) == [("g/mail", "deny", action)]
        ((key, count),) = rig.standing.safeguard.tallies.judged.items()
        assert (key[0], key[3], count) == ("g/mail", Action(action), 1)


async def test_the_record_counts_findings_by_kind_and_holds_none() -> None:
    async with guarded(spec(instance(operation="mutate"))) as rig:
        rig.terminal.answers("echo", {"content": [{"type": "text", "text": f"{MAIL} and {MAIL}"}]})
        result = await rig.call("echo", {"text": "x"}).result()
        assert result["content"] == [{"type": "text", "text": "[EMAIL] and [EMAIL]"}]
        assert rig.audit[-1]["guardrails"][-1]["findings"] == {"email": 2}
        assert MAIL not in json.dumps(rig.lines.records)


# ------------------------------------------------------------------ the header


async def test_a_header_adds_to_the_rules_and_never_removes() -> None:
    named = json.dumps({POST: ["g/mail"], PRE: []})
    for name in (HEADER, "X-Gateway-Guardrails"):
        async with guarded(spec(post=())) as rig:
            rig.terminal.answers("echo", {"content": [{"type": "text", "text": MAIL}]})
            await rig.call("echo", {"text": "x"}).result()
            await blocked(rig.call("echo", {"text": "x"}, headers={name: named}))
            await blocked(rig.call("echo", {"text": MAIL}, headers={name: named}))


async def test_a_bundled_guardrail_is_named_by_a_header_without_being_declared() -> None:
    async with guarded({}) as rig:
        rig.terminal.answers("echo", {"content": [{"type": "text", "text": f"mail {MAIL}"}]})
        header = json.dumps({POST: ["global/pii-redaction"]})
        result = await rig.call("echo", headers={HEADER: header}).result()
        assert MAIL not in json.dumps(result)
        agent = await opened(rig)
        result = await agent.call("echo", x_tfy_guardrails=header).result()
        assert MAIL not in json.dumps(result)


@pytest.mark.parametrize("modern", [True, False])
async def test_a_header_with_an_unknown_name_is_refused_with_those_that_are_known(modern: bool) -> None:
    async with guarded({}) as rig:
        header = json.dumps({PRE: ["global/pii-redactoin"]})
        agent: Any = rig if modern else await opened(rig)
        exchange = rig.call("echo", headers={HEADER: header}) if modern else agent.call("echo", x_tfy_guardrails=header)
        error = await exchange.error()
        assert error["code"] == -32602 and "global/pii-redactoin; known are: global/cedar" not in error["message"]
        assert "global/pii-redaction" in error["message"]
        assert exchange.status == (400 if modern else 200)
        assert rig.terminal.calls == []


async def test_without_guardrails_a_request_that_asks_for_some_is_refused() -> None:
    rig = Rig()
    error = await rig.call("echo", headers={HEADER: "{}"}).error()
    assert error["code"] == -32602 and "none configured" in error["message"]
    await rig.call("echo").result()


# ------------------------------------------------------------------ what is rewritten


async def test_rewritten_arguments_go_through_the_door_again() -> None:
    read = text(
        "permit(principal, action, resource);",
        '@id("no-placeholders") forbid(principal, action == Action::"up/echo", resource) '
        'when { context.input has text && context.input.text like "*EMAIL*" };',
    )
    async with guarded(spec(instance(operation="mutate")), policies=Policies(read, Compiled(read), False)) as rig:
        await rig.call("echo", {"text": "x"}).result()
        error = await rig.call("echo", {"text": MAIL}).error()
        assert (error["code"], error["data"]["policies"]) == (40300, ["no-placeholders"])
        assert len(rig.terminal.calls) == 1


async def test_rewritten_arguments_must_fit_the_tool() -> None:
    strict = tool("echo", {"text": {"type": "string", "pattern": "^[a-z@.]+$"}})
    async with guarded(spec(instance(operation="mutate")), inventories=(offer("up", (strict,)),)) as rig:
        assert "does not fit the tool" in await blocked(rig.call("echo", {"text": MAIL}))
        assert rig.terminal.calls == []


@pytest.mark.parametrize("fits", [True, False])
async def test_a_rewritten_result_keeps_its_schema_or_is_withheld(fits: bool) -> None:
    pattern = ".*" if fits else "@"
    shape = {"type": "object", "properties": {"mail": {"type": "string", "pattern": pattern}}, "required": ["mail"]}
    async with guarded(
        spec(instance(operation="mutate")), inventories=(offer("up", (tool("echo", outputSchema=shape),)),)
    ) as rig:
        rig.terminal.answers("echo", {"content": [], "structuredContent": {"mail": MAIL}})
        if fits:
            assert (await rig.call("echo").result())["structuredContent"] == {"mail": "[EMAIL]"}
        else:
            assert "does not fit the tool's schema" in await blocked(rig.call("echo"))


@pytest.mark.parametrize(
    "content",
    [
        {"structuredContent": {MAIL: 1}},
        {"content": [{"type": "resource_link", "uri": f"mailto:{MAIL}", "name": "x"}]},
        {"content": [{"type": "image", "data": base64.b64encode(b"\xff" + MAIL.encode()).decode()}]},
    ],
)
async def test_what_stands_where_nothing_can_be_rewritten_is_blocked(content: dict[str, Any]) -> None:
    async with guarded(spec(instance(operation="mutate"))) as rig:
        rig.terminal.answers("echo", {"content": [], **content})
        await blocked(rig.call("echo"))


async def test_text_in_a_blob_is_rewritten_within_it() -> None:
    async with guarded(spec(instance(operation="mutate"))) as rig:
        blob = base64.b64encode(f"to {MAIL}".encode()).decode()
        rig.terminal.answers("note://1", {"contents": [{"uri": "note://1", "blob": blob}]})
        result = await rig.modern("resources/read", {"uri": "note://1"}).result()
        assert base64.b64decode(result["contents"][0]["blob"]) == b"to [EMAIL]"


@given(st.lists(st.text(max_size=12) | st.just(f"x {MAIL}"), max_size=6))
def test_redaction_never_breaks_json_in_a_text(texts: list[str]) -> None:
    left = redacted(json.dumps({"rows": texts}))
    assert len(json.loads(left)["rows"]) == len(texts)
    assert MAIL not in left
    assert redacted(left) == left


def redacted(given_text: str) -> str:
    detector = Regex.of({"presets": ["email"]})
    return redact(given_text, scan(given_text, (detector,)))


# ------------------------------------------------------------------ errors, notifications, questions


async def test_an_error_of_the_upstream_is_looked_at_too() -> None:
    async with guarded(spec(instance(operation="mutate"))) as rig:
        rig.terminal.fails("echo", Rejected(-32000, f"no {MAIL}", {"who": MAIL}, status=200, upstream="up"))
        error = await rig.call("echo").error()
        assert (error["code"], error["message"], error["data"]) == (-32000, "no [EMAIL]", {"who": "[EMAIL]"})
    async with guarded(spec()) as rig:
        rig.terminal.fails("echo", Rejected(-32000, "no", {"who": MAIL}, upstream="up"))
        await blocked(rig.call("echo"))


async def test_an_error_of_the_gateway_passes_as_it_is() -> None:
    async with guarded(spec()) as rig:
        rig.terminal.fails("echo", Forbidden("denied", policies=["p"]))
        assert (await rig.call("echo").error())["code"] == 40300


@pytest.mark.parametrize("operation", ["validate", "mutate"])
async def test_notifications_keep_their_order_and_lose_what_is_found(operation: str) -> None:
    async with guarded(spec(instance(operation=operation))) as rig:

        async def script(invocation: Invocation) -> Result:
            for number, words in enumerate(("one", f"two {MAIL}", "three")):
                params = {"progressToken": 7, "progress": number, "message": words}
                invocation.call.link.notify("notifications/progress", params)
            invocation.call.link.notify("notifications/message", {"level": "info", "data": {"to": MAIL}})
            return {"resultType": "complete", "content": []}

        rig.terminal.scripts["echo"] = script
        messages = await rig.modern(
            "tools/call", {"name": "echo", "arguments": {}}, meta={"progressToken": 7}
        ).messages()
        told = [message["params"] for message in messages if "method" in message]
        words = [params.get("message", params.get("data")) for params in told]
        assert words == (
            ["one", "three"] if operation == "validate" else ["one", "two [EMAIL]", "three", {"to": "[EMAIL]"}]
        )
        assert all(params.get("progressToken", 7) == 7 for params in told)
        assert "result" in messages[-1]


async def test_a_question_of_the_upstream_and_its_answer_are_looked_at() -> None:
    async with guarded(spec(instance(operation="mutate"))) as rig:
        answers: list[Any] = []

        async def script(invocation: Invocation) -> Result:
            answers.append(await invocation.call.link.ask("elicitation/create", {"message": f"Is it {MAIL}?"}))
            return {"resultType": "complete", "content": []}

        rig.terminal.scripts["echo"] = script
        agent = await opened(rig, capabilities={"elicitation": {}})
        exchange = agent.call("echo", id=5)
        asked = await exchange.message()
        assert asked["params"] == {"message": "Is it [EMAIL]?"}
        await agent.answer(asked["id"], {"action": "accept", "content": {"mail": MAIL}}).done()
        await exchange.done()
        assert answers == [{"action": "accept", "content": {"mail": "[EMAIL]"}}]


async def test_a_question_in_a_result_is_looked_at_and_its_state_left_alone() -> None:
    async with guarded(spec(instance(operation="mutate"))) as rig:
        question = {"method": "elicitation/create", "params": {"mode": "form", "message": f"Is it {MAIL}?"}}
        rig.terminal.answers(
            "echo", {"resultType": "input_required", "inputRequests": {"k": question}, "requestState": MAIL}
        )
        result = await rig.modern(
            "tools/call",
            {"name": "echo", "arguments": {}},
            meta={"io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}}},
        ).result()
        assert result["inputRequests"]["k"]["params"]["message"] == "Is it [EMAIL]?"
        again = {"name": "echo", "arguments": {}, "requestState": result["requestState"]}
        await rig.modern("tools/call", {**again, "inputResponses": {"k": {"action": "decline"}}}).result()
        assert rig.terminal.calls[-1].params["requestState"] == MAIL


# ------------------------------------------------------------------ policies as guardrails


async def test_a_policy_of_its_own_is_a_guardrail() -> None:
    policy = (
        '@id("few") permit(principal, action, resource) unless { context.input has count && context.input.count > 5 };'
    )
    cedar = {"name": "mail", "type": "cedar", "config": {"policy": policy}}
    async with guarded(spec(cedar, post=())) as rig:
        await rig.call("echo", {"count": 5}).result()
        await blocked(rig.call("echo", {"count": 6}))
        assert "decision" not in rig.audit[-1]


async def test_the_bundled_policy_guardrail_asks_the_policies_of_the_gateway() -> None:
    read = text('permit(principal, action == Action::"up/echo", resource);')
    rules = spec(pre=("global/cedar-permissions",), post=())
    async with guarded(rules, policies=Policies(read, Compiled(read), True)) as rig:
        await rig.call("echo").result()
        await blocked(rig.call("region"), "global/cedar-permissions")


async def test_a_text_that_is_no_policy_is_refused_when_it_is_loaded() -> None:
    with pytest.raises(ConfigurationError):
        async with guarded(spec({"name": "mail", "type": "cedar", "config": {"policy": "permit("}})):
            pass
