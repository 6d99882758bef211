"""What a well-behaved upstream gets and gives: reuse, framing, statuses, small and large bodies."""

import asyncio

import pytest

from mcp_gateway.core.egress.addresses import AddressPolicy
from mcp_gateway.core.egress.client import HttpClient
from mcp_gateway.core.egress.guard import AddressGuard
from mcp_gateway.core.errors import TimedOut, Unreachable
from tests.core.egress_double import (
    JSON_OK,
    Peer,
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


async def test_the_request_arrives_as_given_and_the_answer_comes_back() -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.request())
        peer.send(b"HTTP/1.1 202 Accepted\r\nX-One: a \r\nx-one: b\r\nContent-Length: 0\r\n\r\n")

    async with serve(script) as server, client_of(server) as client:
        template = client.prepare("POST", "/mcp?x=1", [(b"accept", b"application/json")])
        response = await client.send(template, [(b"mcp-name", b"echo")], b'{"a":1}', deadline=soon())
        assert (response.status, response.headers[b"x-one"], await response.read(soon())) == (202, b"a, b", b"")
        assert seen == [
            b"POST /mcp?x=1 HTTP/1.1\r\nhost: 127.0.0.1:%d\r\naccept-encoding: identity\r\naccept: application/json\r\n"
            b'mcp-name: echo\r\ncontent-length: 7\r\n\r\n{"a":1}' % server.origin.port
        ]


async def test_one_connection_serves_many_requests() -> None:
    async with serve(always(JSON_OK)) as server, client_of(server) as client:
        for _ in range(50):
            assert await fetch(client) == b'{"ok":true}'
        assert server.connections == 1
        assert (client.stats.open, client.stats.idle, client.stats.active) == (1, 1, 0)


@pytest.mark.parametrize(
    ("response", "body", "reusable"),
    [
        (ok(b"hello"), b"hello", True),
        (ok(b""), b"", True),
        (CHUNKED + chunk(b"he") + chunk(b"llo") + chunk(b""), b"hello", True),
        (CHUNKED + b"5;ext=1\r\nhello\r\n0\r\nX-Trailer: a\r\n\r\n", b"hello", True),
        (
            H + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"{}") + chunk(b""),
            b"{}",
            True,
        ),
        (ok(b"hello", b"Connection: close\r\n"), b"hello", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", b"ok", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", b"", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok(b"hello"), b"hello", True),
        (ok(b"hello", b"Connection: upgrade\r\nUpgrade: h2c\r\n"), b"hello", True),
        (ok(b"hello", b"Content-Encoding: Identity\r\n"), b"hello", True),
    ],
)
async def test_framings(response: bytes, body: bytes, reusable: bool) -> None:
    async with serve(always(response)) as server, client_of(server) as client:
        for _ in range(3):
            assert await fetch(client) == body
        assert server.connections == (1 if reusable else 3)
        assert client.stats.active == 0


async def test_headers_of_an_interim_response_and_of_trailers_are_not_the_responses() -> None:
    answer = (
        b"HTTP/1.1 103 Early Hints\r\nx-a: 1\r\n\r\n"
        + H
        + b"x-b: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx-c: 3\r\n\r\n"
    )
    async with serve(always(answer)) as server, client_of(server) as client:
        response = await client.request("GET", "/", (), b"", deadline=soon())
        await response.read(soon())
        assert set(response.headers) == {b"x-b", b"transfer-encoding"}


@pytest.mark.parametrize("response", [H + b"\r\nhello", H + b"Content-Type: application/json\r\n\r\nhello"])
async def test_a_body_that_the_connections_end_delimits(response: bytes) -> None:
    async with serve(once(response)) as server, client_of(server) as client:
        assert await fetch(client) == b"hello"
        assert await fetch(client) == b"hello"
        assert client.stats.open == 0


async def test_head_has_no_body_whatever_the_headers_say() -> None:
    async with serve(always(H + b"Content-Length: 500\r\n\r\n")) as server, client_of(server) as client:
        for _ in range(2):
            response = await client.request("HEAD", "/", (), b"", deadline=soon())
            assert (response.status, await response.read(soon())) == (200, b"")
        assert client.stats.active == 0


@pytest.mark.parametrize("status", [b"301 Moved", b"307 Temporary", b"401 No", b"404 Not", b"500 Oops", b"503 Busy"])
async def test_a_redirect_or_an_error_is_handed_over_and_not_acted_on(status: bytes) -> None:
    answer = b"HTTP/1.1 %b\r\nLocation: http://169.254.169.254/\r\nContent-Length: 2\r\n\r\nxx" % status
    async with serve(always(answer)) as server, client_of(server) as client:
        response = await client.request("POST", "/", (), b"{}", deadline=soon())
        assert response.status == int(status[:3])
        assert response.headers[b"location"] == b"http://169.254.169.254/"
        assert await response.read(soon()) == b"xx"
        assert server.connections == 1


