"""Every document is fetched under guard: what was learned stays public, nothing is followed, everything is capped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.egress.fetch import MOST_BYTES, Fetcher, Trust
from mcp_gateway.core.errors import ProtocolViolation, TimedOut, Unreachable
from tests.core.egress_double import JSON_OK, Peer, always, ok, serve


@asynccontextmanager
async def fetcher(*allow: str) -> AsyncIterator[Fetcher]:
    made = Fetcher(Allowed.parse(allow))
    try:
        yield made
    finally:
        await made.close()


async def test_what_an_operator_wrote_may_be_here() -> None:
    async with serve(always(JSON_OK)) as server, fetcher() as fetch:
        found = await fetch.fetch(f"http://127.0.0.1:{server.origin.port}/keys", trust=Trust.OPERATOR)
        assert (found.status, found.media_type, found.body) == (200, "application/json", b'{"ok":true}')


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_what_was_learned_may_not(host: str) -> None:
    async with serve(always(JSON_OK)) as server, fetcher() as fetch:
        with pytest.raises(Unreachable, match="not permitted") as refused:
            await fetch.fetch(f"http://{host}:{server.origin.port}/keys", trust=Trust.LEARNED)
        assert not refused.value.sent and server.connections == 0


async def test_unless_it_is_allowed_everywhere_or_this_once() -> None:
    async with serve(always(JSON_OK)) as server, fetcher() as strict, fetcher("127.0.0.0/8") as open_:
        url = f"http://127.0.0.1:{server.origin.port}/"
        assert (await open_.fetch(url, trust=Trust.LEARNED)).status == 200
        assert (await strict.fetch(url, trust=Trust.LEARNED, allowed=Allowed.parse(["127.0.0.1"]))).status == 200
        with pytest.raises(Unreachable):
            await strict.fetch(url, trust=Trust.LEARNED)


async def test_a_redirect_is_handed_over_and_not_followed() -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    async with serve(always(answer)) as server, fetcher() as fetch:
        found = await fetch.fetch(f"http://127.0.0.1:{server.origin.port}/", trust=Trust.OPERATOR)
        assert (found.status, found.headers[b"location"]) == (302, b"http://127.0.0.1:1/")


async def test_a_document_beyond_the_cap_is_refused() -> None:
    async with serve(always(ok(b"x" * (MOST_BYTES + 1)))) as server, fetcher() as fetch:
        with pytest.raises(ProtocolViolation):
            await fetch.fetch(f"http://127.0.0.1:{server.origin.port}/", trust=Trust.OPERATOR)


async def test_one_that_never_comes_ends_in_time() -> None:
    async def silent(peer: Peer) -> None:
        await peer.request()
        await peer.request()

    async with serve(silent) as server, fetcher() as fetch:
        with pytest.raises(TimedOut):
            await fetch.fetch(f"http://127.0.0.1:{server.origin.port}/", trust=Trust.OPERATOR, seconds=0.2)


@pytest.mark.parametrize(
    "url", ["ftp://example.com/", "https://user:pw@example.com/", "https://example.com/#f", "javascript:alert(1)", ""]
)
async def test_what_is_no_address_to_call_is_refused_without_quoting_it(url: str) -> None:
    async with fetcher() as fetch:
        with pytest.raises(ProtocolViolation) as refused:
            await fetch.fetch(url, trust=Trust.OPERATOR)
        assert "pw" not in refused.value.message


async def test_a_form_is_posted_as_given() -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        while request := await peer.request():
            seen.append(request)
            peer.send(JSON_OK)

    async with serve(script) as server, fetcher() as fetch:
        await fetch.fetch(
            f"http://127.0.0.1:{server.origin.port}/token",
            trust=Trust.OPERATOR,
            method="POST",
            headers=((b"content-type", b"application/x-www-form-urlencoded"),),
            body=b"a=b",
        )
    assert seen[0].startswith(b"POST /token HTTP/1.1\r\n") and seen[0].endswith(b"\r\n\r\na=b")


async def test_what_is_granted_adds_up() -> None:
    both = Allowed.parse(["10.0.0.0/8", "a.internal"]).plus(Allowed.parse(["b.internal"]))
    assert both.hosts == {"a.internal", "b.internal"} and len(both.networks) == 1
    assert both.plus(None) is both
