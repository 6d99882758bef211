"""Upstreams that misbehave: a typed error within the deadline, and a client that goes on working."""

import asyncio
import socket

import pytest

from mcp_gateway.core.egress.client import HttpClient
from mcp_gateway.core.egress.limits import ResponseLimits
from mcp_gateway.core.egress.origin import Origin
from mcp_gateway.core.errors import ProtocolViolation, TimedOut, Unreachable, UpstreamError
from tests.core.egress_double import (
    GUARD,
    JSON_OK,
    SSE_HEAD,
    Peer,
    Script,
    always,
    answer_and_hold,
    chunk,
    client_of,
    fetch,
    ok,
    once,
    serve,
    soon,
    until,
)

H = b"HTTP/1.1 200 OK\r\n"
CHUNKED = H + b"Transfer-Encoding: chunked\r\n\r\n"


async def attempt(script: Script, *, limits: ResponseLimits | None = None, seconds: float = 10.0) -> bytes:
    """One request to a server that follows `script`; afterwards nothing may be left in use."""
    async with serve(script) as server, client_of(server, limits=limits) as client:
        try:
            return await fetch(client, deadline=soon(seconds))
        finally:
            assert client.stats.active == 0
            await until(lambda: server.open == client.stats.idle)


async def test_a_refused_connection_was_certainly_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = HttpClient(Origin("http", "127.0.0.1", port), guard=GUARD)
    with pytest.raises(Unreachable) as caught:
        await fetch(client)
    assert caught.value.sent is False
    assert client.stats.open == 0
    await client.close()


async def hang(peer: Peer) -> None:
    await peer.closed()


async def close_unasked(peer: Peer) -> None:
    await peer.request()


async def reset_unasked(peer: Peer) -> None:
    await peer.request()
    peer.reset()


async def test_an_upstream_that_never_answers_times_out_and_may_have_acted() -> None:
    with pytest.raises(TimedOut) as caught:
        await attempt(hang, seconds=0.05)
    assert caught.value.sent is True


async def test_an_upstream_that_hangs_after_the_headers_times_out() -> None:
    with pytest.raises(TimedOut):
        await attempt(answer_and_hold(H + b"Content-Length: 99999\r\n\r\nabc"), seconds=0.05)
    with pytest.raises(TimedOut):
        await attempt(answer_and_hold(H + b"Content-Length: 5\r\n\r\nabc"), seconds=0.05)


@pytest.mark.parametrize(
    "prefix", [b"", H, H + b"x-long: ", CHUNKED + b"ffff\r\n", CHUNKED + b"1;", CHUNKED + b"0\r\nx: "]
)
async def test_a_trickle_ends_at_the_deadline(prefix: bytes) -> None:
    async def trickle(peer: Peer) -> None:
        await peer.request()
        peer.send(prefix)
        for byte in (prefix and b"a" * 10_000) or JSON_OK * 100:
            if peer.writer.is_closing():
                return
            peer.send(bytes([byte]))
            await asyncio.sleep(0.002)

    with pytest.raises(TimedOut):
        await attempt(trickle, seconds=0.1)


@pytest.mark.parametrize("script", [close_unasked, reset_unasked])
async def test_a_connection_that_closes_before_answering_is_ambiguous(script: Script) -> None:
    with pytest.raises(Unreachable) as caught:
        await attempt(script)
    assert caught.value.sent is True


async def test_a_reset_in_the_middle_of_a_body() -> None:
    arrived = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(CHUNKED + chunk(b"part"))
        await arrived.wait()
        peer.reset()

    async with serve(script) as server, client_of(server) as client:
        response = await client.request("POST", "/", (), b"{}", deadline=soon())
        assert await response.receive(soon()) == b"part"
        arrived.set()
        with pytest.raises(UpstreamError):
            await response.read(soon())
        assert client.stats.open == 0


@pytest.mark.parametrize(
    "response",
    [
        H + b"Content-Length: 10\r\n\r\nshort",
        H + b"Content-Length: 100000\r\n\r\nshort",
        CHUNKED + b"5\r\nab",
        CHUNKED + chunk(b"abc"),
        CHUNKED + chunk(b"abc") + b"0\r\n",
    ],
)
async def test_an_early_end_is_not_taken_for_the_end(response: bytes) -> None:
    with pytest.raises(ProtocolViolation, match="ended before"):
        await attempt(once(response))


