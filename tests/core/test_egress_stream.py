"""Bodies as they come: order, pace, ends, and the cancellation of a stream."""

import asyncio

import pytest

from mcp_gateway.core.egress.response import HIGH_WATER
from mcp_gateway.core.errors import ProtocolViolation, TimedOut, UpstreamError
from mcp_gateway.core.sse import SseDecoder, encode_event
from tests.core.egress_double import (
    JSON_OK,
    SSE_HEAD,
    Peer,
    answer_and_hold,
    chunk,
    client_of,
    fetch,
    once,
    serve,
    soon,
    until,
)


async def test_pieces_arrive_while_the_stream_is_open() -> None:
    turn = asyncio.Semaphore(0)

    async def script(peer: Peer) -> None:
        while await peer.request():
            peer.send(SSE_HEAD)
            for number in range(5):
                await turn.acquire()
                peer.send(chunk(encode_event(b'{"n":%d}' % number)))
            peer.send(chunk(b""))

    async with serve(script) as server, client_of(server) as client:
        for _ in range(2):
            decoder = SseDecoder()
            events: list[bytes] = []
            with await client.request("POST", "/", (), b"{}", deadline=soon()) as response:
                assert response.headers[b"content-type"] == b"text/event-stream"
                turn.release()
                async for piece in response.stream(idle_timeout=10, deadline=soon()):
                    events += [event.data for event in decoder.feed(piece)]
                    turn.release()
            assert events == [b'{"n":%d}' % number for number in range(5)]
            assert response.complete
            while not turn.locked():
                await turn.acquire()
        assert (server.connections, client.stats.idle) == (1, 1)


async def test_a_slow_reader_slows_the_sender_down() -> None:
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        peer.send(SSE_HEAD)
        piece = chunk(b"x" * 65536)
        try:
            while True:
                peer.send(piece)
                await peer.writer.drain()
                sent += len(piece)
        except ConnectionError:
            return

    async with serve(script) as server, client_of(server) as client:
        response = await client.request("GET", "/", (), b"", deadline=soon())
        last, quiet = -1, 0
        while quiet < 200:  # turns of the loop without progress: buffers are full on both sides
            quiet = quiet + 1 if sent == last else 0
            last = sent
            await asyncio.sleep(0)
        assert sent < 64 * 1024 * 1024
        taken = 0
        while taken < 2 * sent and taken < 32 * 1024 * 1024:
            piece = await response.receive(soon())
            assert len(piece) <= HIGH_WATER + 256 * 1024
            taken += len(piece)
        assert sent > last
        response.abort()
        await until(lambda: server.open == 0)
        assert client.stats.open == 0


async def test_an_infinite_stream_ends_at_its_deadline() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(SSE_HEAD)
        await peer.flood(chunk(encode_event(b"{}")))

    async with serve(script) as server, client_of(server) as client:
        response = await client.request("GET", "/", (), b"", deadline=soon())
        with pytest.raises(TimedOut):
            async for piece in response.stream(idle_timeout=5, deadline=soon(0.2)):
                assert piece
                await asyncio.sleep(0)
        assert client.stats.open == 0
        await until(lambda: server.open == 0)


async def test_silence_ends_a_stream() -> None:
    async with serve(answer_and_hold(SSE_HEAD + chunk(b"a"))) as server, client_of(server) as client:
        response = await client.request("GET", "/", (), b"", deadline=soon())
        got = []
        with pytest.raises(TimedOut):
            async for piece in response.stream(idle_timeout=0.05, deadline=soon()):
                got.append(piece)
        assert got == [b"a"]
        assert client.stats.open == 0


async def test_what_came_before_the_break_is_delivered_first() -> None:
    async with serve(once(SSE_HEAD + chunk(b"a") + b"5\r\nbc")) as server, client_of(server) as client:
        response = await client.request("GET", "/", (), b"", deadline=soon())
        await until(lambda: client.stats.open == 0)
        got = b""
        with pytest.raises(ProtocolViolation, match="ended before"):
            async for piece in response.stream(idle_timeout=5, deadline=soon()):
                got += piece
        assert got == b"abc"


async def test_a_stream_that_ends_with_its_connection() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    async with serve(once(head + b"data: 1\n\n")) as server, client_of(server) as client:
        response = await client.request("GET", "/", (), b"", deadline=soon())
        assert [piece async for piece in response.stream(idle_timeout=5, deadline=soon())] == [b"data: 1\n\n"]


async def test_leaving_the_with_block_closes_an_unfinished_stream() -> None:
    async with serve(answer_and_hold(SSE_HEAD + chunk(b"a"))) as server, client_of(server) as client:
        with await client.request("GET", "/", (), b"", deadline=soon()) as response:
            async for _ in response.stream(idle_timeout=5, deadline=soon()):
                break
        assert client.stats.open == 0
        with pytest.raises(UpstreamError, match="abandoned"):
            await response.read(soon())
        await until(lambda: server.open == 0)


async def test_aborting_a_complete_response_leaves_its_connection_to_others() -> None:
    async def script(peer: Peer) -> None:
        while await peer.request():
            peer.send(JSON_OK)

    async with serve(script) as server, client_of(server) as client:
        response = await client.request("GET", "/", (), b"", deadline=soon())
        second = asyncio.ensure_future(fetch(client))
        await asyncio.sleep(0)
        response.abort()
        assert await second == await response.read(soon()) == b'{"ok":true}'
        assert server.connections == 1


async def test_a_head_that_comes_late_in_many_packets() -> None:
    async def script(peer: Peer) -> None:
        while await peer.request():
            for byte in JSON_OK:
                peer.send(bytes([byte]))
                await asyncio.sleep(0)

    async with serve(script) as server, client_of(server) as client:
        for _ in range(3):
            assert await fetch(client) == b'{"ok":true}'
        assert server.connections == 1
