"""What counts as an answer of a modern upstream: statuses, media types, frames."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_gateway.core.errors import ProtocolViolation, Rejected
from mcp_gateway.upstream.negotiate import UNDISCOVERED, Endpoint
from mcp_gateway.upstream.streamable_modern import ModernConversation
from tests.upstream.streamable import Reply, Scripted, exchange, reaching

ARGUMENTS = {"name": "t", "arguments": {}}


def modern(endpoint: Endpoint) -> ModernConversation:
    """A conversation without a probe."""
    return ModernConversation(endpoint.client, endpoint.target, UNDISCOVERED)


@pytest.mark.parametrize(
    "message",
    [
        {"id": 1, "result": {}},
        {"jsonrpc": "2.0", "id": 1, "result": None},
        {"jsonrpc": "2.0", "id": 1, "result": {}, "error": {"code": 1, "message": ""}},
        {"jsonrpc": "2.0", "id": 1, "result": {}, "method": "x"},
        {"jsonrpc": "2.0", "id": {"a": 1}, "method": "x"},
        {"jsonrpc": "2.0", "id": 1.5, "method": "x"},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": "1", "message": ""}},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": True, "message": ""}},
        {"jsonrpc": "2.0", "id": 1, "error": "bad"},
        {"jsonrpc": "2.0", "id": 1},
        {"jsonrpc": "2.0", "method": "x", "params": [1]},
        [{"jsonrpc": "2.0", "id": 1, "result": {}}],
        [],
        "x",
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_malformed_frame_ends_the_request_at_once(message: Any, streamed: bool) -> None:
    async def script(x: Reply) -> None:
        if not streamed:
            await x.answer(message)
            return
        await x.stream()
        await x.event(message)
        await x.hang()

    async with Scripted(script) as server, reaching(server.url) as endpoint:
        with pytest.raises(ProtocolViolation):
            await modern(endpoint).request("tools/call", ARGUMENTS, exchange())


@pytest.mark.parametrize("kind", ["Application/JSON", "application/json ;charset=utf-8", "application/json;"])
async def test_the_media_type_alone_decides(kind: str) -> None:
    async def script(x: Reply) -> None:
        await x.body(json.dumps(x.result()).encode(), content_type=kind)

    async with Scripted(script) as server, reaching(server.url) as endpoint:
        await modern(endpoint).request("tools/call", ARGUMENTS, exchange())


@pytest.mark.parametrize("kind", ["text/html", "application/json, text/html", "application/jsonp", ""])
async def test_another_media_type_is_no_answer(kind: str) -> None:
    async def script(x: Reply) -> None:
        await x.body(json.dumps(x.result()).encode(), content_type=kind)

    async with Scripted(script) as server, reaching(server.url) as endpoint:
        with pytest.raises(ProtocolViolation):
            await modern(endpoint).request("tools/call", ARGUMENTS, exchange())


@pytest.mark.parametrize("status", [201, 202, 204, 206, 301, 307])
async def test_no_other_status_carries_an_answer(status: int) -> None:
    async def script(x: Reply) -> None:
        await x.answer(x.result(), status, location="/elsewhere") if status != 204 else await x.head(204)

    async with Scripted(script) as server, reaching(server.url) as endpoint:
        with pytest.raises(ProtocolViolation):
            await modern(endpoint).request("tools/call", ARGUMENTS, exchange())
        assert [seen.path for seen in server.seen] == ["/mcp"]


@pytest.mark.parametrize("request_id", ["own", None])
@pytest.mark.parametrize("status", [200, 400, 404, 500, 503])
async def test_an_error_body_is_the_answer_whatever_the_status(status: int, request_id: str | None) -> None:
    async def script(x: Reply) -> None:
        error = {"code": -32602, "message": "no", "data": None}
        await x.answer({"jsonrpc": "2.0", "id": x.seen.id if request_id else None, "error": error}, status)

    async with Scripted(script) as server, reaching(server.url) as endpoint:
        conversation = modern(endpoint)
        with pytest.raises(Rejected) as caught:
            await conversation.request("tools/call", ARGUMENTS, exchange())
        error = caught.value
        assert (error.code, error.message, error.status, error.has_data) == (-32602, "no", status, True)
        assert conversation.alive


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": "Bad Request: no session"}}),
        (400, {"jsonrpc": "2.0", "id": None, "error": {"code": -32022, "message": "", "data": {"supported": []}}}),
        (400, {"jsonrpc": "2.0", "id": "server-error", "error": {"code": -32600, "message": "Missing session ID"}}),
        (404, {}),
        (405, {}),
    ],
)
async def test_an_answer_that_only_another_era_gives_ends_the_conversation(status: int, body: Any) -> None:
    async def script(x: Reply) -> None:
        await x.answer(body, status)

    async with Scripted(script) as server, reaching(server.url) as endpoint:
        conversation = modern(endpoint)
        with pytest.raises((Rejected, ProtocolViolation)):
            await conversation.request("tools/call", ARGUMENTS, exchange())
        assert not conversation.alive
