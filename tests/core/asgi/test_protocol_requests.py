"""What a well-behaved client, and one that leaves, sees of the edge."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from types import SimpleNamespace
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl

from mcp_gateway.core.asgi.cycle import EdgeCycle
from mcp_gateway.core.asgi.disconnect import EXTENSION, watch
from mcp_gateway.core.asgi.limits import EdgeLimits
from mcp_gateway.core.asgi.respond import end, respond, send_chunk, start_sse
from mcp_gateway.core.asgi.types import Receive, Scope, Send
from tests.core.asgi.edge import GET, HOST, Echo, one_response, post, reset, serving, until_closed

CHUNKED = b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


async def test_a_connection_serves_many_requests() -> None:
    async with serving(Echo()) as edge:
        reader, writer = await edge.connect()
        for number in range(50):
            writer.write(post(b"x" * number))
            assert await one_response(reader) == (200, b"POST /a %d;" % number)
        assert edge.server.counters.accepted == 1


async def test_a_request_that_was_answered_is_not_left_to_the_collector() -> None:
    met: list[weakref.ref[Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        met.append(weakref.ref(scope["extensions"][EXTENSION].__self__))
        with watch(receive, lambda: None, scope=scope):
            await respond(send, 200, b"ok")

    gc.disable()
    try:
        async with serving(app) as edge:
            reader, writer = await edge.connect()
            for _ in range(3):
                writer.write(GET)
                assert await one_response(reader) == (200, b"ok")
            assert [each() for each in met[:-1]] == [None, None]
    finally:
        gc.enable()


async def test_a_request_may_come_byte_by_byte() -> None:
    async with serving(Echo()) as edge:
        reader, writer = await edge.connect()
        for byte in post(b"abc", b"X-Long: " + b"v" * 50):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        assert await one_response(reader) == (200, b"POST /a 3;")


async def test_white_space_around_header_values_is_removed() -> None:
    app = Echo()
    async with serving(app) as edge:
        reader, writer = await edge.connect()
        writer.write(GET[:-2] + b"Mcp-Name: \t echo \t \r\nX-Empty:  \r\nX-Inner: a \t b\r\n\r\n")
        await one_response(reader)
    headers = app.scopes[0]["headers"]
    assert headers == [(b"host", b"gw.test"), (b"mcp-name", b"echo"), (b"x-empty", b""), (b"x-inner", b"a \t b")]


async def test_trailers_do_not_become_headers() -> None:
    app = Echo()
    async with serving(app) as edge:
        reader, writer = await edge.connect()
        writer.write(CHUNKED + b"3\r\nabc\r\n0\r\nAuthorization: Bearer stolen\r\n\r\n")
        assert await one_response(reader) == (200, b"POST /a 3;")
    assert b"authorization" not in dict(app.scopes[0]["headers"])


async def test_an_offer_to_upgrade_is_ignored_and_the_body_kept() -> None:
    app = Echo()
    offer = (b"Connection: Upgrade, HTTP2-Settings, X-Other", b"Upgrade: h2c", b"HTTP2-Settings: AAMA")
    async with serving(app) as edge:
        reader, writer = await edge.connect()
        writer.write(post(b"abc", *offer) + post(b"defg", *offer) + GET)
        for expected in (b"POST /a 3;", b"POST /a 4;", b"GET /a 0;"):
            assert await one_response(reader) == (200, expected)
    names = [name for name, _ in app.scopes[0]["headers"]]
    assert names == [b"host", b"connection", b"content-length"]
    assert app.bodies == [b"abc", b"defg", b""]


async def test_a_websocket_handshake_is_an_ordinary_request() -> None:
    async with serving(Echo()) as edge:
        reader, writer = await edge.connect()
        writer.write(GET[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n")
        assert await one_response(reader) == (200, b"GET /a 0;")


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        (b"/a/b?x=1&y=?", "/a/b", b"/a/b", b"x=1&y=?"),
        (b"/a%2Fb%20c", "/a/b c", b"/a%2Fb%20c", b""),
        (b"/%C3%A9/", "/é/", b"/%C3%A9/", b""),
        (b"http://gw.test/a?b", "/a", b"/a", b"b"),
        (b"HTTP://GW.test", "/", b"/", b""),
        (b"http://gw.test?b", "/", b"/", b"b"),
        (b"/.well-known/x", "/.well-known/x", b"/.well-known/x", b""),
        (b"/A;b=c", "/A;b=c", b"/A;b=c", b""),
    ],
)
async def test_targets(target: bytes, path: str, raw_path: bytes, query: bytes) -> None:
    app = Echo()
    async with serving(app) as edge:
        reader, writer = await edge.connect()
        writer.write(b"GET %s HTTP/1.1\r\n%s\r\n" % (target, HOST))
        await reader.readuntil(b";")
    assert (app.scopes[0]["path"], app.scopes[0]["raw_path"], app.scopes[0]["query_string"]) == (path, raw_path, query)


async def test_a_client_that_expects_100_gets_one_when_the_body_is_wanted() -> None:
    async with serving(Echo()) as edge:
        reader, writer = await edge.connect()
        writer.write(b"POST /a HTTP/1.1\r\n" + HOST + b"Expect: 100-Continue\r\nContent-Length: 3\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert await one_response(reader) == (200, b"POST /a 3;")
        writer.write(post(b"abc", b"Expect: 100-continue"))
        assert await one_response(reader) == (200, b"POST /a 3;"), "no 100 for a body that is there already"
        writer.write(GET[:-2] + b"Expect: 100-continue\r\n\r\n")
        assert await one_response(reader) == (200, b"GET /a 0;"), "no 100 where there is no body"


async def test_http_1_0_closes_after_the_answer() -> None:
    async with serving(Echo()) as edge:
        answer = await edge.exchange(b"GET /a HTTP/1.0\r\n\r\n")
    assert b"connection: close" in answer and answer.endswith(b"GET /a 0;")


async def test_pipelined_requests_are_answered_in_order_up_to_the_cap() -> None:
    async with serving(Echo(), EdgeLimits(pipelined=3)) as edge:
        requests = b"".join(post(b"x", path=b"/%d" % number) for number in range(10))
        answer = await edge.exchange(requests)
    assert [answer.find(b"POST /%d 1;" % number) > 0 for number in range(10)] == [True] * 4 + [False] * 6
    assert answer.count(b"HTTP/1.1 ") == 5 and b"HTTP/1.1 503 " in answer


async def test_a_bad_request_behind_good_ones_waits_for_its_turn() -> None:
    async with serving(Echo()) as edge:
        answer = await edge.exchange(GET + post(b"abc") + b"POST /b HTTP/1.1\r\n\r\n" + GET)
    assert answer.index(b"GET /a 0;") < answer.index(b"POST /a 3;") < answer.index(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 3


async def test_a_body_over_the_limit_in_a_queued_request_waits_for_its_turn() -> None:
    app = Echo()
    async with serving(app, EdgeLimits(body_bytes=10)) as edge:
        answer = await edge.exchange(GET + CHUNKED + b"b\r\n" + b"x" * 11 + b"\r\n0\r\n\r\n")
    assert answer.index(b"GET /a 0;") < answer.index(b"HTTP/1.1 413 ")
    assert len(app.scopes) == 1


async def test_above_the_cap_the_longest_idle_connection_makes_room() -> None:
    async with serving(Echo(), EdgeLimits(connections=3)) as edge:
        idle = [await edge.connect() for _ in range(3)]
        await edge.settled(lambda: edge.server.counters.open == 3)
        reader, writer = await edge.connect()
        writer.write(GET)
        assert (await one_response(reader))[0] == 200
        assert edge.server.counters.evicted == 1
        done, _ = await asyncio.wait(
            [asyncio.ensure_future(until_closed(r)) for r, _ in idle], return_when="FIRST_COMPLETED"
        )
        assert len(done) == 1


async def test_above_the_cap_busy_connections_stay_and_the_new_one_is_told() -> None:
    release = asyncio.Event()

    async def held(scope: Scope, receive: Receive, send: Send) -> None:
        await release.wait()
        await respond(send, 200)

    async with serving(held, EdgeLimits(connections=2)) as edge:
        busy = [await edge.connect() for _ in range(2)]
        for _, writer in busy:
            writer.write(GET)
        await edge.settled(lambda: len(edge.server.server_state.tasks) == 2)
        answer = await edge.exchange()
        assert answer.startswith(b"HTTP/1.1 503 ") and b"overloaded" in answer and b"retry-after: 1" in answer
        release.set()
        for reader, _ in busy:
            assert (await one_response(reader))[0] == 200


async def test_the_edge_tells_a_watcher_that_the_client_left_even_behind_a_pipeline() -> None:
    left = asyncio.Event()

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        with watch(receive, left.set, scope=scope):
            await left.wait()

    async with serving(waiting) as edge:
        _, writer = await edge.connect()
        writer.write(GET + GET)
        await edge.settled(lambda: len(edge.server.server_state.tasks) == 1)
        reset(writer)
        async with asyncio.timeout(10):
            await left.wait()
        assert edge.server.server_state.total_requests == 0


@pytest.mark.parametrize(
    "sent", [0, 5, len(GET), -30, -1, None], ids=["nothing", "line", "head", "tail", "body", "all"]
)
async def test_a_reset_at_any_stage_leaves_nothing_behind(sent: int | None, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    app = Echo()
    async with serving(app) as edge:
        for _ in range(50):
            _, writer = await edge.connect()
            writer.write(post(b"x" * 200_000)[:sent])
            await writer.drain()
            reset(writer)
        reader, writer = await edge.connect()
        writer.write(GET)
        assert (await one_response(reader))[0] == 200
        await edge.settled(lambda: edge.server.counters.open == 1 and not edge.server.server_state.tasks)
    assert caplog.records == []


async def test_a_reset_in_the_middle_of_a_response_leaves_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.Event()
        await receive()
        with watch(receive, gone.set, scope=scope):
            await start_sse(send)
            while not gone.is_set():
                await send_chunk(send, b"data: x\n\n" * 1000)
                await asyncio.sleep(0)
        await end(send)

    async with serving(stream) as edge:
        for _ in range(20):
            reader, writer = await edge.connect()
            writer.write(GET)
            await reader.readexactly(1000)
            reset(writer)
        await edge.settled(lambda: edge.server.counters.open == 0 and not edge.server.server_state.tasks)
    assert caplog.records == []


@pytest.mark.parametrize("header", [(b"x", b"a\r\nb: c"), (b"x", b"a\nb"), (b"x\r\ny", b"z"), (b"x", b"a\0b")], ids=str)
async def test_a_response_header_cannot_split_the_response(
    header: tuple[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    async def split(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, 200, b"", [header])

    async with serving(split) as edge:
        reader, writer = await edge.connect()
        writer.write(GET)
        assert (await one_response(reader))[0] == 500
    assert "Exception in ASGI application" in caplog.text


async def test_responses_of_every_shape() -> None:
    async def shapes(scope: Scope, receive: Receive, send: Send) -> None:
        match scope["path"]:
            case "/204":
                await respond(send, 204)
            case "/304":
                await respond(send, 304)
            case "/close":
                await respond(send, 200, b"bye", [(b"connection", b"close")])
            case "/chunks":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send_chunk(send, b"one")
                await end(send, b"two")
            case "/pieces":
                await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Length", b"6")]})
                await send_chunk(send, b"one")
                await end(send, b"two")
            case _:
                await respond(send, 200, b"body")

    async with serving(shapes) as edge:
        get = b"".join(b"GET /%s HTTP/1.1\r\n%s\r\n" % (path, HOST) for path in (b"204", b"304", b"chunks", b"pieces"))
        answer = await edge.exchange(
            get + b"HEAD /x HTTP/1.1\r\n" + HOST + b"\r\nGET /close HTTP/1.1\r\n" + HOST + b"\r\n"
        )
    parts = answer.split(b"HTTP/1.1 ")[1:]
    assert [part[:3] for part in parts] == [b"204", b"304", b"200", b"200", b"200", b"200"]
    assert all(b"content-length" not in part and b"transfer-encoding" not in part for part in parts[:2])
    assert parts[2].endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n") and b"transfer-encoding: chunked" in parts[2]
    assert parts[3].endswith(b"content-length: 6\r\n\r\nonetwo")
    assert b"content-length: 4" in parts[4] and parts[4].endswith(b"\r\n\r\n")
    assert b"connection: close" in parts[5] and parts[5].endswith(b"bye")


async def test_a_response_shorter_than_announced_closes_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def short(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
        await end(send, b"short")

    async with serving(short) as edge:
        answer = await edge.exchange(GET)
    assert answer == b"", "a head that announces what does not follow is not sent at all"
    assert "not as long as its Content-Length" in caplog.text


async def test_a_stream_and_its_first_piece_leave_in_one_write() -> None:
    written: list[bytes] = []
    transport: Any = SimpleNamespace(write=written.append, close=lambda: None)
    cycle = EdgeCycle(
        scope={"type": "http", "method": "GET"},  # type: ignore[typeddict-item]  # nothing else is read of it
        transport=transport,
        flow=FlowControl(transport),
        logger=logging.getLogger(),
        access_logger=logging.getLogger(),
        access_log=False,
        default_headers=[],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=True,
        on_response=lambda: None,
    )
    send: Any = cycle.send
    await start_sse(send, first=b"data: 1\n\n")
    (together,) = written
    assert together.startswith(b"HTTP/1.1 200 OK\r\n") and together.endswith(b"\r\n\r\n9\r\ndata: 1\n\n\r\n")
    await send_chunk(send, b"")
    await send_chunk(send, b"data: 2\n\n")
    await end(send, b"data: 3\n\n")
    assert written[1:] == [b"9\r\ndata: 2\n\n\r\n", b"9\r\ndata: 3\n\n\r\n0\r\n\r\n"]
    assert cycle.response_complete
