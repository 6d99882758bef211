"""Every way an answer can go wrong, in both eras: a typed error within the deadline, and nothing is sent twice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from mcp_gateway.core.errors import ProtocolViolation, Rejected, TimedOut, Unreachable, UpstreamError
from mcp_gateway.upstream.negotiate import connect
from mcp_gateway.upstream.streamable import Refused, Unavailable, UnexpectedStatus
from mcp_gateway.upstream.streamable_modern import ModernConversation
from mcp_gateway.upstream.streamable_session import HandshakeConversation
from mcp_gateway.upstream.wire import Conversation
from tests.upstream.streamable import Notes, exchange, reaching, soon
from tests.upstreams.evil import EvilMCP
from tests.upstreams.evil_faults import CONNECTION, EXCESS, GOOD, MALFORMED, REFUSING

Strict = (ModernConversation, HandshakeConversation)
ERAS = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"]
EITHER = ["2026-07-28", "2025-11-25"]
DEADLINE = 0.5


@pytest.fixture
async def evil() -> AsyncIterator[EvilMCP]:
    async with EvilMCP(pace=0.001) as server:
        yield server


async def call(conversation: Conversation, tool: str, seconds: float = 20.0, **more: object) -> dict[str, object]:
    return await conversation.request("tools/call", {"name": tool, "arguments": {"a": 1}}, exchange(seconds, **more))


@pytest.mark.parametrize("era", EITHER)
@pytest.mark.parametrize("tool", [*CONNECTION, *EXCESS])
async def test_an_answer_that_never_comes_is_a_typed_error(evil: EvilMCP, era: str, tool: str) -> None:
    async with reaching(evil.url, protocol=era) as endpoint:
        conversation = await connect(endpoint, soon())
        with pytest.raises((Unreachable, TimedOut, ProtocolViolation)) as caught:
            await call(conversation, tool, DEADLINE)
        assert getattr(caught.value, "sent", True), "a call that went out must not look repeatable"
        assert evil.calls(tool) == 1
        assert evil.sent[tool] < 128 * 1024 * 1024
        assert (await call(conversation, "ok"))["structuredContent"] == {"echo": {"a": 1}}


@pytest.mark.parametrize("era", EITHER)
@pytest.mark.parametrize("tool", sorted(set(MALFORMED) - {"garbage_sse"}))
async def test_a_malformed_answer_is_a_violation_at_once(evil: EvilMCP, era: str, tool: str) -> None:
    async with reaching(evil.url, protocol=era) as endpoint:
        conversation = await connect(endpoint, soon())
        with pytest.raises(ProtocolViolation):
            await call(conversation, tool)
        assert evil.calls(tool) == 1


@pytest.mark.parametrize("era", EITHER)
async def test_an_event_that_is_no_json_is_a_violation(evil: EvilMCP, era: str) -> None:
    async with reaching(evil.url, protocol=era) as endpoint:
        conversation = await connect(endpoint, soon())
        with pytest.raises(ProtocolViolation):
            await call(conversation, "garbage_sse")


@pytest.mark.parametrize("era", EITHER)
@pytest.mark.parametrize("tool", list(REFUSING))
async def test_a_refusing_status_keeps_what_it_says(evil: EvilMCP, era: str, tool: str) -> None:
    async with reaching(evil.url, protocol=era) as endpoint:
        conversation = await connect(endpoint, soon())
        with pytest.raises(UpstreamError) as caught:
            await call(conversation, tool)
        error, status = caught.value, int(tool.removeprefix("status_"))
        assert "secret" not in str(error) and "<" not in str(error)
        if status in (201, 302):
            assert isinstance(error, UnexpectedStatus) and error.status == status
            assert all(seen.path != "/elsewhere" for seen in evil.requests)
        elif status >= 500:
            assert isinstance(error, Unavailable) and error.sent and error.status == status
        else:
            assert isinstance(error, Refused) and error.status == status
            assert error.challenge == ('Bearer realm="evil"' if status == 401 else None)
            assert error.retry_after == (7.0 if status == 429 else None)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("tool", sorted(set(GOOD) - {"gate", "rpc_error"}))
async def test_an_unusual_but_right_answer_comes_through_unchanged(evil: EvilMCP, era: str, tool: str) -> None:
    async with reaching(evil.url, protocol=era) as endpoint:
        conversation = await connect(endpoint, soon())
        assert conversation.version == era
        result = await call(conversation, tool)
        assert isinstance(result["content"], list)
        if tool == "null_structured":
            assert "structuredContent" in result and result["structuredContent"] is None
        if tool == "unknown_blocks":
            text = json.dumps(result)
            assert result["vendor.example/top"] == [None] and "hologram" in text and "12345678901234567890" in text


@pytest.mark.parametrize("era", EITHER)
async def test_an_error_of_the_upstream_comes_as_it_is(evil: EvilMCP, era: str) -> None:
    async with reaching(evil.url, protocol=era) as endpoint:
        conversation = await connect(endpoint, soon())
        with pytest.raises(Rejected) as caught:
            await call(conversation, "rpc_error")
        error = caught.value
        assert (error.code, error.message, error.data) == (-31999, "a code of its own", {"vendor": [1, None]})


@pytest.mark.parametrize("era", EITHER)
async def test_a_foreign_answer_on_the_stream_is_dropped_and_counted(evil: EvilMCP, era: str) -> None:
    async with reaching(evil.url, protocol=era) as endpoint:
        conversation = await connect(endpoint, soon())
        result = await call(conversation, "wrong_id_sse")
        assert result["content"] == [{"type": "text", "text": "yours"}]
        assert isinstance(conversation, Strict) and conversation.strays == 1


@pytest.mark.parametrize("era", EITHER)
async def test_nothing_after_the_answer_is_looked_at(evil: EvilMCP, era: str) -> None:
    async with reaching(evil.url, protocol=era) as endpoint:
        conversation = await connect(endpoint, soon())
        result = await call(conversation, "two_results")
        assert result["content"] == [{"type": "text", "text": "first"}]


async def test_a_modern_upstream_may_make_no_requests(evil: EvilMCP) -> None:
    async with reaching(evil.url, protocol="2026-07-28") as endpoint:
        conversation = await connect(endpoint, soon())

        async def ask(method: str, params: dict[str, object]) -> dict[str, object]:
            raise AssertionError("asked")

        await call(conversation, "request_to_client", ask=ask)
        assert isinstance(conversation, Strict) and conversation.strays == 1
        assert evil.methods()["tools/call"] == len([seen for seen in evil.requests if seen.tool])


async def test_an_unknown_result_type_is_a_violation_in_the_modern_era_alone(evil: EvilMCP) -> None:
    async with reaching(evil.url) as endpoint:
        with pytest.raises(ProtocolViolation):
            await call(await connect(endpoint, soon()), "unknown_result_type")
    async with reaching(evil.url, protocol="2025-11-25") as endpoint:
        assert (await call(await connect(endpoint, soon()), "unknown_result_type"))["resultType"] == "surprise"


@pytest.mark.parametrize("era", EITHER)
async def test_log_messages_come_only_to_who_asked_for_them(evil: EvilMCP, era: str) -> None:
    async with reaching(evil.url, protocol=era) as endpoint:
        conversation = await connect(endpoint, soon())
        wanting, not_wanting, choosy = Notes(), Notes(), Notes()
        await call(conversation, "ok_sse", notify=wanting, log_level="debug")
        await call(conversation, "ok_sse", notify=not_wanting)
        await call(conversation, "ok_sse", notify=choosy, log_level="error")
        assert wanting.of("notifications/message") == [{"level": "info", "data": "still here"}]
        assert not_wanting.all == choosy.all == []


@pytest.mark.parametrize("era", EITHER)
async def test_progress_comes_without_our_token(evil: EvilMCP, era: str) -> None:
    async with reaching(evil.url, protocol=era) as endpoint:
        conversation, notes = await connect(endpoint, soon()), Notes()
        await call(conversation, "ok_sse", notify=notes, progress=True)
        (params,) = notes.of("notifications/progress")
        assert set(params) == {"progress"}
