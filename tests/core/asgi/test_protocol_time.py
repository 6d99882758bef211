"""Deadlines of the edge: every wait for a client ends. The tests wait for the close, never for the clock."""

from __future__ import annotations

import asyncio

import pytest

from mcp_gateway.core.asgi.limits import EdgeLimits
from mcp_gateway.core.asgi.pace import BodyPace
from mcp_gateway.core.asgi.respond import end, respond, send_chunk, start_sse
from mcp_gateway.core.asgi.types import Receive, Scope, Send
from tests.core.asgi.edge import GET, HOST, Echo, one_response, post, serving, until_closed

NEVER = 3600.0
PATIENT = EdgeLimits(
    header_timeout=NEVER, body_timeout=NEVER, body_window=NEVER, keep_alive_timeout=NEVER, write_timeout=NEVER
)


def only(**quick: float) -> EdgeLimits:
    """Limits under which nothing but `quick` can close a connection."""
    named = {name: getattr(PATIENT, name) for name in PATIENT.__slots__}
    return EdgeLimits(**{**named, **quick})


async def test_a_silent_connection_is_closed_without_an_answer() -> None:
    async with serving(Echo(), only(header_timeout=0.05)) as edge:
        assert await edge.exchange() == b""


async def test_a_half_sent_head_is_answered_408() -> None:
    app = Echo()
    async with serving(app, only(header_timeout=0.05)) as edge:
        assert (await edge.exchange(b"GET /a HT")).startswith(b"HTTP/1.1 408 ")
        assert (await edge.exchange(GET[:-2])).startswith(b"HTTP/1.1 408 ")
    assert app.scopes == []


async def test_a_head_that_trickles_in_is_answered_408_at_the_deadline() -> None:
    async with serving(Echo(), only(header_timeout=0.2)) as edge:
        reader, writer = await edge.connect()
        closed = asyncio.ensure_future(until_closed(reader))
        writer.write(GET[:-2] + b"X: ")
        while not closed.done():
            writer.write(b"x")
            await asyncio.sleep(0.01)
        assert (await closed).startswith(b"HTTP/1.1 408 ")


async def test_line_breaks_before_a_request_do_not_hold_the_clock() -> None:
    async with serving(Echo(), only(header_timeout=0.05)) as edge:
        assert (await edge.exchange(b"\r\n" * 10)).startswith(b"HTTP/1.1 408 ")


async def test_the_head_of_a_later_request_has_its_own_deadline() -> None:
    async with serving(Echo(), only(header_timeout=0.3)) as edge:
        reader, writer = await edge.connect()
        for _ in range(3):
            writer.write(GET)
            assert (await one_response(reader))[0] == 200
        writer.write(b"GET /b")
        assert (await until_closed(reader)).startswith(b"HTTP/1.1 408 ")


async def test_an_idle_connection_is_closed_without_an_answer() -> None:
    async with serving(Echo(), only(keep_alive_timeout=0.05)) as edge:
        reader, writer = await edge.connect()
        writer.write(GET)
        assert (await one_response(reader))[0] == 200
        assert await until_closed(reader) == b""


async def test_a_body_that_stops_is_answered_408_and_the_app_sees_a_disconnect() -> None:
    app = Echo()
    async with serving(app, only(body_timeout=0.05)) as edge:
        assert (await edge.exchange(post(b"x" * 10)[:-5])).startswith(b"HTTP/1.1 408 ")
        await edge.settled(lambda: app.gone == 1)
    assert app.bodies == []


async def test_a_body_slower_than_the_rate_is_answered_408() -> None:
    async with serving(Echo(), only(body_window=0.1, body_rate=1000)) as edge:
        reader, writer = await edge.connect()
        writer.write(b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 100000\r\n\r\n")
        closed = asyncio.ensure_future(until_closed(reader))
        while not closed.done():
            writer.write(b"x")
            await asyncio.sleep(0.01)
        assert (await closed).startswith(b"HTTP/1.1 408 ")


async def test_the_app_may_take_its_time_to_ask_for_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    release = asyncio.Event()
    starts: list[float] = []
    original = BodyPace.start

    def counted(pace: BodyPace, now: float, received: int) -> float:
        starts.append(now)
        return original(pace, now, received)

    monkeypatch.setattr(BodyPace, "start", counted)

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await release.wait()
        await Echo()(scope, receive, send)

    async with serving(slow, only(body_timeout=0.05, body_window=0.05)) as edge:
        reader, writer = await edge.connect()
        writer.write(b"POST /a HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        await edge.settled(lambda: len(starts) > 3)  # several deadlines have passed
        release.set()
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert await one_response(reader) == (200, b"POST /a 3;")


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    disconnected = asyncio.Event()

    async def flood(scope: Scope, receive: Receive, send: Send) -> None:
        await start_sse(send)
        while not disconnected.is_set():
            await send_chunk(send, b"x" * 65536)
            if (await asyncio.wait([watching], timeout=0))[0]:
                disconnected.set()
        await end(send)

    async with serving(flood, only(write_timeout=0.1)) as edge:
        watching = asyncio.ensure_future(
            edge.settled(lambda: edge.server.counters.accepted == 1 and edge.server.counters.open == 0)
        )
        reader, writer = await edge.connect()
        reader._transport.pause_reading()  # type: ignore[attr-defined]  # the one way to stop a stream reader from reading
        writer.write(GET)
        await watching


async def test_an_early_answer_does_not_let_the_rest_of_the_body_in_forever() -> None:
    async def hasty(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, 401)

    async with serving(hasty, only(body_timeout=0.1)) as edge:
        reader, writer = await edge.connect()
        writer.write(b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\nabc")
        assert (await one_response(reader))[0] == 401
        assert await until_closed(reader) == b""


async def test_an_early_answer_keeps_the_connection_if_the_body_comes_in_time() -> None:
    async def hasty(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, 401)

    async with serving(hasty, PATIENT) as edge:
        reader, writer = await edge.connect()
        for _ in range(3):
            writer.write(b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 6\r\n\r\nabc")
            assert (await one_response(reader))[0] == 401
            writer.write(b"def")


async def test_a_slow_head_does_not_take_the_answer_of_the_request_before_it() -> None:
    release = asyncio.Event()

    async def held(scope: Scope, receive: Receive, send: Send) -> None:
        await release.wait()
        await respond(send, 200, b"late")

    async with serving(held, only(header_timeout=0.05)) as edge:
        reader, writer = await edge.connect()
        writer.write(GET + b"GET /b HT")
        await edge.settled(lambda: edge.server.counters.refused.total() == 1)
        release.set()
        assert await one_response(reader) == (200, b"late")
        assert (await one_response(reader))[0] == 408


async def test_two_hundred_idle_connections_do_not_delay_a_request_and_are_closed() -> None:
    async with serving(Echo(), only(header_timeout=1.0)) as edge:
        for number in range(200):
            _, writer = await edge.connect()
            writer.write(GET[: number % len(GET)])
        reader, writer = await edge.connect()
        writer.write(GET)
        assert (await one_response(reader))[0] == 200
        await edge.settled(lambda: edge.server.counters.open == 1)
