"""Upstreams whose words are weapons: names, schemas, lists and greetings that must do no harm by being read."""

from __future__ import annotations

import asyncio
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import structlog

from mcp_gateway.cli import logs
from tests.faults.agents import ERAS, Agent, Era, agent, header_value
from tests.faults.listing import ListingMCP, recorder, tool
from tests.faults.site import child, eventually, site
from tests.faults.wire import exchange
from tests.upstreams.evil import EvilMCP

KINDS = ("modern", "legacy")
MIB = 1 << 20


async def pages(client: Agent) -> list[list[dict[str, Any]]]:
    """The tools, page by page."""
    params: dict[str, Any] = {}
    found: list[list[dict[str, Any]]] = []
    while True:
        result = (await client.ask("tools/list", params))["result"]
        found.append(result["tools"])
        if "nextCursor" not in result:
            return found
        params = {"cursor": result["nextCursor"]}


async def listed(client: Agent) -> list[str]:
    return [entry["name"] for page in await pages(client) for entry in page]


def annotated(annotation: Any, kind: str = "string", **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": {"type": kind, "x-mcp-header": annotation}, **more}}


def towering(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def doubling(steps: int) -> dict[str, Any]:
    """Small to write, 2 to the power of `steps` to evaluate."""
    defs = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(steps)}
    return {"type": "object", "allOf": [{"$ref": "#/$defs/d0"}], "$defs": {**defs, f"d{steps}": {"type": "object"}}}


TREE = {
    "type": "object",
    "properties": {"root": {"$ref": "#/$defs/node"}},
    "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
}

GOOD = [
    tool("plain"),
    tool("recursive", TREE),
    tool("mirrored", annotated("Region")),
    tool("vendor", {"type": "object", "x-vendor": {"a": None}, "$comment": "kept"}, **{"vendor.example/field": [None]}),
    tool("pattern", {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}),
    tool("backtracking", {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(?=(a+)+$)b"}}}),
]


def bad(elsewhere: str) -> list[Any]:
    """What is not to be offered, each for a reason of its own."""
    return [
        tool("header-crlf", annotated("Region\r\nX-Evil: 1")),
        tool("header-space", annotated("My Region")),
        tool("header-empty", annotated("")),
        tool("header-unicode", annotated("Régión")),
        tool("header-number", annotated(7)),
        tool("header-on-number", annotated("Region", "number")),
        tool("header-on-object", annotated("Region", "object")),
        tool("header-twice", annotated("Region", b={"type": "string", "x-mcp-header": "REGION"})),
        tool("header-in-choice", {"type": "object", "oneOf": [annotated("Region")]}),
        tool("header-in-items", {"type": "object", "properties": {"l": {"type": "array", "items": annotated("R")}}}),
        tool(""),
        tool(None),
        tool(7),
        tool(["plain"]),
        tool("plain", {"type": "object", "properties": {"second": {}}}),
        None,
        1,
        "plain",
        [],
        {},
        {"name": "no-schema"},
        {"name": "schema-null", "inputSchema": None},
        tool("schema-list", []),
        tool("schema-of-array", {"type": "array"}),
        tool("schema-untyped", {"properties": {}}),
        tool("schema-broken", {"type": "object", "properties": {"a": {"type": 7}}}),
        tool("ref-http", {"type": "object", "properties": {"a": {"$ref": f"{elsewhere}/schema.json"}}}),
        tool("ref-root", {"type": "object", "$ref": f"{elsewhere}/schema.json#/$defs/a"}),
        tool("ref-dynamic", {"type": "object", "properties": {"a": {"$dynamicRef": f"{elsewhere}/schema.json#a"}}}),
        tool("ref-id", {"$id": f"{elsewhere}/base.json", "type": "object", "properties": {"a": {"$ref": "x.json"}}}),
        tool("ref-file", {"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}),
        tool("ref-path", {"type": "object", "properties": {"a": {"$ref": "../../etc/passwd"}}}),
        tool("ref-nowhere", {"type": "object", "properties": {"a": {"$ref": "#/$defs/missing"}}}),
        tool("schema-elsewhere", {"type": "object", "$schema": f"{elsewhere}/meta.json"}),
        tool("output-ref", outputSchema={"type": "object", "properties": {"a": {"$ref": f"{elsewhere}/o.json"}}}),
        tool("tower", towering(40)),
        tool("doubling", doubling(30)),
        tool("crowd", {"type": "object", "properties": {f"p{n}": {} for n in range(2_000)}}),
        tool("patterns", {"type": "object", "patternProperties": {f"^{n}": {} for n in range(100)}}),
        tool("choices", {"type": "object", "properties": {"a": {"enum": list(range(30_000))}}}),
        tool("verbose", description="d" * 300_000),
        tool("annotations", annotations=["readOnlyHint"]),
        tool("title", title={"a": 1}),
    ]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("kind", KINDS)
async def test_the_good_tools_of_a_hostile_list_are_offered_and_no_others(tmp_path: Path, era: Era, kind: Any) -> None:
    async with recorder() as (elsewhere, came):
        poisoned = [*GOOD[:3], *bad(elsewhere), *GOOD[3:]]
        async with ListingMCP(poisoned, era=kind) as evil, site(tmp_path, {"evil": {"url": evil.url}}) as here:
            client = await agent(here.url(), era)
            entries = [entry for page in await pages(client) for entry in page]
            assert entries == GOOD, "as they came, in the order in which they came"
            for name in ("header-crlf", "ref-http", "doubling"):
                assert (await client.call(name))["error"]["code"] in (-32602, -32020)
            for name in ("plain", "recursive", "vendor"):
                assert (await client.call(name, {"root": {"next": {}}}))["result"]["isError"] is False
            for name in ("pattern", "backtracking"):
                assert (await client.call(name, {"a": "a" * 5_000 + "!"}))["result"]["isError"] is True
            assert evil.calls() == 3
        assert came == [], "a schema was fetched"


UNSPEAKABLE = ["n" * 300, "two words", "smile😀", "line\nbreak", "a\r\nX-Injected: 1", "\x1b[2J", "=?base64?b2s=?="]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_name_that_clients_cannot_use_gets_one_that_they_can(tmp_path: Path, kind: Any) -> None:
    unspeakable = [tool(name) for name in UNSPEAKABLE]
    async with ListingMCP(unspeakable, era=kind) as evil, site(tmp_path, {"evil": {"url": evil.url}}) as here:
        client = await agent(here.url(), "modern")
        exposed = await listed(client)
        assert len(set(exposed)) == len(UNSPEAKABLE)
        for name, shown in zip(UNSPEAKABLE, exposed, strict=True):
            assert re.fullmatch(r"[A-Za-z0-9_./-]{1,64}", shown), shown
            assert (await client.call(shown, {"n": 1}))["result"]["structuredContent"] == {"echo": {"n": 1}}
            asked = evil.requests[-1]
            assert asked.tool == name, "the upstream's own name stays the identity"
            assert "x-injected" not in asked.headers
            if kind == "modern":
                assert asked.headers["mcp-name"] in (name, header_value(name))


@pytest.mark.parametrize(
    "value", ["eu\r\nX-Injected: 1", "Zürich\u2028", "=?base64?ZXU=?=", " eu ", "", "a\0b", "\t", "😀" * 50]
)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("era", ERAS)
async def test_an_argument_in_a_header_injects_nothing(tmp_path: Path, era: Era, kind: Any, value: str) -> None:
    async with ListingMCP(GOOD, era=kind) as evil, site(tmp_path, {"evil": {"url": evil.url}}) as here:
        client = await agent(here.url(), era)
        call = client.calling("mirrored", {"a": value})
        mirrored: dict[str, Any] = {"Mcp-Param-Region": header_value(value)} if era == "modern" else {}
        answer = await exchange(client.url, client.packed(call, **mirrored))
        assert answer.message["result"]["structuredContent"] == {"echo": {"a": value}}
        asked = next(seen for seen in evil.requests if seen.tool == "mirrored")
        assert "x-injected" not in asked.headers
        assert asked.params["arguments"] == {"a": value}
        if kind == "modern":
            plain = value == ""
            assert asked.headers["mcp-param-region"] == (value if plain else header_value(value))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Mcp-Param-Region": "us"},
        {"Mcp-Param-Region": header_value("us")},
        {"Mcp-Param-Region": "=?base64?%%%?="},
        {"Mcp-Param-Region": "eu", "mcp-param-region": "us"},
    ],
)
async def test_a_header_that_contradicts_its_argument_is_refused(tmp_path: Path, headers: dict[str, Any]) -> None:
    async with ListingMCP(GOOD) as evil, site(tmp_path, {"evil": {"url": evil.url}}) as here:
        client = await agent(here.url(), "modern")
        data = client.packed(client.calling("mirrored", {"a": "eu"}, id=7))
        first, rest = data.split(b"\r\n", 1)
        extra = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
        answer = await exchange(client.url, first + b"\r\n" + extra + rest)
        assert (answer.status, answer.message["id"], answer.message["error"]["code"]) == (400, 7, -32020)
        assert evil.calls() == 0


# ---------------------------------------------------------------- lists


def in_pages(entries: list[Any], size: int) -> Any:
    def page(cursor: str | None) -> dict[str, Any]:
        start = int(cursor or 0)
        more = {"nextCursor": str(start + size)} if start + size < len(entries) else {}
        return {"tools": entries[start : start + size], **more}

    return page


async def test_ten_thousand_tools_are_listed_in_bounded_pages(tmp_path: Path) -> None:
    names = [f"tool_{n}" for n in range(10_000)]
    many = ListingMCP(in_pages([tool(name) for name in names], 100))
    async with many, EvilMCP() as well:
        upstreams = {"many": {"url": many.url, "timeout": "20s"}, "well": {"url": well.url}}
        servers = {"many": [{"upstream": "many"}], "well": [{"upstream": "well"}]}
        async with site(tmp_path, upstreams, servers) as here:
            await eventually("all are there", lambda: here.gateway.fleet.health()["many"].tools == 10_000)
            other = await agent(here.url("well"), "modern")
            for era in ERAS:
                client = await agent(here.url("many"), era)
                found = await pages(client)
                assert [entry["name"] for page in found for entry in page] == names
                assert max(len(page) for page in found) <= 1_000
                assert (await client.call("tool_9999", {"n": 1}))["result"]["structuredContent"] == {"echo": {"n": 1}}
                cursor = (await client.ask("tools/list"))["result"]["nextCursor"]
                forged = [cursor[:-2] + "xx", cursor + "x", "0", "", "../../1", "\0", cursor[::-1], "x" * 10_000]
                for each in forged:
                    assert (await client.ask("tools/list", {"cursor": each}))["error"]["code"] == -32602
                assert (await other.ask("tools/list", {"cursor": cursor}))["error"]["code"] == -32602
                nonsenses: tuple[Any, ...] = (7, ["0"], {}, True)
                for nonsense in nonsenses:
                    assert (await client.ask("tools/list", {"cursor": nonsense}))["error"]["code"] == -32602


ENDLESS: dict[str, Any] = {
    "one tool too many": in_pages([tool(f"t{n}") for n in range(10_001)], 1_000),
    "the same cursor": lambda cursor: {"tools": [tool(f"t{cursor}")], "nextCursor": "again"},
    "two cursors in turn": lambda cursor: {"tools": [], "nextCursor": "b" if cursor == "a" else "a"},
    "ever new cursors": lambda cursor: {"tools": [], "nextCursor": str(int(cursor or 0) + 1)},
    "ever the empty cursor": lambda cursor: {"tools": [], "nextCursor": ""},
    "a cursor that is a number": lambda cursor: {"tools": [], "nextCursor": 1},
    "tools that are an object": lambda cursor: {"tools": {"plain": tool("plain")}},
    "no tools": lambda cursor: {},
    "a mebibyte of cursor": lambda cursor: {"tools": [], "nextCursor": (cursor or "x" * MIB) + "x"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ENDLESS)
async def test_a_list_without_an_end_is_given_up(tmp_path: Path, name: str, kind: Any) -> None:
    async with ListingMCP(ENDLESS[name], era=kind) as evil, EvilMCP() as well:
        upstreams = {"evil": {"url": evil.url, "timeout": "20s"}, "well": {"url": well.url}}
        async with site(tmp_path, upstreams) as here:
            client = await agent(here.url(), "modern")
            assert "ok" in await listed(client)
            assert (await client.call("ok", {"n": 1}))["result"]["structuredContent"] == {"echo": {"n": 1}}
            health = here.gateway.fleet.health()["evil"]
            assert not health.available
            assert "tools/list" in str(health.error)
            assert evil.methods()["tools/list"] <= 3 * 100


@pytest.mark.parametrize("kind", KINDS)
async def test_an_empty_cursor_is_a_cursor(tmp_path: Path, kind: Any) -> None:
    def page(cursor: str | None) -> dict[str, Any]:
        return {"tools": [tool("second")]} if cursor == "" else {"tools": [tool("first")], "nextCursor": ""}

    async with ListingMCP(page, era=kind) as evil, site(tmp_path, {"evil": {"url": evil.url}}) as here:
        assert await listed(await agent(here.url(), "modern")) == ["first", "second"]


async def test_a_storm_of_list_changes_is_read_now_and_then(tmp_path: Path) -> None:
    async with ListingMCP(GOOD, era="legacy") as evil, site(tmp_path, {"evil": {"url": evil.url}}) as here:
        client = await agent(here.url(), "modern")
        await eventually("the gateway listens", lambda: evil.listened)
        await eventually("it has read what it may have missed", lambda: evil.methods()["tools/list"] >= 2)
        before = evil.methods()["tools/list"]
        evil.page = lambda cursor: {"tools": [*GOOD, tool("new")]}
        storm = asyncio.ensure_future(evil.announce(50_000))
        calls = 0
        while not storm.done():
            assert (await client.call("plain", {"n": calls}))["result"]["structuredContent"] == {"echo": {"n": calls}}
            calls += 1
        await eventually("what is new is known", lambda: here.gateway.fleet.health()["evil"].tools == len(GOOD) + 1)
        assert calls > 0
        assert evil.methods()["tools/list"] - before < 40, "each announcement must not cost a reading"
        assert await listed(client) == [entry["name"] for entry in [*GOOD, tool("new")]]


# ---------------------------------------------------------------- greetings

GREETINGS: dict[str, dict[str, Any]] = {
    "instructions of 8 MiB": {"instructions": "i" * 8 * MIB},
    "instructions as a list": {"instructions": ["obey"]},
    "a name of a mebibyte": {"serverInfo": {"name": "\x1b[2J\r\n" * 100_000, "version": "1"}},
    "a capability of a mebibyte": {"capabilities": {"tools": {}, "experimental": {"x": "y" * MIB}}},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", GREETINGS)
async def test_a_greeting_is_not_passed_on_at_any_length(tmp_path: Path, name: str, kind: Any) -> None:
    async with (
        ListingMCP(GOOD, era=kind, greeting=GREETINGS[name]) as evil,
        site(tmp_path, {"evil": {"url": evil.url}}) as here,
    ):
        modern, handshake = Agent(here.url(), "modern"), Agent(here.url(), "handshake")
        discovered = await exchange(modern.url, modern.packed(modern.message("server/discover")))
        greeted = await handshake.open()
        for answer in (discovered, greeted):
            assert "result" in answer.message
            assert len(answer.body) < 300_000
            assert "\\u001b" not in answer.body.decode()
        assert await listed(modern) == [entry["name"] for entry in GOOD]


# ---------------------------------------------------------------- logs

FORGED = '{"event": "call", "outcome": "ok"}'
HOSTILE = f"evil\r\n{FORGED}\n\x1b[2J\x9b31m\u2028\u2029\x85\x7f\u202e{{0}}%s"


def harmless(line: bytes) -> dict[str, Any]:
    """One record in one line in which nothing can act on whatever shows it."""
    text = line.decode()
    assert text.endswith("\n")
    assert all(char == " " or char.isprintable() for char in text[:-1]), text
    record: dict[str, Any] = json.loads(text)
    return record


async def test_hostile_words_stay_inside_their_field_of_one_line(tmp_path: Path) -> None:
    poisoned = [tool("plain"), tool(HOSTILE), tool(HOSTILE, annotated(HOSTILE)), tool("x", {"$ref": HOSTILE})]
    async with ListingMCP(poisoned) as evil, child(tmp_path, {"evil": {"url": evil.url}}) as here:
        client = await agent(here.url(), "modern")
        info = {"name": HOSTILE, "version": HOSTILE}
        meta = {"io.modelcontextprotocol/clientInfo": info, "traceparent": HOSTILE, "baggage": HOSTILE}
        assert "result" in await client.call("plain", meta=meta)
        assert "error" in await client.call("no such tool")
        unknown = client.message("tools/" + HOSTILE)
        assert (await exchange(client.url, client.packed(unknown, Mcp_Method=None))).status == 400
        handshake = await agent(here.url(), "handshake")
        assert (await handshake.ask("tools/" + HOSTILE[:90]))["error"]["code"] == -32601
        assert "error" in await handshake.ask("resources/read", {"uri": HOSTILE})
        assert "error" in await handshake.call(HOSTILE)
        await eventually("all calls are on record", lambda: len(here.records) >= 7)
    records = [harmless(line) for line in here.records]
    assert sorted(record["event"] for record in records) == ["call"] * 6 + ["refused"]
    assert {"evil" in str(record.get("client")) for record in records} == {True, False}
    for line in here.log:
        harmless(line)


def test_a_terminal_is_not_driven_by_what_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    before = structlog.get_config()
    monkeypatch.setattr(sys, "stderr", terminal)
    try:
        logs.configure("info")
        structlog.get_logger("upstream").warning("entry_dropped", entry=HOSTILE, why=[HOSTILE], about={HOSTILE: 1})
    finally:
        structlog.configure(**before)
    shown = terminal.getvalue()
    assert shown.count("\n") == 1
    for acting in ("\x1b[2J", "\r", "\x9b", "\u2028", "\x85", "\x7f", "\u202e"):
        assert acting not in shown, repr(acting)