@pytest.mark.parametrize("response", [b"HTTP/1.1 2", H, H + b"Content-Length: 1"])
async def test_an_end_within_the_head_is_a_broken_connection(response: bytes) -> None:
    with pytest.raises(Unreachable) as caught:
        await attempt(once(response))
    assert caught.value.sent is True


@pytest.mark.parametrize(
    "response",
    [
        b"garbage\r\n\r\n",
        b"<html>HTTP 0.9</html>",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"\x00" * 100,
        b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 600 High\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 9 + JSON_OK,
        H + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        H + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
        H + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        H + b"Content-Length: -1\r\n\r\n",
        H + b"Content-Length: 99999999999999999999\r\n\r\n",
        H + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        H + b"Transfer-Encoding: identity\r\n\r\nabc",
        H + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08",
        H + b"Content-Encoding: br\r\nContent-Length: 0\r\n\r\n",
        H + b"Content-Encoding: identity\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
        H + b"x: a\0b\r\nContent-Length: 0\r\n\r\n",
        H + b"x: a\r\n folded\r\nContent-Length: 0\r\n\r\n",
        H + b"x : a\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        CHUNKED + b"zz\r\n",
        CHUNKED + b"fffffffffffffffff\r\n",
        CHUNKED + b"2\r\nabc\r\n",
        CHUNKED + b"0\r\nContent-Length: 3\r\n\r\n",
    ],
)
async def test_what_is_not_strict_http_is_a_protocol_violation(response: bytes) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        await attempt(answer_and_hold(response))
    assert "OpenSSH" not in caught.value.message


@pytest.mark.parametrize(
    "head",
    [
        H + b"x: " + b"a" * 100_000 + b"\r\n\r\n",
        H + b"x: a\r\n" * 20_000 + b"\r\n",
        H + b"".join(b"x-%d: a\r\n" % number for number in range(200)) + b"\r\n",
        H + b"Content-Length: 0\r\nx: " + b"a" * 66_000 + b"\r\n\r\n",
    ],
)
async def test_long_headers_are_cut(head: bytes) -> None:
    with pytest.raises(ProtocolViolation, match="too long"):
        await attempt(answer_and_hold(head))


@pytest.mark.parametrize(
    ("prefix", "piece"),
    [
        (H + b"x: ", b"a" * 65536),
        (b"HTTP/1.1 200 ", b"a" * 65536),
        (H, b"x: y\r\n" * 100),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
        (CHUNKED + chunk(b"a") + b"0\r\nx: ", b"a" * 65536),
        (CHUNKED + chunk(b"a") + b"0\r\n", b"x: y\r\n" * 100),
        (CHUNKED + b"1;", b"a" * 65536),
        (CHUNKED, chunk(b"a" * 1000)),
        (H + b"\r\n", b"a" * 65536),
    ],
)
async def test_what_never_ends_is_cut_at_its_cap(prefix: bytes, piece: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(prefix)
        await peer.flood(piece)

    with pytest.raises(ProtocolViolation):
        await attempt(script, limits=ResponseLimits(body_bytes=300_000))


async def test_a_gigabyte_that_is_only_announced_is_refused_at_once() -> None:
    with pytest.raises(ProtocolViolation, match="exceeds"):
        await attempt(answer_and_hold(H + b"Content-Length: 1073741824\r\n\r\n"))


async def test_a_body_of_exactly_the_cap_passes() -> None:
    limits = ResponseLimits(body_bytes=200_000)
    body = b"x" * 200_000
    assert await attempt(always(ok(body)), limits=limits) == body
    assert await attempt(once(H + b"\r\n" + body), limits=limits) == body
    with pytest.raises(ProtocolViolation, match="exceeds"):
        await attempt(always(CHUNKED + chunk(body + b"x") + chunk(b"")), limits=limits)
    with pytest.raises(ProtocolViolation, match="exceeds"):
        await attempt(always(ok(b"{}x")), limits=ResponseLimits(body_bytes=2))


async def test_other_requests_are_not_disturbed_by_one_that_hangs() -> None:
    async def script(peer: Peer) -> None:
        while request := await peer.request():
            if request.startswith(b"POST /hang"):
                peer.send(SSE_HEAD)
            else:
                peer.send(JSON_OK)

    async with serve(script) as server, client_of(server) as client:
        hanging = asyncio.ensure_future(fetch(client, "/hang"))
        await until(lambda: server.connections == 1)
        for _ in range(20):
            assert await fetch(client) == b'{"ok":true}'
        assert server.connections == 2
        hanging.cancel()
        await asyncio.wait([hanging])
        assert client.stats.active == 0
