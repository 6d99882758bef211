"""tools/call, prompts/get, resources/read, completion/complete: from an exposed name to what an upstream is asked."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.calls.kinds import Kind
from tests.ingress.agent import opened
from tests.ingress.rig import Rig, composition, desk, offer, tool


def asked(rig: Rig) -> list[tuple[str, str, str]]:
    return [(invocation.kind.value, invocation.upstream, invocation.target) for invocation in rig.terminal.calls]


async def test_a_tool_is_called_by_its_exposed_name_and_asked_by_its_own() -> None:
    rig = Rig(composition(tools={"echo": {"name": "say"}}))
    await rig.call("say", {"text": "hi"}).result()
    assert asked(rig) == [(Kind.TOOL, "up", "echo")]
    assert rig.terminal.calls[0].params == {"name": "echo", "arguments": {"text": "hi"}}
    assert (await rig.call("echo").error())["message"] == "Unknown tool: echo"


async def test_a_hidden_tool_answers_as_one_that_does_not_exist() -> None:
    rig = Rig()
    hidden, absent = rig.call("secret", id=1), rig.call("sekret", id=1)
    bodies = [(await exchange.done()).body.replace(b"sekret", b"secret") for exchange in (hidden, absent)]
    assert bodies[0] == bodies[1] and hidden.status == absent.status == 400
    assert (await hidden.error())["code"] == -32602
    assert rig.terminal.calls == []


async def test_the_name_in_the_message_is_cut_short() -> None:
    assert len((await Rig().call("x" * 5_000).error())["message"]) < 100


@pytest.mark.parametrize("method", ["tools/call", "prompts/get", "resources/read"])
@pytest.mark.parametrize("value", [None, 5, [], {}])
async def test_a_name_is_a_string(method: str, value: Any) -> None:
    rig = Rig()
    agent = await opened(rig)
    assert (await agent.request(method, {"name": value, "uri": value}).error())["code"] == -32602
    assert rig.terminal.calls == []


async def test_a_prompt_is_asked_by_its_own_name() -> None:
    rig = Rig()
    await rig.modern("prompts/get", {"name": "greet", "arguments": {"who": "me"}}).result()
    assert asked(rig) == [(Kind.PROMPT, "up", "greet")]
    error = await rig.modern("prompts/get", {"name": "bye"}).error()
    assert (error["code"], error["message"]) == (-32602, "Unknown prompt: bye")


@pytest.mark.parametrize("uri", ["note://1", "file:///a"])
async def test_a_resource_is_read_where_it_is_listed_or_where_a_template_admits_it(uri: str) -> None:
    rig = Rig()
    await rig.modern("resources/read", {"uri": uri}).result()
    assert asked(rig) == [(Kind.RESOURCE, "up", uri)] and rig.terminal.calls[0].params == {"uri": uri}


@pytest.mark.parametrize("uri", ["note://3", "", "file:///../etc", "NOTE://1", "file:///a/b"])
async def test_a_resource_that_nobody_serves_is_named_in_the_error(uri: str) -> None:
    rig = Rig()
    error = await (await opened(rig)).request("resources/read", {"uri": uri}).error()
    assert error["code"] == -32602 and error["data"] == {"uri": uri} and rig.terminal.calls == []


@pytest.mark.parametrize(
    ("ref", "target"),
    [
        ({"type": "ref/prompt", "name": "greet", "title": "x"}, "greet"),
        ({"type": "ref/resource", "uri": "file:///{path}"}, "file:///{path}"),
        ({"type": "ref/resource", "uri": "note://1"}, "note://1"),
    ],
)
async def test_completion_asks_the_source_of_the_reference(ref: dict[str, Any], target: str) -> None:
    rig = Rig()
    argument = {"name": "who", "value": "m"}
    await rig.modern("completion/complete", {"ref": ref, "argument": argument, "context": {"arguments": {}}}).result()
    assert asked(rig) == [(Kind.COMPLETION, "up", target)]
    assert rig.terminal.calls[0].params == {"ref": ref, "argument": argument, "context": {"arguments": {}}}


@pytest.mark.parametrize(
    "ref",
    [
        None,
        "ref/prompt",
        {},
        {"type": "ref/tool", "name": "echo"},
        {"type": "ref/prompt"},
        {"type": "ref/prompt", "name": "none"},
        {"type": "ref/resource"},
        {"type": "ref/resource", "uri": "none://"},
        {"type": "ref/resource", "uri": 5},
    ],
)
async def test_references_to_nothing_are_refused(ref: Any) -> None:
    rig = Rig()
    params = {"ref": ref, "argument": {"name": "who", "value": ""}}
    assert (await rig.modern("completion/complete", params).error())["code"] == -32602
    assert rig.terminal.calls == []


@pytest.mark.parametrize(
    ("arguments", "header"),
    [
        ({"where": "eu"}, "eu"),
        ({"where": "ünï"}, "=?base64?w7xuw68=?="),
        ({"where": "a\r\nX-Evil: 1"}, "=?base64?YQ0KWC1FdmlsOiAx?="),
        ({"where": "=?base64?x?="}, "=?base64?PT9iYXNlNjQ/eD89?="),
        ({}, None),
    ],
)
async def test_a_mirrored_argument_and_its_header_agree(arguments: dict[str, Any], header: str | None) -> None:
    rig = Rig()
    await rig.call("region", arguments, headers={"mcp-param-region": header} if header is not None else {}).result()
    assert rig.terminal.calls[0].params["arguments"] == arguments


@pytest.mark.parametrize(
    ("arguments", "header"),
    [
        ({"where": "eu"}, None),
        ({"where": "eu"}, "us"),
        ({"where": "eu"}, "EU"),
        ({"where": "eu"}, "=?base64?!?="),
        ({}, "eu"),
        ({"where": None}, "eu"),
    ],
)
async def test_where_they_do_not_the_call_goes_nowhere(arguments: dict[str, Any], header: str | None) -> None:
    rig = Rig()
    exchange = rig.call("region", arguments, headers={"mcp-param-region": header} if header is not None else {})
    assert (await exchange.error())["code"] == -32020 and exchange.status == 400
    assert rig.terminal.calls == []


async def test_unknown_parameter_headers_are_nobodys_business() -> None:
    await Rig().call("echo", {"text": "x"}, headers={"mcp-param-region": "eu", "mcp-param-text": "y"}).result()


async def test_the_handshake_era_has_no_parameter_headers() -> None:
    await (await opened(Rig())).call("region", {"where": "eu"}).result()


async def test_what_is_not_offered_has_no_methods() -> None:
    rig = Rig(inventories=[offer("up", [tool("echo")], capabilities={"tools": {}})])
    agent = await opened(rig)
    for method in ("prompts/list", "prompts/get", "resources/list", "resources/read", "completion/complete"):
        modern = rig.modern(method, {"name": "x", "uri": "x"})
        assert (await modern.error())["code"] == -32601 and modern.status == 404
        assert (await agent.request(method).error())["code"] == -32601
    assert set((await rig.modern("server/discover").result())["capabilities"]) == {"tools"}


async def test_discover_says_what_is_served() -> None:
    rig = Rig(inventories=[desk()])
    result = await rig.modern("server/discover").result()
    assert result["supportedVersions"][0] == "2026-07-28" and "2025-03-26" in result["supportedVersions"]
    assert {"tools", "prompts", "resources", "completions", "logging"} == set(result["capabilities"])
    assert isinstance(result["ttlMs"], int) and result["ttlMs"] >= 0 and result["cacheScope"] in {"public", "private"}


@pytest.mark.parametrize("modern", [True, False])
@pytest.mark.parametrize("key", ["Name", "ARGUMENTS", "URI", "RequestState"])
async def test_params_that_another_reader_could_confuse_reach_nobody(key: str, modern: bool) -> None:
    rig = Rig()
    params = {"name": "echo", "arguments": {}, key: "admin"}
    exchange = rig.modern("tools/call", params) if modern else (await opened(rig)).request("tools/call", params)
    assert (await exchange.error())["code"] == -32602 and rig.terminal.calls == []
