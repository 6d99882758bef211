"""A handshake-era conversation: its session, its streams and what the upstream asks on them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from mcp_gateway.core.errors import ProtocolViolation, Rejected, TimedOut, UpstreamError
from mcp_gateway.upstream.negotiate import connect
from mcp_gateway.upstream.streamable import SessionLost
from mcp_gateway.upstream.wire import HANDSHAKE
from tests.upstream.streamable import (
    Notes,
    Reply,
    Scripted,
    answer_to,
    asked,
    begin,
    exchange,
    note,
    plain,
    posted,
    reaching,
    serving,
    session,
    soon,
)
from tests.upstreams import everything
from tests.upstreams.serving import http_app

VERSION = "2025-11-25"
CALL = {"name": "t", "arguments": {}}


@pytest.mark.parametrize("version", HANDSHAKE)
async def test_the_handshake_and_what_later_requests_carry_of_it(version: str) -> None:
    async with Scripted(session(plain, version=version)) as server, reaching(server.url, protocol=version) as endpoint:
        conversation = await begin(endpoint)
        assert (conversation.version, conversation.server_info) == (version, {"name": "old"})
        await conversation.request("tools/call", CALL, exchange())
        await conversation.close()
        first, second, third, last = server.seen
        assert (first.method, second.method, third.method) == (
            "initialize",
            "notifications/initialized",
            "tools/call",
        )
        assert first.params["protocolVersion"] == version and "mcp-session-id" not in first.headers
        said = version if version >= "2025-06-18" else None
        for seen in (second, third, last):
            assert seen.headers["mcp-session-id"] == "s1"
            assert seen.headers.get("mcp-protocol-version") == said
        assert last.http_method == "DELETE"
        assert "_meta" not in third.params and "mcp-method" not in third.headers


async def test_without_a_session_there_is_nothing_to_delete() -> None:
    async with Scripted(session(plain, session=None)) as server, reaching(server.url, protocol=VERSION) as endpoint:
        conversation = await begin(endpoint)
        await conversation.request("tools/call", CALL, exchange())
        await conversation.close()
        await conversation.close()
        assert all("mcp-session-id" not in seen.headers for seen in server.seen)
        assert not any(seen.http_method == "DELETE" for seen in server.seen)


@pytest.mark.parametrize("bad", ["two words", "ü", "x" * 1025])
async def test_a_session_id_that_cannot_be_sent_back_is_refused(bad: str) -> None:
    async def script(x: Reply) -> None:
        result = {"protocolVersion": VERSION, "capabilities": {}, "serverInfo": {}}
        await x.answer(x.reply(result), mcp_session_id=bad)

    async with Scripted(script) as server, reaching(server.url, protocol=VERSION) as endpoint:
        with pytest.raises(ProtocolViolation):
            await connect(endpoint, soon())


async def test_a_pinned_version_is_not_bargained_over() -> None:
    script = session(plain, version="2025-06-18")
    async with Scripted(script) as server, reaching(server.url, protocol=VERSION) as endpoint:
        with pytest.raises(ProtocolViolation):
            await connect(endpoint, soon())
        assert server.seen[-1].http_method == "DELETE"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {}),
        (404, {"jsonrpc": "2.0", "id": "server-error", "error": {"code": -32600, "message": "Session not found"}}),
        (404, {"jsonrpc": "2.0", "id": None, "error": {"code": -32001, "message": "Session not found"}}),
        (400, {"jsonrpc": "2.0", "id": "server-error", "error": {"code": -32600, "message": "No valid session ID"}}),
        (400, {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": "No valid session ID provided"}}),
    ],
)
async def test_a_forgotten_session_says_that_the_request_was_not_processed(status: int, body: Any) -> None:
    async def call(x: Reply) -> None:
        await x.answer(body, status)

    async with Scripted(session(call)) as server, reaching(server.url, protocol=VERSION) as endpoint:
        conversation = await begin(endpoint)
        with pytest.raises(SessionLost) as caught:
            await conversation.request("tools/call", CALL, exchange())
        assert not caught.value.sent and not conversation.alive
        count = len(server.seen)
        with pytest.raises(SessionLost):
            await conversation.request("tools/call", CALL, exchange())
        await conversation.close()
        assert len(server.seen) == count


async def test_an_unknown_method_under_404_is_not_a_lost_session() -> None:
    async def call(x: Reply) -> None:
        await x.answer(x.error(-32601, "Method not found"), 404)

    async with Scripted(session(call)) as server, reaching(server.url, protocol=VERSION) as endpoint:
        conversation = await begin(endpoint)
        with pytest.raises(Rejected):
            await conversation.request("prompts/list", {}, exchange())
        assert conversation.alive


async def test_the_upstream_asks_and_gets_the_answer_of_this_request() -> None:
    async def call(x: Reply) -> None:
        await x.stream()
        await x.event(asked("sampling/createMessage", "q1", maxTokens=1))
        sampled = await server.arrival(answer_to("q1"))
        await x.event(asked("roots/list", 7))
        refused = await server.arrival(answer_to(7))
        await x.event(asked("ping", 8))
        ponged = await server.arrival(answer_to(8))
        await x.event(asked("vendor/x", 9))
        unknown = await server.arrival(answer_to(9))
        answers = [seen.message for seen in (sampled, refused, ponged, unknown)]
        await x.event(x.result(json.dumps(answers)))

    async def ask(method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "roots/list":
            raise Rejected(-1, "rather not", {"why": None})
        return {"model": method, "echo": params}

    headers = {"Authorization": "Bearer alice"}
    async with Scripted(session(call)) as server, reaching(server.url, protocol=VERSION) as endpoint:
        conversation = await begin(endpoint)
        result = await conversation.request("tools/call", CALL, exchange(ask=ask, headers=headers))
        sampled, refused, ponged, unknown = json.loads(result["content"][0]["text"])
        assert sampled["result"] == {"model": "sampling/createMessage", "echo": {"maxTokens": 1}}
        assert refused["error"] == {"code": -1, "message": "rather not", "data": {"why": None}}
        assert ponged["result"] == {}
        assert unknown["error"]["code"] == -32601
        assert (await server.arrival(answer_to("q1"))).headers["authorization"] == "Bearer alice"


async def test_nobody_to_ask_is_method_not_found() -> None:
    async def call(x: Reply) -> None:
        await x.stream()
        await x.event(asked("elicitation/create", 0))
        seen = await server.arrival(answer_to(0))
        await x.event(x.result(str(seen.message["error"]["code"])))

    async with Scripted(session(call)) as server, reaching(server.url, protocol=VERSION) as endpoint:
        result = await (await begin(endpoint)).request("tools/call", CALL, exchange())
        assert result["content"][0]["text"] == "-32601"


async def test_a_question_dies_with_its_request_or_when_withdrawn() -> None:
    ended: list[str] = []
    both = asyncio.Event()

    async def call(x: Reply) -> None:
        await x.stream()
        await x.event(asked("roots/list", "withdrawn"))
        await x.event(asked("roots/list", "open"))
        await both.wait()
        await x.event(note("notifications/cancelled", requestId="withdrawn"))
        await x.event(x.result())

    async def ask(method: str, params: dict[str, Any]) -> dict[str, Any]:
        asking.append(method)
        if len(asking) == 2:
            both.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(method)
        raise AssertionError

    asking: list[str] = []
    async with Scripted(session(call)) as server, reaching(server.url, protocol=VERSION) as endpoint:
        await (await begin(endpoint)).request("tools/call", CALL, exchange(ask=ask))
        await asyncio.sleep(0)
        assert ended == ["roots/list", "roots/list"]
        assert not any(answer_to(number)(seen) for seen in server.seen for number in ("withdrawn", "open"))


async def test_cancelling_tells_the_upstream_which_request_and_closes_the_stream() -> None:
    gone = asyncio.Event()

    async def call(x: Reply) -> None:
        token = x.seen.params["_meta"]["progressToken"]
        await x.stream()
        await x.event(note("notifications/progress", progressToken=token, progress=1))
        await x.hang()
        gone.set()

    async with Scripted(session(call)) as server, reaching(server.url, protocol=VERSION) as endpoint:
        conversation, notes = await begin(endpoint), Notes()
        calling = asyncio.create_task(conversation.request("tools/call", CALL, exchange(notify=notes, progress=True)))
        await notes.wait_for("notifications/progress")
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        cancelled = await server.arrival(posted("notifications/cancelled"))
        called = await server.arrival(posted("tools/call"))
        assert cancelled.params["requestId"] == called.id and type(called.id) is int
        await asyncio.wait_for(gone.wait(), 20)
        await conversation.close()


async def test_a_deadline_cancels_upstream_too() -> None:
    async def call(x: Reply) -> None:
        await x.hang() if x.seen.http_method == "POST" else await x.body(b"", 405)

    async with Scripted(session(call)) as server, reaching(server.url, protocol=VERSION) as endpoint:
        conversation = await begin(endpoint)
        with pytest.raises(TimedOut):
            await conversation.request("tools/call", CALL, exchange(0.1))
        await server.arrival(posted("notifications/cancelled"))
        await conversation.close()


async def test_the_log_level_is_set_once_for_the_most_verbose_reader() -> None:
    async def call(x: Reply) -> None:
        if x.seen.method != "tools/call":
            await x.answer(x.reply({}))
            return
        await x.stream()
        for level in ("debug", "error"):
            await x.event(note("notifications/message", level=level, data=level))
        await x.event(x.result())

    script = session(call, logging={})
    async with Scripted(script) as server, reaching(server.url, protocol=VERSION) as endpoint:
        conversation = await begin(endpoint)
        seen: dict[str | None, list[Any]] = {}
        for level in ("error", "debug", "error", None):
            notes = Notes()
            await conversation.request("tools/call", CALL, exchange(notify=notes, log_level=level))
            seen[level] = [params["data"] for _, params in notes.all]
        levels = [one.params["level"] for one in server.seen if one.method == "logging/setLevel"]
        assert levels == ["error", "debug"]
        assert seen == {"error": ["error"], "debug": ["debug", "error"], None: []}


async def test_credentials_of_the_latest_request_go_with_the_housekeeping() -> None:
    async with Scripted(session(plain)) as server, reaching(server.url, protocol=VERSION) as endpoint:
        conversation = await begin(endpoint)
        headers = {"Authorization": "Bearer new", "Mcp-Param-X": "1"}
        await conversation.request("tools/call", CALL, exchange(headers=headers))
        await conversation.notify("notifications/roots/list_changed", {})
        await conversation.close()
        for seen in server.seen[-2:]:
            assert seen.headers["authorization"] == "Bearer new" and "mcp-param-x" not in seen.headers


@pytest.mark.parametrize("version", ["2025-11-25", "2025-06-18", "2025-03-26"])
async def test_against_the_sdk_server(version: str) -> None:
    async def ask(method: str, params: dict[str, Any]) -> dict[str, Any]:
        assert method == "elicitation/create"
        return {"action": "accept", "content": {"username": "ann", "email": "a@example.com"}}

    events, notes = Notes(), Notes()
    async with (
        serving(http_app(everything.make(), era="legacy")) as url,
        reaching(url, protocol=version, on_event=events, capabilities={"elicitation": {}}) as endpoint,
    ):
        conversation = await begin(endpoint)
        await conversation.open_events()
        elicit = {"name": "test_elicitation", "arguments": {"message": "who?"}}
        result = await conversation.request("tools/call", elicit, exchange(ask=ask))
        assert "action=accept" in result["content"][0]["text"]
        if version == "2025-11-25":
            dropped = {"name": "test_reconnection", "arguments": {}}
            result = await conversation.request("tools/call", dropped, exchange(notify=notes, log_level="info"))
            assert result["content"][0]["text"] == "Reconnection test completed"
            assert [params["data"] for params in notes.of("notifications/message")][-1] == "After reconnect"
        await conversation.request("tools/call", {"name": "test_trigger_tool_change", "arguments": {}}, exchange())
        await events.wait_for("notifications/tools/list_changed")
        await conversation.close()
        assert not conversation.alive
        with pytest.raises(UpstreamError):
            await conversation.request("ping", {}, exchange())
