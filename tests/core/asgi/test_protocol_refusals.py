"""What the edge refuses on the wire, with which status, and that none of it reaches the app."""

from __future__ import annotations

import json

import pytest

from mcp_gateway.core.asgi.limits import EdgeLimits
from tests.core.asgi.edge import GET, HOST, Echo, one_response, post, serving

CHUNKED = b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n"

REFUSED = {
    "one header of 1 MiB": (b"GET /a HTTP/1.1\r\n" + HOST + b"X: " + b"x" * (1 << 20), 431),
    "header block over the limit, complete": (GET[:-2] + b"X: " + b"x" * 33_000 + b"\r\n\r\n", 431),
    "20,000 headers": (GET[:-2] + b"X: y\r\n" * 20_000 + b"\r\n", 431),
    "101 headers": (GET[:-2] + b"X: y\r\n" * 100 + b"\r\n", 431),
    "URL of 64 KiB": (b"GET /" + b"u" * 65_536 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    "no Host": (b"GET /a HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (b"GET /a HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
    "two Authorizations": (GET[:-2] + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n", 400),
    "two Origins": (GET[:-2] + b"Origin: http://a\r\nOrigin: http://b\r\n\r\n", 400),
    "Content-Length twice": (b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n" * 2 + b"\r\nabc", 400),
    "Content-Length list": (b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 3, 3\r\n\r\nabc", 400),
    "Content-Length signed": (b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: +3\r\n\r\nabc", 400),
    "both lengths": (CHUNKED + b"Content-Length: 3\r\n\r\n0\r\n\r\n", 400),
    "both lengths, other order": (post(b"", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
    "gzip, chunked": (CHUNKED.replace(b"chunked", b"gzip, chunked") + b"\r\n0\r\n\r\n", 400),
    "identity and chunked": (CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400),
    "xchunked": (CHUNKED.replace(b"chunked", b"xchunked") + b"\r\n0\r\n\r\n", 400),
    "chunked in HTTP/1.0": (CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n0\r\n\r\n", 400),
    "bad chunk size": (CHUNKED + b"\r\nzz\r\n", 400),
    "folded header": (GET[:-2] + b"X: a\r\n b\r\n\r\n", 400),
    "space before the colon": (GET[:-2] + b"X : a\r\n\r\n", 400),
    "NUL in a header": (GET[:-2] + b"X: a\x00b\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /a\r\n\r\n", 505),
    "HTTP/2.0": (GET.replace(b"1.1", b"2.0"), 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "CONNECT": (b"CONNECT gw.test:80 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "absolute form, other authority": (b"GET http://evil/a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "absolute form, user info": (b"GET http://gw.test@evil/a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "fragment": (b"GET /a#b HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "empty segment": (b"GET //admin HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "dot segments": (b"GET /mcp/../admin HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "encoded dot segments": (b"GET /mcp/%2e%2E/admin HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "encoded slash and dots": (b"GET /a%2f..%2fadmin HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "backslash": (b"GET /a%5cadmin HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "NUL in the path": (b"GET /a%00 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "path not UTF-8": (b"GET /%ff HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "unknown expectation": (post(b"abc", b"Expect: 200-maybe"), 417),
    "declared 10 GiB": (b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 10737418240\r\n\r\n", 413),
    "not HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refuses_and_closes_without_reaching_the_app(name: str) -> None:
    raw, status = REFUSED[name]
    app = Echo()
    async with serving(app) as edge:
        answer = await edge.exchange(raw)
        assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"connection: close" in head and b"x-request-id: " in head
        error = json.loads(body)
        assert "id" not in error and error["error"]["data"]["reason"] and error["error"]["code"] < 0
        assert edge.server.counters.refused.total() == 1
        reader, writer = await edge.connect()
        writer.write(GET)
        assert (await one_response(reader))[0] == 200, "others are served"
    assert app.bodies == [b""], "only that one had a whole request"


async def test_a_chunked_body_is_cut_off_one_byte_over_the_limit() -> None:
    app = Echo()
    async with serving(app, EdgeLimits(body_bytes=100_000)) as edge:
        reader, writer = await edge.connect()
        writer.write(CHUNKED + b"\r\n186a0\r\n" + b"x" * 100_000 + b"\r\n0\r\n\r\n")
        assert await one_response(reader) == (200, b"POST /a 100000;")
        answer = await edge.exchange(CHUNKED + b"\r\n186a1\r\n" + b"x" * 100_001)
        assert answer.startswith(b"HTTP/1.1 413 ")
        await edge.settled(lambda: app.gone == 1)
    assert [len(body) for body in app.bodies] == [100_000]


async def test_many_small_chunks_cannot_exceed_the_limit_either() -> None:
    async with serving(Echo(), EdgeLimits(body_bytes=1000)) as edge:
        assert (await edge.exchange(CHUNKED + b"\r\n" + b"1\r\nx\r\n" * 1001)).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "endless", [b"1;" + b"e" * 500_000, b"0\r\nTrailer: " + b"t" * 500_000], ids=["extension", "trailer"]
)
async def test_endless_framing_around_a_body_is_refused(endless: bytes) -> None:
    async with serving(Echo()) as edge:
        assert (await edge.exchange(CHUNKED + b"\r\n" + endless)).startswith(b"HTTP/1.1 431 ")


async def test_a_refusal_reaches_a_client_that_is_still_sending() -> None:
    async with serving(Echo(), EdgeLimits(body_bytes=1000)) as edge:
        reader, writer = await edge.connect()
        writer.write(post(b"x" * 200_000))
        assert (await one_response(reader))[0] == 413


async def test_a_flood_after_a_refusal_is_cut_off() -> None:
    async with serving(Echo(), EdgeLimits(linger=30, linger_bytes=10_000)) as edge:
        reader, writer = await edge.connect()
        writer.write(b"GARBAGE\r\n\r\n")
        assert (await one_response(reader))[0] == 400
        writer.write(b"x" * 1_000_000)
        await edge.settled(lambda: edge.server.counters.open == 0)