async def test_the_head_is_there_before_a_long_body_and_the_body_with_a_short_one() -> None:
    finish = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(CHUNKED + chunk(b"a"))
        await finish.wait()
        peer.send(chunk(b"b") + chunk(b""))
        await peer.request()
        peer.send(H + b"Content-Length: 5\r\n\r\n")
        await asyncio.sleep(0)
        peer.send(b"hello")
        await peer.closed()

    async with serve(script) as server, client_of(server) as client:
        response = await client.request("POST", "/", (), b"", deadline=soon())
        assert not response.complete
        finish.set()
        assert await response.read(soon()) == b"ab"
        response = await client.request("POST", "/", (), b"", deadline=soon())
        assert response.complete
        assert await response.read(soon()) == b"hello"
        assert server.connections == 1


async def test_large_bodies_go_both_ways() -> None:
    async def echo(peer: Peer) -> None:
        while request := await peer.request():
            peer.send(ok(request.partition(b"\r\n\r\n")[2]))

    body = bytes(range(256)) * 20_000
    async with serve(echo) as server, client_of(server) as client:
        for _ in range(3):
            assert await fetch(client, body=body) == body
        assert server.connections == 1


async def test_an_answer_before_the_request_is_read_does_not_leave_half_a_request_behind() -> None:
    async def refuse(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await peer.closed()

    async with serve(refuse) as server, client_of(server) as client:
        response = await client.request("POST", "/", (), b"x" * 8_000_000, deadline=soon())
        assert response.status == 413
        assert client.stats.open == 0


@pytest.mark.parametrize("extra", [b"garbage", JSON_OK, b"HTTP/1.1 200"])
async def test_an_answer_that_nobody_asked_for_is_never_given_to_the_next_request(extra: bytes) -> None:
    number = 0

    async def script(peer: Peer) -> None:
        nonlocal number
        while await peer.request():
            number += 1
            peer.send(ok(b"%d" % number) + extra)

    async with serve(script) as server, client_of(server) as client:
        assert [await fetch(client) for _ in range(3)] == [b"1", b"2", b"3"]
        assert server.connections == 3


async def test_bytes_on_an_idle_connection_close_it() -> None:
    poison = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(JSON_OK)
        await poison.wait()
        peer.send(ok(b"forged"))
        await peer.closed()

    async with serve(script) as server, client_of(server) as client:
        await fetch(client)
        assert client.stats.idle == 1
        poison.set()
        await until(lambda: client.stats.open == 0)
        assert await fetch(client) == b'{"ok":true}'


async def test_a_deadline_that_has_passed_sends_nothing() -> None:
    async with serve(always(JSON_OK)) as server, client_of(server) as client:
        with pytest.raises(TimedOut) as caught:
            await fetch(client, deadline=soon(-1))
        assert caught.value.sent is False
        assert server.connections == 0


async def test_a_shorter_deadline_holds_on_a_connection_that_served_a_longer_one() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(JSON_OK)
        await peer.closed()

    async with serve(script) as server, client_of(server) as client:
        await fetch(client, deadline=soon(100))
        with pytest.raises(TimedOut):
            await fetch(client, deadline=soon(0.05))


async def test_a_longer_deadline_holds_on_a_connection_that_served_a_shorter_one() -> None:
    passed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(JSON_OK)
        await peer.request()
        await passed.wait()
        peer.send(JSON_OK)
        await peer.closed()

    async with serve(script) as server, client_of(server) as client:
        first = soon(0.05)
        await fetch(client, deadline=first)
        asyncio.get_running_loop().call_at(first + 0.05, passed.set)
        assert await fetch(client) == b'{"ok":true}'
        assert server.connections == 1


async def test_a_body_has_one_reader() -> None:
    async with serve(answer_and_hold(CHUNKED)) as server, client_of(server) as client:
        response = await client.request("POST", "/", (), b"", deadline=soon())
        reader = asyncio.ensure_future(response.read(soon()))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="one reader"):
            await response.read(soon())
        reader.cancel()
        await asyncio.wait([reader])


async def test_an_address_that_is_not_permitted_is_never_dialled() -> None:
    async with serve(always(JSON_OK)) as server:
        client = HttpClient(server.origin, guard=AddressGuard(AddressPolicy.learned()))
        with pytest.raises(Unreachable, match="not permitted") as caught:
            await fetch(client)
        assert caught.value.sent is False
        assert server.connections == client.stats.open == 0
        await client.close()
