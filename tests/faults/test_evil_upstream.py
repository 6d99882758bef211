"""An upstream that fails in every way: a typed error in time, once, and nobody else is the worse for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.faults.agents import ERAS, Agent, agent
from tests.faults.site import Child, Site, child, eventually, site
from tests.faults.wire import Answer, exchange
from tests.upstreams.evil import EvilMCP
from tests.upstreams.evil_faults import CONNECTION, EXCESS, GOOD, LENIENT, MALFORMED, REFUSING

MIB = 1 << 20
TIMEOUT = 2.0
"""Seconds that an upstream has for one call."""
LIMITS = {"response": "4MiB"}

UNAVAILABLE = (50200, "upstream_unavailable")
PROTOCOL = (50201, "upstream_protocol_error")
TIMED_OUT = (50400, "upstream_timeout")

EXPECTED: dict[str, tuple[int, str] | None] = {
    **dict.fromkeys(MALFORMED, PROTOCOL),
    **dict.fromkeys(EXCESS, PROTOCOL),
    **dict.fromkeys(REFUSING, UNAVAILABLE),
    **dict.fromkeys(CONNECTION, UNAVAILABLE),
    # Reading a gibibyte of lines up to the cap takes longer than that on a busy machine.
    "huge_event_of_lines": None,
    "hang": TIMED_OUT,
    "hang_after_headers": TIMED_OUT,
    "hang_mid_sse": TIMED_OUT,
    "trickle_forever": TIMED_OUT,
    "infinite_notifications": TIMED_OUT,
    "infinite_comments": TIMED_OUT,
    # A message cut short is malformed, whoever cut it: the declared length was not kept.
    "close_mid_body": PROTOCOL,
    # Not statuses with which a request may be answered.
    "status_201": PROTOCOL,
    "status_302": PROTOCOL,
}
TAKEN = 64 * MIB
"""More than this the gateway never takes of one answer: its caps and what the sockets hold on the way."""


@dataclass(slots=True)
class Cell:
    """A client of one era before an upstream of one."""

    name: str
    evil: EvilMCP
    agent: Agent

    async def ask(self, tool: str, arguments: Any = None) -> Answer:
        return await exchange(self.agent.url, self.agent.packed(self.agent.calling(tool, arguments)))

    async def content(self, tool: str, arguments: Any = None) -> Any:
        """The result of a call that goes well."""
        message = (await self.ask(tool, arguments)).message
        assert "result" in message, (self.name, tool, message)
        return message["result"]


@dataclass(slots=True)
class Scene:
    site: Site
    cells: list[Cell]
    well: EvilMCP

    async def each(self, tool: str) -> list[tuple[Cell, Answer]]:
        """`tool` called in every cell at once, the healthy upstream meanwhile; each upstream heard of it once."""
        before = {id(cell.evil): cell.evil.calls(tool) for cell in self.cells}
        calls = [asyncio.ensure_future(cell.ask(tool)) for cell in self.cells]
        for cell in self.cells:
            assert (await cell.content("well_ok", {"n": 1}))["content"][0]["text"] == '{"n": 1}'
        answers = await asyncio.gather(*calls)
        for cell in self.cells:
            assert cell.evil.calls(tool) - before[id(cell.evil)] == len(ERAS), f"{cell.name}: {tool} not sent once"
        return list(zip(self.cells, answers, strict=True))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    breaker = {"failures": 10_000}
    async with (
        EvilMCP(era="modern", pace=0.001) as new,
        EvilMCP(era="legacy", pace=0.001) as old,
        EvilMCP() as well,
        site(
            tmp_path_factory.mktemp("evil"),
            {
                "new": {"url": new.url, "timeout": f"{TIMEOUT}s", "breaker": breaker},
                "old": {"url": old.url, "timeout": f"{TIMEOUT}s", "breaker": breaker},
                "well": {"url": well.url},
            },
            {name: [{"upstream": name}, {"upstream": "well", "prefix": "well_"}] for name in ("new", "old")},
            LIMITS,
        ) as here,
    ):
        evils = {"new": new, "old": old}
        cells = [
            Cell(f"{era} client, {name} upstream", evils[name], await agent(here.url(name), era))
            for era, name in product(ERAS, evils)
        ]
        yield Scene(here, cells, well)


def failed(cell: Cell, answer: Answer, code: int, reason: str) -> dict[str, Any]:
    """That `answer` is this error, as every client gets it; its `data`."""
    message = answer.message
    assert answer.status == 200, (cell.name, answer)
    assert "error" in message, (cell.name, message)
    data = message["error"].get("data", {})
    assert (message["error"]["code"], data.get("reason")) == (code, reason), (cell.name, message)
    assert data["requestId"] == answer.headers["x-request-id"]
    assert message["id"] is not None
    assert "secret-in-page" not in answer.body.decode()
    return dict(data)


# ---------------------------------------------------------------- faults


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("tool", sorted(EXPECTED))
async def test_a_fault_is_a_typed_error(scene: Scene, tool: str) -> None:
    scene.site.lines.records.clear()
    for cell, answer in await scene.each(tool):
        failed(cell, answer, *(EXPECTED[tool] or _either(answer)))
        assert cell.evil.sent[tool] < 2 * TAKEN * len(ERAS), f"{cell.name} kept reading"
        assert await cell.content("ok", {"after": tool})
    recorded = scene.site.outcomes(target=tool)
    assert len(recorded) == len(scene.cells)
    for outcome, reason in recorded:
        assert outcome == "failed"
        assert reason in ({"upstream_rejected"} if tool in ("status_401", "status_429") else _reasons(tool))


def _either(answer: Answer) -> tuple[int, str]:
    return TIMED_OUT if answer.message["error"]["code"] == TIMED_OUT[0] else PROTOCOL


def _reasons(tool: str) -> set[str]:
    expected = EXPECTED[tool]
    return {expected[1]} if expected is not None else {PROTOCOL[1], TIMED_OUT[1]}


@pytest.mark.asyncio(loop_scope="module")
async def test_an_upstream_that_limits_says_when_to_come_back(scene: Scene) -> None:
    for cell, answer in await scene.each("status_429"):
        assert failed(cell, answer, *UNAVAILABLE)["retryAfterMs"] == 7_000


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("tool", ["close_mid_sse", "reset_mid_sse", "hang_mid_sse"])
async def test_an_answer_that_breaks_off_ends_with_an_error_of_its_id(scene: Scene, tool: str) -> None:
    """Once a stream has begun its status says nothing more: the error is its last event, never a silent end."""
    agents = [cell.agent for cell in scene.cells]
    calls = [here.calling(tool, meta={"progressToken": "the client's own"}, id="mine") for here in agents]
    asked = (exchange(here.url, here.packed(call)) for here, call in zip(agents, calls, strict=True))
    for cell, answer in zip(scene.cells, await asyncio.gather(*asked), strict=True):
        assert answer.headers["content-type"] == "text/event-stream", cell.name
        progress, last = answer.messages
        assert (progress["method"], progress["params"]["progressToken"]) == (
            "notifications/progress",
            "the client's own",
        )
        assert last["id"] == "mine"
        assert last["error"]["code"] == (TIMED_OUT if tool == "hang_mid_sse" else UNAVAILABLE)[0]


@pytest.mark.asyncio(loop_scope="module")
async def test_many_faults_at_once_leave_the_healthy_upstream_alone(scene: Scene) -> None:
    """Twenty calls that hang in every cell, and a hundred to the upstream beside them."""
    hanging = [asyncio.ensure_future(cell.ask("hang")) for cell in scene.cells for _ in range(20)]
    for _ in range(25):
        await asyncio.gather(*(cell.content("well_ok") for cell in scene.cells))
    for index, answer in enumerate(await asyncio.gather(*hanging)):
        failed(scene.cells[index // 20], answer, *TIMED_OUT)


# ---------------------------------------------------------------- answers that are odd


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("tool", sorted(LENIENT))
async def test_what_is_odd_is_sorted_out(scene: Scene, tool: str) -> None:
    for cell, answer in await scene.each(tool):
        modern = cell.evil is scene.cells[0].evil
        if tool in ("no_content_type", "gzipped") or (tool == "unknown_result_type" and modern):
            failed(cell, answer, *PROTOCOL)
            continue
        result = answer.message["result"]
        assert result.get("resultType", "complete") == "complete"
        texts = [block["text"] for block in result["content"]]
        expected = {"request_to_client": ["fine"], "wrong_id_sse": ["yours"], "two_results": ["first"]}
        assert texts == expected.get(tool, []), cell.name
        requests = [message for message in _messages(answer) if "method" in message and "id" in message]
        assert not requests, "a request of an upstream reached a client that declared nothing"


def _messages(answer: Answer) -> list[Any]:
    stream = answer.headers["content-type"].startswith("text/event-stream")
    return answer.messages if stream else [answer.message]


KNOWN = {"type": "text", "text": "known", "annotations": {"vendorHint": 1}, "vendor.example/field": {"a": None}}
HOLOGRAM = {"type": "hologram", "data": [1, 2, {"x": None}], "vendor.example/field": True}
FINE = {"content": [{"type": "text", "text": "fine"}], "isError": False}
RESULTS: dict[str, dict[str, Any]] = {
    "ok": {
        "content": [{"type": "text", "text": '{"n": 1}'}],
        "isError": False,
        "structuredContent": {"echo": {"n": 1}},
    },
    "ok_sse": FINE,
    "odd_sse": FINE,
    "trickle": FINE,
    "json_casing": FINE,
    "null_structured": {**FINE, "structuredContent": None},
    "unknown_blocks": {
        "content": [KNOWN, HOLOGRAM],
        "structuredContent": {"big": 12345678901234567890, "text": "ü\u2028", "null": None},
        "isError": False,
        "vendor.example/top": [None],
        "_meta": {"vendor.example/trace": "t1", "a": None},
    },
    "tool_error": {"content": [{"type": "text", "text": "the tool failed"}], "isError": True},
}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("tool", sorted(RESULTS))
async def test_a_good_answer_comes_through_unchanged(scene: Scene, tool: str) -> None:
    for cell in scene.cells:
        result = await cell.content(tool, {"n": 1})
        expected = dict(RESULTS[tool])
        if cell.agent.era == "modern":
            assert result.pop("resultType") == "complete"
            assert result["_meta"].pop("io.modelcontextprotocol/serverInfo")["name"] in ("new", "old")
            expected.setdefault("_meta", {})
        elif tool == "null_structured":
            del expected["structuredContent"]  # clients of that era take an object or nothing
        assert result == expected, cell.name


@pytest.mark.asyncio(loop_scope="module")
async def test_an_error_of_the_upstreams_own_comes_through_unchanged(scene: Scene) -> None:
    for _, answer in await scene.each("rpc_error"):
        expected = {"code": -31999, "message": "a code of its own", "data": {"vendor": [1, None]}}
        assert answer.message["error"] == expected


def test_every_fault_is_expected_to_have_an_outcome() -> None:
    tables = (CONNECTION, EXCESS, MALFORMED, REFUSING)
    assert set(EXPECTED) == {tool for table in tables for tool in table}
    assert set(RESULTS) | {"gate", "rpc_error"} == set(GOOD)


# ---------------------------------------------------------------- nothing is sent twice


@pytest.mark.asyncio(loop_scope="module")
async def test_a_connection_that_was_closed_meanwhile_costs_nothing(scene: Scene) -> None:
    for cell in scene.cells:
        await cell.content("ok")
        await cell.evil.refuse()
        await cell.evil.accept()
        before = cell.evil.calls("ok")
        assert await cell.content("ok"), cell.name
        assert cell.evil.calls("ok") - before == 1


@pytest.mark.asyncio(loop_scope="module")
async def test_a_session_that_the_upstream_forgot_is_begun_anew_once(scene: Scene) -> None:
    for cell in (cell for cell in scene.cells if cell.evil is scene.cells[1].evil):
        await cell.content("ok")
        cell.evil.forget_sessions()
        before = len(cell.evil.requests)
        assert await cell.content("ok", {"n": 1}), cell.name
        sessions = [seen.headers["mcp-session-id"] for seen in cell.evil.requests[before:] if seen.tool == "ok"]
        assert len(sessions) == 2
        assert sessions[0] != sessions[1], "the first was answered 404: not carried out"


async def test_an_upstream_that_goes_away_comes_back_by_itself(tmp_path: Path) -> None:
    async with EvilMCP() as evil, EvilMCP() as well:
        upstreams = {"evil": {"url": evil.url}, "well": {"url": well.url}}
        sources = [{"upstream": "evil"}, {"upstream": "well", "prefix": "well_"}]
        async with site(tmp_path, upstreams, {"main": sources}) as here:
            cell = Cell("main", evil, await agent(here.url(), "modern"))
            assert "ok" in await _tools(cell.agent)
            failed(cell, await cell.ask("refuse"), *UNAVAILABLE)
            failed(cell, await cell.ask("ok"), *UNAVAILABLE)
            assert (evil.calls("refuse"), evil.calls("ok")) == (1, 0)
            assert await cell.content("well_ok")
            await eventually("it leaves the list", lambda: not here.gateway.fleet.health()["evil"].available)
            left = await _tools(cell.agent)
            assert "ok" not in left
            assert "well_ok" in left
            await evil.accept()
            await eventually("it is back", lambda: here.gateway.fleet.health()["evil"].available)
            assert await cell.content("ok")
            assert "ok" in await _tools(cell.agent)


async def _tools(client: Agent) -> list[str]:
    names: list[str] = []
    params: dict[str, Any] = {}
    while True:
        result = (await client.ask("tools/list", params))["result"]
        names += [tool["name"] for tool in result["tools"]]
        if "nextCursor" not in result:
            return names
        params = {"cursor": result["nextCursor"]}


# ---------------------------------------------------------------- memory, of a process of its own

CAP = 64 * MIB
"""What answers of a gibibyte, four at a time, may add to the process: four times 4 MiB, their copies, and slack, of
which following each line of the process takes a part."""


async def test_answers_of_a_gibibyte_cost_what_the_caps_allow(tmp_path: Path) -> None:
    tools = ("huge_event", "huge_event_of_lines", "huge_json", "huge_length", "gzip_bomb", "deep_json")
    async with EvilMCP(era="modern") as new, EvilMCP(era="legacy") as old:
        patient = {"timeout": "20s", "breaker": {"failures": 1_000}}
        evils = {"new": new, "old": old}
        upstreams = {"new": {"url": new.url, **patient}, "old": {"url": old.url, **patient}}
        servers = {name: [{"upstream": name}] for name in upstreams}
        async with child(tmp_path, upstreams, servers, LIMITS) as here:
            cells = [
                Cell(name, evils[name], await agent(here.url(name), era)) for name, era in product(upstreams, ERAS)
            ]
            for cell in cells:
                await asyncio.gather(*(cell.content("ok") for _ in range(20)))
            before = here.memory("VmRSS")
            for tool in tools:
                calls = [(cell, cell.ask(tool)) for cell in cells]
                answers = await asyncio.gather(*(call for _, call in calls))
                for (cell, _), answer in zip(calls, answers, strict=True):
                    # Lines of two bytes take long to read on a slow machine: then the deadline comes before the cap.
                    slow = tool == "huge_event_of_lines" and answer.message["error"]["code"] == TIMED_OUT[0]
                    failed(cell, answer, *(TIMED_OUT if slow else PROTOCOL))
            assert here.memory("VmHWM") - before < CAP
            await _still_there(here, cells)


async def _still_there(here: Child, cells: list[Cell]) -> None:
    for cell in cells:
        assert await cell.content("ok")
    assert here.process.returncode is None
