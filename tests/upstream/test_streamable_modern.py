"""A modern conversation: what goes out, whose message is whose, and how it ends."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from mcp_gateway.core.errors import Rejected, TimedOut, Unreachable
from mcp_gateway.upstream.handshake import CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, PROTOCOL_VERSION
from mcp_gateway.upstream.negotiate import UNDISCOVERED, Endpoint, connect
from mcp_gateway.upstream.streamable_modern import ModernConversation
from mcp_gateway.upstream.wire import MODERN
from tests.upstream.streamable import Notes, Reply, Scripted, discovered, exchange, reaching, serving, soon
from tests.upstreams import everything
from tests.upstreams.serving import http_app

ARGUMENTS = {"name": "t", "arguments": {}}


def note(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}


def modern(endpoint: Endpoint) -> ModernConversation:
    """A conversation without a probe."""
    return ModernConversation(endpoint.client, endpoint.target, UNDISCOVERED)


async def echo(x: Reply) -> None:
    if x.seen.method == "server/discover":
        await discovered(x, instructions="Be kind.", _meta={"io.modelcontextprotocol/serverInfo": {"name": "new"}})
    else:
        await x.answer(x.result(json.dumps(x.seen.params.get("arguments"))))


async def test_a_request_carries_what_the_era_wants_and_nothing_of_the_callers_hop() -> None:
    async with Scripted(echo) as server, reaching(server.url) as endpoint:
        conversation = await connect(endpoint, soon())
        assert isinstance(conversation, ModernConversation)
        assert (conversation.version, conversation.instructions) == (MODERN, "Be kind.")
        assert (conversation.capabilities, conversation.server_info) == ({"tools": {}}, {"name": "new"})
        meta = {"traceparent": "00-1", "progressToken": "theirs", PROTOCOL_VERSION: "1", LOG_LEVEL: "debug"}
        headers = {
            "Authorization": "Bearer x",
            "Mcp-Param-Region": "eu",
            "Mcp-Name": "forged",
            "MCP-Protocol-Version": "1",
        }
        await conversation.request(
            "tools/call",
            {"name": "größe", "arguments": {"a": None}, "_meta": meta},
            exchange(headers=headers, capabilities={"roots": {}}, client_info={"name": "c"}),
        )
        seen = server.seen[-1]
        assert seen.headers["mcp-protocol-version"] == MODERN
        assert seen.headers["mcp-method"] == "tools/call"
        assert seen.headers["mcp-name"] == f"=?base64?{base64.b64encode('größe'.encode()).decode()}?="
        assert (seen.headers["mcp-param-region"], seen.headers["authorization"]) == ("eu", "Bearer x")
        assert seen.headers["accept"] == "application/json, text/event-stream"
        assert seen.params["_meta"] == {
            "traceparent": "00-1",
            PROTOCOL_VERSION: MODERN,
            CLIENT_CAPABILITIES: {"roots": {}},
            CLIENT_INFO: {"name": "c"},
        }
        assert seen.params["arguments"] == {"a": None}


@pytest.mark.parametrize(
    ("method", "params", "name"),
    [
        ("prompts/get", {"name": "p"}, "p"),
        ("resources/read", {"uri": "file:///ä"}, "=?base64?ZmlsZTovLy/DpA==?="),
        ("tools/list", {}, None),
    ],
)
async def test_the_name_header_follows_the_method(method: str, params: dict[str, Any], name: str | None) -> None:
    async with Scripted(echo) as server, reaching(server.url, protocol=MODERN) as endpoint:
        await (await connect(endpoint, soon())).request(method, params, exchange())
        assert server.seen[-1].headers.get("mcp-name") == name


async def test_two_hundred_callers_share_it_and_each_gets_its_own_answer() -> None:
    async def script(x: Reply) -> None:
        if x.seen.method != "tools/call" or x.seen.params["arguments"]["n"] % 2:
            await echo(x)
            return
        await x.head(200, content_type="text/event-stream", transfer_encoding="chunked")
        token = x.seen.params["_meta"]["progressToken"]
        n = x.seen.params["arguments"]["n"]
        for message in (
            note("notifications/progress", progressToken=token, progress=n),
            x.result(json.dumps({"n": n})),
        ):
            data = b"data: " + json.dumps(message).encode() + b"\n\n"
            await x.send(b"%x\r\n%b\r\n" % (len(data), data))
        x.keep_alive = True
        await x.send(b"0\r\n\r\n")

    async with Scripted(script) as server, reaching(server.url, max_connections=16) as endpoint:
        conversation = await connect(endpoint, soon())

        async def one(n: int) -> None:
            notes = Notes()
            params = {"name": "t", "arguments": {"n": n}}
            result = await conversation.request("tools/call", params, exchange(notify=notes, progress=True))
            assert json.loads(result["content"][0]["text"]) == {"n": n}
            assert notes.all == ([] if n % 2 else [("notifications/progress", {"progress": n})])

        await asyncio.gather(*(one(n) for n in range(200)))
        ids = [seen.id for seen in server.seen]
        assert len(set(ids[1:])) == 200
        assert endpoint.client.stats.open <= 16


async def test_strays_on_a_stream_reach_nobody() -> None:
    async def script(x: Reply) -> None:
        token = x.seen.params["_meta"]["progressToken"]
        await x.stream()
        messages: list[dict[str, Any]] = [
            note("notifications/progress", progressToken=token + 1, progress=1),
            note("notifications/progress", progressToken=str(token), progress=1),
            note("notifications/progress", progressToken=True, progress=1),
            note("notifications/message", level="emergency", data="x"),
            note("notifications/tools/list_changed"),
            note("notifications/vendor"),
            {"jsonrpc": "2.0", "id": x.seen.id, "method": "ping"},
            {"jsonrpc": "2.0", "id": str(x.seen.id), "result": {}},
            {"jsonrpc": "2.0", "id": None, "result": {}},
            x.result("mine"),
        ]
        for message in messages:
            await x.event(message)

    async with Scripted(script) as server, reaching(server.url) as endpoint:
        conversation, notes = modern(endpoint), Notes()
        result = await conversation.request("tools/call", ARGUMENTS, exchange(notify=notes, progress=True))
        assert result["content"][0]["text"] == "mine"
        assert notes.all == []
        assert conversation.strays == 9


async def test_cancelling_closes_the_stream_and_posts_nothing() -> None:
    gone = asyncio.Event()

    async def script(x: Reply) -> None:
        await x.stream()
        await x.event(note("notifications/progress", progressToken=x.seen.params["_meta"]["progressToken"], progress=1))
        await x.hang()
        gone.set()

    async with Scripted(script) as server, reaching(server.url) as endpoint:
        conversation, notes = modern(endpoint), Notes()
        calling = asyncio.create_task(
            conversation.request("tools/call", ARGUMENTS, exchange(notify=notes, progress=True))
        )
        await notes.wait_for("notifications/progress")
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        await asyncio.wait_for(gone.wait(), 20)
        assert server.methods() == ["tools/call"]
        assert endpoint.client.stats.open == 0


async def test_a_connection_whose_stream_ended_after_the_answer_is_used_again() -> None:
    end = asyncio.Event()
    ports: set[Any] = set()

    async def script(x: Reply) -> None:
        ports.add(x.writer.get_extra_info("peername"))
        await x.head(200, content_type="text/event-stream", transfer_encoding="chunked")
        data = b"data: " + json.dumps(x.result()).encode() + b"\n\n"
        await x.send(b"%x\r\n%b\r\n" % (len(data), data))
        await end.wait()
        x.keep_alive = True
        await x.send(b"0\r\n\r\n")

    async with Scripted(script) as server, reaching(server.url, max_connections=1) as endpoint:
        conversation = modern(endpoint)
        await conversation.request("tools/call", ARGUMENTS, exchange())
        end.set()
        await conversation.request("tools/call", ARGUMENTS, exchange())
        assert len(ports) == 1


async def test_a_stream_left_open_after_the_answer_is_dropped() -> None:
    dropped = asyncio.Event()

    async def script(x: Reply) -> None:
        await x.stream()
        await x.event(x.result())
        await x.hang()
        dropped.set()

    async with Scripted(script) as server, reaching(server.url) as endpoint:
        await modern(endpoint).request("tools/call", ARGUMENTS, exchange())
        await asyncio.wait_for(dropped.wait(), 20)


async def test_a_listen_stream_delivers_events_without_this_legs_ids_until_it_ends() -> None:
    subscription = "io.modelcontextprotocol/subscriptionId"

    async def script(x: Reply) -> None:
        own = {subscription: x.seen.id}
        await x.stream()
        await x.send(b":\r\n\r\n")
        for message in (
            note("notifications/subscriptions/acknowledged", notifications={}, _meta=own),
            note("notifications/tools/list_changed", _meta={subscription: x.seen.id + 1}),
            note("notifications/tools/list_changed", _meta={subscription: str(x.seen.id)}),
            note("notifications/resources/updated", uri="a", _meta={**own, "vendor": 1}),
            note("notifications/progress", progressToken=x.seen.id, progress=1),
            {"jsonrpc": "2.0", "id": x.seen.id, "result": {"resultType": "complete", "_meta": own}},
        ):
            await x.event(message)

    async with Scripted(script) as server, reaching(server.url) as endpoint:
        conversation, notes = modern(endpoint), Notes()
        await conversation.request("subscriptions/listen", {}, exchange(float("inf"), notify=notes))
        assert notes.all == [
            ("notifications/subscriptions/acknowledged", {"notifications": {}}),
            ("notifications/resources/updated", {"uri": "a", "_meta": {"vendor": 1}}),
        ]
        assert conversation.strays == 3


async def test_a_listen_stream_that_is_cut_is_unreachable() -> None:
    async def script(x: Reply) -> None:
        await x.stream()
        if len(server.seen) > 1:
            await x.event(note("notifications/cancelled", requestId=x.seen.id))
            await x.hang()

    async with Scripted(script) as server, reaching(server.url) as endpoint:
        conversation = modern(endpoint)
        for _ in range(2):
            with pytest.raises(Unreachable) as caught:
                await conversation.request("subscriptions/listen", {}, exchange(float("inf")))
            assert caught.value.sent


async def test_a_refused_connection_was_provably_not_sent() -> None:
    async with Scripted(echo) as server:
        url = server.url
    async with reaching(url) as endpoint:
        with pytest.raises(Unreachable) as caught:
            await modern(endpoint).request("tools/call", ARGUMENTS, exchange())
        assert not caught.value.sent


async def test_a_deadline_holds_while_the_stream_chatters() -> None:
    async def script(x: Reply) -> None:
        await x.stream()
        while True:
            await x.send(b": still here\n\n")
            await asyncio.sleep(0.01)

    async with Scripted(script) as server, reaching(server.url) as endpoint:
        with pytest.raises(TimedOut):
            await modern(endpoint).request("tools/call", ARGUMENTS, exchange(0.2))


@pytest.mark.parametrize("json_response", [True, False])
async def test_against_the_sdk_server(json_response: bool) -> None:
    app = http_app(everything.make(), json_response=json_response)
    async with serving(app) as url, reaching(url) as endpoint:
        conversation, notes = await connect(endpoint, soon()), Notes()
        assert isinstance(conversation, ModernConversation)
        assert conversation.server_info["name"] == "everything" and "tools" in conversation.capabilities
        progress = {"name": "test_tool_with_progress", "arguments": {}}
        await conversation.request("tools/call", progress, exchange(notify=notes, progress=True))
        if not json_response:
            assert [params["progress"] for params in notes.of("notifications/progress")] == [0, 50, 100]
            assert all("progressToken" not in params for _, params in notes.all)
        read = await conversation.request("resources/read", {"uri": "test://static-text"}, exchange())
        assert read["contents"][0]["uri"] == "test://static-text"
        listed = await conversation.request("tools/list", {}, exchange())
        assert listed["resultType"] == "complete" and len(listed["tools"]) > 10
        with pytest.raises(Rejected) as caught:
            await conversation.request("tools/call", {"name": "none", "arguments": {}}, exchange())
        assert caught.value.code == -32602


async def test_listening_to_the_sdk_server() -> None:
    async with serving(http_app(everything.make())) as url, reaching(url) as endpoint:
        conversation, notes = await connect(endpoint, soon()), Notes()
        params = {"notifications": {"toolsListChanged": True}}
        listening = asyncio.create_task(
            conversation.request("subscriptions/listen", params, exchange(float("inf"), notify=notes))
        )
        await notes.wait_for("notifications/subscriptions/acknowledged")
        await conversation.request("tools/call", {"name": "test_trigger_tool_change", "arguments": {}}, exchange())
        await notes.wait_for("notifications/tools/list_changed")
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening
