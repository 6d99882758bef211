"""The ladder of checks of the modern era, rung by rung (2026-07-28: transports, basic, versioning)."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.ingress.asgi import Exchange
from tests.ingress.rig import META, Rig, modern_headers, modern_request

VERSION = META + "protocolVersion"
CAPABILITIES = META + "clientCapabilities"
CALL: Mapping[str, Any] = {"name": "echo", "arguments": {"text": "hi"}}


def wrapped(value: str) -> str:
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


async def sent(message: object, *, rig: Rig | None = None, **headers: str | None) -> tuple[Exchange, dict[str, Any]]:
    """POST `message` with the headers of a well-formed call; None takes a header away. Nothing reaches the upstream."""
    rig = rig or Rig()
    given: dict[str, str | None] = {**modern_headers(modern_request("tools/call", CALL))}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    exchange = rig.post(message, {name: value for name, value in given.items() if value is not None})
    answer: dict[str, Any] = await exchange.json()
    assert rig.terminal.calls == []
    assert exchange.header("x-request-id") and exchange.header("server-timing")
    return exchange, answer


def request(
    params: Mapping[str, Any] | None = CALL, *, id: object = "i", drop: str = "", **meta: Any
) -> dict[str, Any]:
    message = modern_request("tools/call", params, id=id)
    message["params"]["_meta"].pop(drop, None)
    message["params"]["_meta"] |= {META + key: value for key, value in meta.items()}
    return message


@pytest.mark.parametrize("accept", [None, "", "application/json", "text/event-stream", "text/plain"])
async def test_accept_comes_first(accept: str | None) -> None:
    exchange, answer = await sent(b"not even json", accept=accept)
    assert exchange.status == 406 and answer["error"]["code"] == -32600 and answer["id"] is None


@pytest.mark.parametrize("media", [None, "text/plain", "application/jsonp", "application/json-rpc", "json"])
async def test_then_the_content_type(media: str | None) -> None:
    exchange, _ = await sent(b"not even json", content_type=media)
    assert exchange.status == 415


@pytest.mark.parametrize("media", ["application/json; charset=utf-8", "Application/JSON", " application/json "])
async def test_parameters_and_case_of_the_content_type_do_not_matter(media: str) -> None:
    await Rig().modern("tools/call", CALL, headers={"content-type": media}).result()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"nonsense", b'{"jsonrpc":"2.0"} x', b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":1e999}', b"\xff\xfe{}",
        b'\xef\xbb\xbf{"jsonrpc":"2.0"}', b'{"a":"\\ud800"}', b"[" * 65 + b"]" * 65, b"[" * 100_000,
        b'{"id":' + b"1" * 400 + b"}", b'{"id":1e400}',
    ],
)  # fmt: skip
async def test_then_the_json(body: bytes) -> None:
    exchange, answer = await sent(body, mcp_protocol_version="2099-01-01")
    assert exchange.status == 400 and answer["error"]["code"] == -32700 and answer["id"] is None


async def test_a_body_over_the_limit_is_413() -> None:
    exchange, answer = await sent(b" " * 5000, rig=Rig(body=4000))
    assert exchange.status == 413 and answer["error"]["code"] == -32600


@pytest.mark.parametrize(
    ("message", "identifier"),
    [
        ([], None),
        ([request()], None),
        ("text", None),
        (None, None),
        ({}, None),
        ({**request(), "jsonrpc": "1.0"}, "i"),
        ({**request(), "jsonrpc": 2}, "i"),
        ({**request(), "method": 5}, "i"),
        ({**request(), "method": ""}, "i"),
        ({**request(), "method": "m" * 200}, "i"),
        ({**request(), "id": None}, None),
        ({**request(), "id": 1.5}, None),
        ({**request(), "id": True}, None),
        ({**request(), "id": [1]}, None),
        ({**request(), "id": {}}, None),
        ({**request(), "id": "x" * 10_000}, None),
        ({**request(), "params": None}, "i"),
        ({**request(), "params": [1]}, "i"),
        ({**request(), "params": "x"}, "i"),
        ({**request(), "result": {}}, "i"),
        ({"jsonrpc": "2.0", "id": "i", "result": {}}, "i"),
        ({"jsonrpc": "2.0", "id": "i", "error": {"code": 1, "message": ""}}, "i"),
        ({"jsonrpc": "2.0", "id": "i"}, "i"),
        ({"Method": "tools/call", "jsonrpc": "2.0", "id": "i", "params": {}}, "i"),
    ],
)
async def test_then_the_envelope(message: object, identifier: object) -> None:
    exchange, answer = await sent(message, mcp_protocol_version="2099-01-01")
    assert exchange.status == 400 and answer["error"]["code"] == -32600 and answer["id"] == identifier


@pytest.mark.parametrize("name", ["mcp-protocol-version", "mcp-method", "mcp-name", "content-type"])
async def test_then_headers_that_came_twice(name: str) -> None:
    rig = Rig()
    message = request({})  # what comes later on the ladder is wrong as well
    headers = modern_headers(modern_request("tools/call", CALL))
    lines = [*headers.items(), (name, headers[name])]
    exchange = Exchange(rig.app, *_raw(message, lines))
    answer = await exchange.json()
    assert exchange.status == 400 and answer["error"]["code"] == -32020 and answer["id"] == "i"


def _raw(message: object, lines: list[tuple[str, str]]) -> tuple[Any, Any]:
    rig_scope = {
        "type": "http", "method": "POST", "path": "/servers/desk/mcp", "query_string": b"", "client": ("127.0.0.1", 1),
        "headers": [(b"host", b"gw.test"), *((key.encode(), value.encode()) for key, value in lines)],
    }  # fmt: skip
    return rig_scope, [json.dumps(message).encode()]


META_FAULTS: tuple[dict[str, Any], ...] = (
    {**request(), "params": {}},
    {**request(), "params": {**CALL, "_meta": None}},
    {**request(), "params": {**CALL, "_meta": []}},
    {**request(), "params": {**CALL, "_meta": "x"}},
    {key: value for key, value in request().items() if key != "params"},
    request(drop=VERSION),
    request(drop=CAPABILITIES),
    request(clientCapabilities=None),
    request(clientCapabilities=[]),
)


@pytest.mark.parametrize("message", META_FAULTS)
async def test_then_the_metadata_that_every_request_must_have(message: dict[str, Any]) -> None:
    exchange, answer = await sent(message, mcp_method="wrong", mcp_protocol_version="2099-01-01")
    assert exchange.status == 400 and answer["error"]["code"] == -32602 and answer["id"] == "i"


@pytest.mark.parametrize(
    "headers",
    [
        {"mcp_protocol_version": "2099-01-01"},
        {"mcp_method": None},
        {"mcp_method": "tools/list"},
        {"mcp_method": "Tools/Call"},
        {"mcp_method": ""},
        {"mcp_name": None},
        {"mcp_name": "secret"},
        {"mcp_name": "ECHO"},
        {"mcp_name": ""},
        {"mcp_name": wrapped("secret")},
        {"mcp_name": "=?base64?!!!?="},
        {"mcp_name": "=?base64?ZWNobx==?="},
        {"mcp_name": "=?BASE64?ZWNobw==?="},
        {"mcp_name": "=?base64?ZWNobw=="},
    ],
)
async def test_then_headers_that_contradict_the_body(headers: dict[str, str | None]) -> None:
    exchange, answer = await sent(request(), rig=None, **headers)
    assert exchange.status == 400 and answer["error"]["code"] == -32020 and answer["id"] == "i"


async def test_the_body_decides_even_where_the_header_names_something_harmless() -> None:
    exchange, answer = await sent(request({"name": "secret", "arguments": {}}), mcp_name="echo")
    assert exchange.status == 400 and answer["error"]["code"] == -32020


@pytest.mark.parametrize("name", ["echo", wrapped("echo")])
async def test_a_wrapped_name_means_the_same(name: str) -> None:
    await Rig().modern("tools/call", CALL, headers={"mcp-name": name}).result()


@pytest.mark.parametrize("name", ["ünï cödé", " padded ", "=?base64?eA==?=", "line\nbreak"])
async def test_names_that_no_header_can_carry_come_wrapped(name: str) -> None:
    rig = Rig()
    exchange = rig.modern("tools/call", {"name": name}, headers={"mcp-name": wrapped(name)})
    error = await exchange.error()
    assert error["code"] == -32602 and "Unknown tool" in error["message"]


async def test_then_the_version() -> None:
    exchange, answer = await sent(request(protocolVersion="2099-01-01"), mcp_protocol_version="2099-01-01")
    assert exchange.status == 400 and answer["id"] == "i"
    assert answer["error"]["code"] == -32022
    assert answer["error"]["data"] == {"supported": ["2026-07-28"], "requested": "2099-01-01"}


@pytest.mark.parametrize("level", ["loud", 5, "INFO", [], {}])
async def test_then_the_log_level(level: Any) -> None:
    exchange, answer = await sent(request(logLevel=level))
    assert exchange.status == 400 and answer["error"]["code"] == -32602 and answer["id"] == "i"


async def test_then_the_headers_that_mirror_arguments() -> None:
    message = modern_request("tools/call", {"name": "region", "arguments": {"where": "eu"}}, id="i")
    exchange, answer = await sent(message, mcp_name="region", mcp_param_region="us")
    assert exchange.status == 400 and answer["error"]["code"] == -32020 and answer["id"] == "i"


@pytest.mark.parametrize(
    "method",
    [
        "initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "tasks/get",
        "tasks/list", "sampling/createMessage", "no/such", "Tools/List", "__proto__", "notifications/initialized",
    ],
)  # fmt: skip
async def test_methods_that_do_not_exist_or_no_more_are_404(method: str) -> None:
    exchange = Rig().modern(method, id=77)
    answer = await exchange.json()
    assert exchange.status == 404 and answer["error"]["code"] == -32601 and answer["id"] == 77


@pytest.mark.parametrize("identifier", [0, -5, 2**53, 2**64 - 1, "", "0", "ünï", "x" * 256])
async def test_ids_are_echoed_with_their_type(identifier: object) -> None:
    answer = await Rig().modern("tools/list", id=identifier).json()
    assert answer["id"] == identifier and type(answer["id"]) is type(identifier)


@pytest.mark.parametrize("info", [None, 5, "x", {}, {"name": "a"}, {"name": "a", "version": "1", "vendor": []}])
async def test_client_info_is_optional_and_never_judged(info: Any) -> None:
    meta = {} if info is None else {META + "clientInfo": info}
    await Rig().modern("tools/call", CALL, meta=meta).result()


@pytest.mark.parametrize("method", ["notifications/cancelled", "notifications/initialized", "x"])
async def test_notifications_are_accepted_without_a_body(method: str) -> None:
    rig = Rig()
    message = {"jsonrpc": "2.0", "method": method, "params": {"requestId": 1}}
    exchange = await rig.post(message, {**modern_headers(modern_request("x", {})), "mcp-method": method}).done()
    assert (exchange.status, exchange.body) == (202, b"")
    assert exchange.header("x-request-id") and exchange.header("server-timing")


async def test_a_notification_is_not_executed_whatever_it_is_called() -> None:
    rig = Rig()
    message = {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "echo"}}
    assert (await rig.post(message, modern_headers(modern_request("tools/call", CALL))).done()).status == 202
    assert rig.terminal.calls == []


async def test_session_ids_and_event_ids_are_ignored_and_never_given_out() -> None:
    exchange = Rig().modern("tools/call", CALL, headers={"mcp-session-id": "s", "last-event-id": "g-1"})
    await exchange.result()
    assert exchange.header("mcp-session-id") is None


async def test_results_say_who_answered_and_that_they_are_complete() -> None:
    rig = Rig()
    rig.terminal.answers("echo", {"resultType": "complete", "content": [], "_meta": {"vendor": 1}})
    for exchange in (rig.modern("tools/call", CALL), rig.modern("server/discover"), rig.modern("tools/list")):
        result = await exchange.result()
        assert result["resultType"] == "complete"
        assert result["_meta"][META + "serverInfo"]["name"] == "desk"


async def test_unknown_members_and_case_variants_are_not_what_they_resemble() -> None:
    rig = Rig()
    message = {**request(), "METHOD": "x", "__proto__": {"method": "y"}, "params\0": {}}
    exchange = rig.post(message, modern_headers(modern_request("tools/call", CALL)))
    await exchange.result()
    assert [invocation.target for invocation in rig.terminal.calls] == ["echo"]


async def test_a_body_in_pieces_is_one_body() -> None:
    rig = Rig()
    scope_, [body] = _raw(request(), list(modern_headers(modern_request("tools/call", CALL)).items()))
    exchange = Exchange(rig.app, scope_, [body[:1], b"", body[1:50], body[50:]])
    assert await exchange.result()


async def test_a_client_that_leaves_before_its_body_is_complete_is_not_answered() -> None:
    rig = Rig()
    scope_, [body] = _raw(request(), list(modern_headers(modern_request("tools/call", CALL)).items()))
    exchange = Exchange(rig.app, scope_, [])
    await asyncio.sleep(0)
    exchange.disconnect()
    await exchange.done()
    assert body and exchange.status == 0 and rig.terminal.calls == []
