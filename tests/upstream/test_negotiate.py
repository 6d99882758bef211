"""Which era an upstream speaks is found out as the specification says, and in no other order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mcp_gateway.core.errors import ProtocolViolation, Rejected, TimedOut, Unreachable, UpstreamError
from mcp_gateway.upstream.negotiate import connect
from mcp_gateway.upstream.streamable import Refused, Unavailable
from mcp_gateway.upstream.streamable_modern import ModernConversation
from mcp_gateway.upstream.streamable_session import HandshakeConversation
from mcp_gateway.upstream.wire import HANDSHAKE, MODERN, Conversation
from tests.upstream.streamable import Reply, Scripted, discovered, exchange, initialized, reaching, serving, soon
from tests.upstreams import everything
from tests.upstreams.evil import EvilMCP
from tests.upstreams.serving import Era, http_app

Answer = Callable[[Reply], Awaitable[None]]


def error(code: int, status: int, data: Any = None, own_id: bool = True) -> Answer:
    async def answer(x: Reply) -> None:
        message = x.error(code, "no", data)
        await x.answer(message if own_id else {**message, "id": None}, status)

    return answer


def page(status: int) -> Answer:
    async def answer(x: Reply) -> None:
        await x.body(b"<p>no</p>", status, content_type="text/html")

    return answer


async def hang(x: Reply) -> None:
    await x.hang()


async def cut(x: Reply) -> None:
    x.reset()


def server(discover: Answer, initialize: Answer) -> Scripted:
    async def script(x: Reply) -> None:
        if x.seen.method == "server/discover":
            await discover(x)
        elif x.seen.method == "initialize":
            await initialize(x)
        elif x.seen.id is None:
            await x.body(b"", 202)
        else:
            await x.answer(x.result())

    return Scripted(script)


@pytest.mark.parametrize("era", ["both", "modern", "legacy"])
async def test_the_sdk_server_in_every_configuration(era: Era) -> None:
    async with serving(http_app(everything.make(), era=era)) as url, reaching(url) as endpoint:
        conversation = await connect(endpoint, soon())
        assert conversation.version == (HANDSHAKE[0] if era == "legacy" else MODERN)
        assert isinstance(conversation, HandshakeConversation if era == "legacy" else ModernConversation)
        assert conversation.server_info["name"] == "everything"
        assert conversation.instructions == "Everything there is to test."
        await conversation.close()


@pytest.mark.parametrize("era", ["both", "modern", "legacy"])
async def test_another_server_in_every_configuration(era: Any) -> None:
    async with EvilMCP(era=era) as evil, reaching(evil.url) as endpoint:
        conversation = await connect(endpoint, soon())
        assert conversation.version == (HANDSHAKE[0] if era == "legacy" else MODERN)
        await conversation.request("tools/call", {"name": "ok", "arguments": {}}, exchange())
        assert evil.methods()["server/discover"] == 1
        assert evil.methods()["initialize"] == (era == "legacy")


@pytest.mark.parametrize(
    "discover",
    [
        error(-32000, 400),
        error(-32600, 400, own_id=False),
        error(-32601, 404),
        error(-32601, 200),
        error(-32602, 400),
        error(-32022, 400, {"supported": ["2025-11-25"], "requested": MODERN}),
        page(400),
        page(404),
        page(405),
        page(406),
        page(500),
        page(200),
    ],
)
async def test_whatever_an_older_server_may_say_leads_to_initialize(discover: Answer) -> None:
    async with server(discover, initialized) as upstream, reaching(upstream.url) as endpoint:
        conversation = await connect(endpoint, soon())
        assert conversation.version == "2025-11-25"
        assert upstream.methods() == ["server/discover", "initialize", "notifications/initialized"]


async def test_a_server_that_never_answers_the_probe_still_gets_its_initialize() -> None:
    async with server(hang, initialized) as upstream, reaching(upstream.url) as endpoint:
        assert (await connect(endpoint, soon(1.0))).version == "2025-11-25"


@pytest.mark.parametrize("code", [-32020, -32021, -32022])
@pytest.mark.parametrize("data", [None, {"supported": [MODERN]}, {"requiredCapabilities": {}}])
async def test_an_error_that_only_a_modern_server_sends_forbids_the_way_back(code: int, data: Any) -> None:
    async with server(error(code, 400, data), initialized) as upstream, reaching(upstream.url) as endpoint:
        with pytest.raises(Rejected) as caught:
            await connect(endpoint, soon())
        assert caught.value.code == code
        assert upstream.methods() == ["server/discover"]


@pytest.mark.parametrize(
    ("discover", "expected"),
    [
        (page(401), Refused),
        (page(403), Refused),
        (page(429), Refused),
        (page(503), Unavailable),
        (cut, Unreachable),
    ],
)
async def test_what_says_nothing_about_the_era_ends_the_attempt(discover: Answer, expected: type[Exception]) -> None:
    async with server(discover, initialized) as upstream, reaching(upstream.url) as endpoint:
        with pytest.raises(expected):
            await connect(endpoint, soon())
        assert upstream.methods() == ["server/discover"]


@pytest.mark.parametrize(
    "initialize", [error(-32601, 404), error(-32022, 400, {"supported": [MODERN]}), error(-32020, 400)]
)
async def test_a_modern_server_that_lacks_discovery_is_still_modern(initialize: Answer) -> None:
    async with server(error(-32601, 404), initialize) as upstream, reaching(upstream.url) as endpoint:
        conversation = await connect(endpoint, soon())
        assert isinstance(conversation, ModernConversation)
        assert set(conversation.capabilities) == {"tools", "prompts", "resources"}
        await conversation.request("tools/call", {"name": "t", "arguments": {}}, exchange())


class Fallback:
    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, deadline: float) -> Conversation:
        self.asked += 1
        raise TimedOut("stands for the other transport")


@pytest.mark.parametrize("status", [400, 404, 405])
async def test_a_url_that_takes_no_post_is_tried_as_http_sse(status: int) -> None:
    fallback = Fallback()
    async with (
        server(page(status), page(status)) as upstream,
        reaching(upstream.url, open_sse=fallback) as endpoint,
    ):
        with pytest.raises(TimedOut):
            await connect(endpoint, soon())
        assert fallback.asked == 1 and upstream.methods() == ["server/discover", "initialize"]
    async with server(page(status), page(status)) as upstream, reaching(upstream.url) as endpoint:
        with pytest.raises(UpstreamError):
            await connect(endpoint, soon())


@pytest.mark.parametrize("initialize", [page(500), page(403), error(-32000, 200), page(200)])
async def test_another_failure_of_initialize_is_final(initialize: Answer) -> None:
    fallback = Fallback()
    async with (
        server(page(400), initialize) as upstream,
        reaching(upstream.url, open_sse=fallback) as endpoint,
    ):
        with pytest.raises(UpstreamError):
            await connect(endpoint, soon())
        assert fallback.asked == 0


@pytest.mark.parametrize("version", [*HANDSHAKE, MODERN])
async def test_a_pinned_version_skips_the_probing(version: str) -> None:
    async def initialize(x: Reply) -> None:
        await initialized(x, version=version)

    async with server(discovered, initialize) as upstream, reaching(upstream.url, protocol=version) as endpoint:
        conversation = await connect(endpoint, soon())
        assert conversation.version == version
        assert upstream.methods()[0] == ("server/discover" if version == MODERN else "initialize")
        assert len([method for method in upstream.methods() if method in ("server/discover", "initialize")]) == 1


async def test_a_pinned_modern_version_never_falls_back() -> None:
    async with server(page(404), initialized) as upstream, reaching(upstream.url, protocol=MODERN) as endpoint:
        with pytest.raises(ProtocolViolation):
            await connect(endpoint, soon())
        assert upstream.methods() == ["server/discover"]
    async with server(error(-32601, 404), initialized) as upstream, reaching(upstream.url, protocol=MODERN) as endpoint:
        assert (await connect(endpoint, soon())).version == MODERN


async def test_a_dual_era_server_that_names_only_old_versions_is_initialized() -> None:
    async def discover(x: Reply) -> None:
        await x.answer(x.reply({"supportedVersions": ["2025-06-18"], "capabilities": {}}))

    async with server(discover, initialized) as upstream, reaching(upstream.url) as endpoint:
        assert isinstance(await connect(endpoint, soon()), HandshakeConversation)


async def test_the_oldest_pin_goes_straight_to_http_sse() -> None:
    fallback = Fallback()
    async with (
        server(discovered, initialized) as upstream,
        reaching(upstream.url, protocol="2024-11-05", open_sse=fallback) as endpoint,
    ):
        with pytest.raises(TimedOut):
            await connect(endpoint, soon())
        assert fallback.asked == 1 and upstream.seen == []
