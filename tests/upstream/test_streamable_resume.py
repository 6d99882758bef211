"""The streams of a handshake-era session: the standalone one, and those that break off."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from mcp_gateway.core.errors import ProtocolViolation, TimedOut, Unreachable
from mcp_gateway.upstream.streamable import SessionLost
from tests.upstream.streamable import (
    Notes,
    Reply,
    Scripted,
    answer_to,
    asked,
    begin,
    exchange,
    note,
    posted,
    reaching,
    session,
)

VERSION = "2025-11-25"
CALL = {"name": "t", "arguments": {}}


async def test_the_standalone_stream_delivers_events_progress_and_questions_and_comes_back() -> None:
    streams = 0
    calling = asyncio.Event()

    async def call(x: Reply) -> None:
        nonlocal streams
        if x.seen.http_method == "DELETE":
            await x.body(b"", 200)
        elif x.seen.http_method == "POST":
            calling.set()
            await server.arrival(answer_to("q"))
            await x.answer(x.result())
        elif streams:
            streams += 1
            assert x.seen.headers["last-event-id"] == "e1"
            await x.stream()
            await x.event(note("notifications/resources/updated", uri="a"))
            await x.hang()
        else:
            streams += 1
            await x.stream()
            await x.send(b"id: e1\nretry: 1\ndata:\n\n")
            await x.event(note("notifications/tools/list_changed"))
            await x.event(note("notifications/message", level="emergency", data="nobody's"))
            await x.event(asked("ping", "p"))
            await server.arrival(answer_to("p"))
            await calling.wait()
            token = (await server.arrival(posted("tools/call"))).params["_meta"]["progressToken"]
            await x.event(note("notifications/progress", progressToken=token, progress=5))
            await x.event(note("notifications/progress", progressToken=token + 1, progress=6))
            await x.event(asked("roots/list", "q"))
            await server.arrival(answer_to("q"))

    async def ask(method: str, params: dict[str, Any]) -> dict[str, Any]:
        return {"roots": []}

    events, notes = Notes(), Notes()
    async with (
        Scripted(session(call)) as server,
        reaching(server.url, protocol=VERSION, on_event=events) as endpoint,
    ):
        conversation = await begin(endpoint)
        await conversation.open_events()
        await conversation.request("tools/call", CALL, exchange(ask=ask, notify=notes, progress=True))
        assert notes.all == [("notifications/progress", {"progress": 5})]
        await events.wait_for("notifications/tools/list_changed", "notifications/resources/updated")
        assert len(events.all) == 2 and streams == 2
        await conversation.close()
        assert server.seen[-1].http_method == "DELETE"


@pytest.mark.parametrize("status", [405, 404, 501])
async def test_a_server_without_a_standalone_stream_is_fine_and_a_lost_session_is_noticed(status: int) -> None:
    async def call(x: Reply) -> None:
        await x.body(b"", status)

    async with Scripted(session(call)) as server, reaching(server.url, protocol=VERSION) as endpoint:
        conversation = await begin(endpoint)
        await conversation.open_events()
        assert conversation.alive is (status != 404)
        await conversation.close()


async def test_a_stream_with_event_ids_is_resumed_where_it_broke_off() -> None:
    async def call(x: Reply) -> None:
        resumed = x.seen.headers.get("last-event-id")
        await x.stream()
        if resumed is None:
            token = x.seen.params["_meta"]["progressToken"]
            await x.send(b"retry: 1\nid: 1\ndata:\n\n")
            progress = note("notifications/progress", progressToken=token, progress=1)
            await x.send(b"id: 2\ndata: " + json.dumps(progress).encode() + b"\n\n")
        elif resumed == "2":
            await x.send(b"id: 3\ndata:\n\n")
            x.reset()
        else:
            assert resumed == "3" and x.seen.http_method == "GET"
            called = await server.arrival(posted("tools/call"))
            await x.event({"jsonrpc": "2.0", "id": called.id, "result": {"content": []}})

    async with Scripted(session(call)) as server, reaching(server.url, protocol=VERSION) as endpoint:
        conversation, notes = await begin(endpoint), Notes()
        result = await conversation.request("tools/call", CALL, exchange(notify=notes, progress=True))
        assert result == {"content": []} and len(notes.all) == 1
        assert server.methods().count("tools/call") == 1


@pytest.mark.parametrize("status", [404, 405, 400])
async def test_a_stream_that_cannot_be_resumed_was_sent_all_the_same(status: int) -> None:
    async def call(x: Reply) -> None:
        if x.seen.http_method != "POST":
            await x.body(b"", status)
            return
        await x.stream()
        await x.send(b"retry: 1\nid: 1\ndata:\n\n")

    async with Scripted(session(call)) as server, reaching(server.url, protocol=VERSION) as endpoint:
        conversation = await begin(endpoint)
        with pytest.raises(Unreachable) as caught:
            await conversation.request("tools/call", CALL, exchange())
        assert caught.value.sent and not isinstance(caught.value, SessionLost)
        assert conversation.alive is (status != 404)


async def test_an_upstream_that_dies_while_a_stream_is_to_be_resumed_was_sent_all_the_same() -> None:
    async def call(x: Reply) -> None:
        await x.stream()
        await x.send(b"retry: 1\nid: 1\ndata:\n\n")
        server._server.close()
        x.reset()

    async with Scripted(session(call)) as server, reaching(server.url, protocol=VERSION) as endpoint:
        conversation = await begin(endpoint)
        with pytest.raises((Unreachable, TimedOut)) as caught:
            await conversation.request("tools/call", CALL, exchange(0.5))
        assert getattr(caught.value, "sent", False)


async def test_a_retry_that_outlasts_the_deadline_is_not_waited_for() -> None:
    async def call(x: Reply) -> None:
        await x.stream()
        await x.send(b"retry: 20000\nid: 1\ndata:\n\n")

    async with Scripted(session(call)) as server, reaching(server.url, protocol=VERSION) as endpoint:
        with pytest.raises(TimedOut):
            await (await begin(endpoint)).request("tools/call", CALL, exchange(10))


async def test_batches_belong_to_the_oldest_version_alone() -> None:
    async def call(x: Reply) -> None:
        events = [note("notifications/tools/list_changed"), x.result("batched")]
        if x.seen.params["name"] == "json":
            await x.answer(events)
        else:
            await x.stream()
            await x.event(events)

    for version in ("2025-03-26", VERSION):
        events = Notes()
        script = session(call, version=version)
        async with Scripted(script) as server, reaching(server.url, protocol=version, on_event=events) as endpoint:
            conversation = await begin(endpoint)
            for name in ("json", "stream"):
                asking = conversation.request("tools/call", {"name": name}, exchange())
                if version == VERSION:
                    with pytest.raises(ProtocolViolation):
                        await asking
                else:
                    assert (await asking)["content"][0]["text"] == "batched"
            assert len(events.all) == (2 if version == "2025-03-26" else 0)
