"""Carrying out invocations, against real sockets that record what they were sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest

from mcp_gateway.calls.inventory import InventoryChanged
from mcp_gateway.calls.kinds import ToolBinding
from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import Rejected, TimedOut, Unreachable, UpstreamError
from mcp_gateway.core.secret import Secret
from mcp_gateway.settings.upstream_auth import HeaderAuth
from mcp_gateway.settings.upstreams import HttpUpstream
from mcp_gateway.upstream.connect import Hello
from mcp_gateway.upstream.credentials import FixedHeaders
from mcp_gateway.upstream.upstream import Upstream
from mcp_gateway.upstream.wire import MODERN, Exchange
from tests.upstream.doubles import (
    ALICE,
    BOB,
    HANDSHAKE,
    HeldSession,
    RecordingLink,
    ScriptedConnector,
    ScriptedConversation,
    carry_out,
    fleet_of,
    log,
    text_of,
    tool_call,
    until,
)
from tests.upstreams.evil import EvilMCP

BOTH_ERAS = pytest.mark.parametrize("era", ["modern", "legacy"])
META = "io.modelcontextprotocol/"


def slow(url: str, timeout: float = 20.0) -> HttpUpstream:
    return HttpUpstream(url=url, timeout=timeout)


def sessions_of(evil: EvilMCP, tool: str) -> set[str]:
    return {seen.headers["mcp-session-id"] for seen in evil.requests if seen.tool == tool}


@BOTH_ERAS
async def test_200_callers_get_their_own_answers(era: Any) -> None:
    async with EvilMCP(era=era) as evil, fleet_of(evil=slow(evil.url)) as fleet:
        calls = [tool_call("evil", "ok", {"n": number}) for number in range(200)]
        results = await asyncio.gather(*(carry_out(fleet, call) for call in calls))
        assert [result["structuredContent"] for result in results] == [{"echo": {"n": n}} for n in range(200)]
        assert all(result["resultType"] == "complete" for result in results)
        assert evil.calls("ok") == 200
        assert all(call.call.trail.upstream_seconds > 0 for call in calls)
        if era == "legacy":
            assert len(sessions_of(evil, "ok")) == 1


async def test_principals_never_share_a_session() -> None:
    async with EvilMCP(era="legacy") as evil, fleet_of(evil=slow(evil.url)) as fleet:
        await asyncio.gather(
            *(carry_out(fleet, tool_call("evil", "ok", {"who": who.id}, principal=who)) for who in (ALICE, BOB) * 30)
        )
        whose: dict[str, set[str]] = {}
        for seen in evil.requests:
            if seen.tool == "ok":
                whose.setdefault(seen.headers["mcp-session-id"], set()).add(seen.params["arguments"]["who"])
        assert sorted(map(sorted, whose.values())) == [[ALICE.id], [BOB.id]]
        own = {seen.headers.get("mcp-session-id") for seen in evil.requests if seen.method == "tools/list"}
        assert own.isdisjoint(whose)


async def test_clients_that_declare_something_have_a_session_each_which_ends_with_theirs() -> None:
    async with EvilMCP(era="legacy") as evil, fleet_of(evil=slow(evil.url)) as fleet:
        one, other = HeldSession("one"), HeldSession("other")
        declared: Json = {"roots": {"listChanged": True}, "sampling": {}, "tasks": {}}
        for session in (one, other, one):
            call = tool_call("evil", "ok", modern=False, session=session, capabilities=declared)
            await carry_out(fleet, call)
        assert len(sessions_of(evil, "ok")) == 2
        greeted = [seen.params for seen in evil.requests if seen.method == "initialize" and seen.params["capabilities"]]
        assert [each["capabilities"] for each in greeted] == [{"roots": {}, "sampling": {}}] * 2
        assert greeted[0]["clientInfo"] == {"name": "client", "version": "1"}
        one.end()
        await until(lambda: [seen.http_method for seen in evil.requests].count("DELETE") == 1)


@BOTH_ERAS
async def test_no_call_is_sent_twice(era: Any) -> None:
    faults = (
        "close_before_headers", "close_mid_body", "reset_before_headers", "reset_mid_body", "garbage", "garbage_body",
        "wrong_id", "status_500", "status_503", "status_429", "html_200", "close_mid_sse", "reset_mid_sse", "rpc_error",
    )  # fmt: skip
    async with EvilMCP(era=era) as evil, fleet_of(evil=slow(evil.url)) as fleet:
        for fault in faults:
            with pytest.raises(UpstreamError) as caught:
                await carry_out(fleet, tool_call("evil", fault, seconds=5))
            assert caught.value.upstream == "evil"
            assert evil.calls(fault) == 1, fault
        assert text_of(await carry_out(fleet, tool_call("evil", "ok"))) == "{}"


@BOTH_ERAS
async def test_an_upstream_that_hangs_is_given_up_on_at_the_deadline(era: Any) -> None:
    async with EvilMCP(era=era) as evil, fleet_of(evil=slow(evil.url, timeout=0.3)) as fleet:
        with pytest.raises(TimedOut):
            await carry_out(fleet, tool_call("evil", "hang"))
        assert evil.calls("hang") == 1


@BOTH_ERAS
async def test_cancellation_reaches_the_upstream(era: Any) -> None:
    async with EvilMCP(era=era) as evil, fleet_of(evil=slow(evil.url)) as fleet:
        task = asyncio.create_task(carry_out(fleet, tool_call("evil", "hang")))
        await until(lambda: evil.calls("hang"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            if era == "modern":
                await evil.ended("hang")  # the connection was closed
            else:
                await until(lambda: evil.methods()["notifications/cancelled"])
        if era == "legacy":
            hung = next(seen.id for seen in evil.requests if seen.tool == "hang")
            told = next(seen.params for seen in evil.requests if seen.method == "notifications/cancelled")
            assert told["requestId"] == hung


async def test_a_forgotten_session_is_begun_anew_and_the_request_resent_once() -> None:
    async with EvilMCP(era="legacy") as evil, fleet_of(evil=slow(evil.url)) as fleet:
        await carry_out(fleet, tool_call("evil", "ok"))
        evil.forget_sessions()
        await asyncio.gather(*(carry_out(fleet, tool_call("evil", "ok", {"again": n})) for n in range(50)))
        live = {seen.headers["mcp-session-id"] for seen in evil.requests if seen.tool == "ok"}
        assert len(live) == 2
        # One for the inventory, and one for the caller before and after.
        assert evil.methods()["initialize"] <= 4


async def test_credentials_and_headers_go_with_a_modern_request_and_the_clients_meta_in_it() -> None:
    async with EvilMCP(era="modern") as evil:
        auth = HeaderAuth(type="header", headers={"Authorization": Secret("Bearer canary")})
        mirrored = MappingProxyType({("region",): "Region", ("deep", "n"): "N"})
        binding = ToolBinding("shown", "evil", "ok", {}, lambda arguments: None, upstream_headers=mirrored)
        async with fleet_of(evil=HttpUpstream(url=evil.url, auth=auth)) as fleet:
            arguments = {"region": "ü", "deep": {"n": 7}}
            meta = {"progressToken": "t", "traceparent": "00-1", "vendor.example/x": [None]}
            declared: Json = {"roots": {}, "experimental": {"x": {}}}
            await carry_out(
                fleet, tool_call("evil", "ok", arguments, binding=binding, meta=meta, capabilities=declared)
            )
        assert all(seen.headers["authorization"] == "Bearer canary" for seen in evil.requests)
        seen = next(each for each in evil.requests if each.tool == "ok")
        assert seen.headers["mcp-param-region"] == "=?base64?w7w=?="
        assert seen.headers["mcp-param-n"] == "7"
        assert seen.headers["mcp-name"] == "ok"
        sent = seen.params["_meta"]
        assert sent["vendor.example/x"] == [None] and sent["traceparent"] == "00-1"
        assert sent[META + "clientCapabilities"] == {"roots": {}}
        assert sent[META + "clientInfo"] == {"name": "client", "version": "1"}
        assert sent["progressToken"] != "t"
        assert META + "logLevel" not in sent


async def test_nothing_of_a_client_of_the_other_era_is_declared() -> None:
    async with EvilMCP(era="modern") as evil, fleet_of(evil=slow(evil.url)) as fleet:
        declared: Json = {"sampling": {}}
        call = tool_call("evil", "ok", modern=False, session=HeldSession("s"), capabilities=declared)
        await carry_out(fleet, call)
        sent = next(seen.params["_meta"] for seen in evil.requests if seen.tool == "ok")
        assert sent[META + "clientCapabilities"] == {}
        assert sent[META + "clientInfo"]["name"] == "mcp-gateway"


# ---------------------------------------------------------------- with a scripted upstream


class Scripted:
    """One upstream over scripted conversations."""

    def __init__(self, make: Callable[[Hello], ScriptedConversation], kind: str = "http") -> None:
        self.connector = ScriptedConnector(make, kind)
        self.published: list[InventoryChanged] = []
        self.upstream = Upstream(
            "up",
            HttpUpstream(url="http://127.0.0.1:1/mcp", timeout=5.0),
            self.connector,
            credentials=FixedHeaders(),
            log=log,
            publish=lambda upstream, change: self.published.append(change),
            recovered=lambda name: None,
        )

    async def __aenter__(self) -> Upstream:
        self.upstream.start()
        await self.upstream.tried()
        return self.upstream

    async def __aexit__(self, *_: object) -> None:
        await self.upstream.close(1.0)


async def test_a_header_mismatch_has_the_tools_read_again_and_the_call_repeated_once() -> None:
    def schema(token: str) -> Json:
        return {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": token}}}

    def answer(params: Json, exchange: Exchange) -> Json:
        if "Mcp-Param-New" not in exchange.headers:
            raise Rejected(-32020, "Header mismatch", status=400)
        return {"content": []}

    main = ScriptedConversation(
        {"tools/list": {"tools": [{"name": "t", "inputSchema": schema("Old")}]}, "tools/call": answer},
        capabilities={"tools": {}},
    )
    binding = ToolBinding("t", "up", "t", {}, lambda arguments: None, upstream_headers={("region",): "Old"})
    async with Scripted(lambda hello: main) as upstream:
        main.answers["tools/list"] = {"tools": [{"name": "t", "inputSchema": schema("New")}]}
        result = await upstream.invoke(tool_call("up", "t", {"region": "eu"}, binding=binding))
        assert result == {"resultType": "complete", "content": []}
        assert main.count("tools/call") == 2
        main.answers["tools/call"] = Rejected(-32020, "Header mismatch", status=400)
        with pytest.raises(Rejected):
            await upstream.invoke(tool_call("up", "t", {"region": "eu"}, binding=binding))
        assert main.count("tools/call") == 4


async def test_what_was_never_sent_is_sent_once_more_and_no_oftener() -> None:
    main = ScriptedConversation(
        {"tools/list": {"tools": []}, "tools/call": Unreachable("closed", sent=False)}, capabilities={"tools": {}}
    )
    async with Scripted(lambda hello: main) as upstream:
        with pytest.raises(Unreachable):
            await upstream.invoke(tool_call("up", "t"))
        assert main.count("tools/call") == 2
        main.answers["tools/call"] = Unreachable("reset", sent=True)
        with pytest.raises(Unreachable):
            await upstream.invoke(tool_call("up", "t"))
        assert main.count("tools/call") == 3


@pytest.mark.parametrize(("before", "after"), [(MODERN, HANDSHAKE), (HANDSHAKE, MODERN)])
async def test_an_upstream_that_changes_its_era_is_negotiated_with_again(before: str, after: str) -> None:
    era = before

    def make(hello: Hello) -> ScriptedConversation:
        mine = ScriptedConversation({}, version=era, capabilities={"tools": {}})

        def refuse_or(result: Json) -> Callable[[Json, Exchange], Json]:
            def answer(params: Json, exchange: Exchange) -> Json:
                if mine.version != era:
                    mine.alive = mine.version != MODERN
                    raise Rejected(-32022, "Unsupported protocol version", status=400)
                return result

            return answer

        mine.answers = {"tools/list": refuse_or({"tools": []}), "tools/call": refuse_or({"content": [{"text": era}]})}
        return mine

    async with Scripted(make) as upstream:
        assert text_of(await upstream.invoke(tool_call("up", "t"))) == before
        era = after
        assert text_of(await upstream.invoke(tool_call("up", "t"))) == after
        assert upstream.inventory.version == after


async def test_questions_reach_the_client_that_declared_them_and_nothing_else_does() -> None:
    async def answer(params: Json, exchange: Exchange) -> Json:
        assert exchange.ask is not None
        found = await exchange.ask("sampling/createMessage", {"q": 1})
        with pytest.raises(Rejected) as caught:
            await exchange.ask("elicitation/create", {})
        assert caught.value.code == -32601
        return {"content": [{"text": found["text"]}]}

    def make(hello: Hello) -> ScriptedConversation:
        answers = {"tools/list": {"tools": []}, "tools/call": answer}
        return ScriptedConversation(answers, version=HANDSHAKE, capabilities={"tools": {}})

    link, session = RecordingLink({"text": "sampled"}), HeldSession("s")
    async with (scripted := Scripted(make)) as upstream:
        call = tool_call("up", "t", modern=False, link=link, session=session, capabilities={"sampling": {}})
        assert text_of(await upstream.invoke(call)) == "sampled"
        assert link.asked == [("sampling/createMessage", {"q": 1})]
        # That a person answered in the browser is told to the session that asked.
        scripted.connector.hellos[-1].on_event("notifications/elicitation/complete", {"elicitationId": "e"})
        assert session.notes == [("notifications/elicitation/complete", {"elicitationId": "e"})]


async def test_progress_and_logs_come_back_under_the_clients_token() -> None:
    def answer(params: Json, exchange: Exchange) -> Json:
        assert exchange.notify is not None and exchange.progress and exchange.log_level == "info"
        exchange.notify("notifications/progress", {"progress": 1})
        exchange.notify("notifications/message", {"level": "info", "data": 1})
        return {"content": []}

    for version in (MODERN, HANDSHAKE):
        link = RecordingLink()

        def make(hello: Hello, version: str = version) -> ScriptedConversation:
            answers = {"tools/list": {"tools": []}, "tools/call": answer}
            return ScriptedConversation(answers, version=version, capabilities={"tools": {}})

        async with Scripted(make) as upstream:
            await upstream.invoke(tool_call("up", "t", link=link, meta={"progressToken": 0}, log_level="info"))
        assert link.notes == [
            ("notifications/progress", {"progress": 1, "progressToken": 0}),
            ("notifications/message", {"level": "info", "data": 1}),
        ]


async def test_a_child_process_serves_nobody_in_particular_and_each_principal_has_its_own() -> None:
    made: list[ScriptedConversation] = []

    def make(hello: Hello) -> ScriptedConversation:
        answers = {"tools/list": {"tools": []}, "tools/call": {"content": [{"text": str(len(made))}]}}
        made.append(ScriptedConversation(answers, version=HANDSHAKE, capabilities={"tools": {}}))
        return made[-1]

    async with Scripted(make, "stdio") as upstream:
        served = [
            text_of(await upstream.invoke(call))
            for call in (
                tool_call("up", "t"),
                tool_call("up", "t", modern=False, session=HeldSession("s")),
                tool_call("up", "t", principal=ALICE),
                tool_call("up", "t", principal=BOB),
                tool_call("up", "t", principal=ALICE),
            )
        ]
        assert served == ["0", "0", "1", "2", "1"]
        assert upstream.health().sessions == 3
