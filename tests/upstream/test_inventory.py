"""Reading an upstream's lists: pages, bounds, what is dropped; following their changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mcp_gateway.calls.inventory import CacheHint, Change, Inventory, InventoryChanged, Listing
from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import ProtocolViolation, Rejected, Unreachable
from mcp_gateway.upstream.connect import Hello
from mcp_gateway.upstream.credentials import FixedHeaders
from mcp_gateway.upstream.inventory import EVERYTHING, read_inventory
from mcp_gateway.upstream.listing import MOST_ENTRIES, MOST_PAGES
from mcp_gateway.upstream.supervise import Supervisor
from mcp_gateway.upstream.wire import Exchange
from tests.upstream.doubles import HANDSHAKE, ScriptedConnector, ScriptedConversation, log, until

EMPTY = Inventory("up")


def named(*names: str, **more: Any) -> list[Json]:
    return [{"name": name, "inputSchema": {"type": "object"}, **more} for name in names]


def pages(*contents: tuple[str | None, Json]) -> Callable[[Json, Exchange], Json]:
    """Answers by cursor; the first page is the one without."""
    table = dict(contents)

    def answer(params: Json, exchange: Exchange) -> Json:
        return table[params.get("cursor")]

    return answer


async def read(answers: dict[str, Any], *, last: Inventory = EMPTY, **options: Any) -> Inventory:
    conversation = ScriptedConversation(answers, **options)
    return await read_inventory(conversation, last, EVERYTHING, lambda: Exchange(deadline=0), log)


async def test_an_empty_cursor_is_a_cursor_and_hints_are_the_strictest_of_all_pages() -> None:
    found = await read(
        {
            "tools/list": pages(
                (None, {"tools": named("a"), "nextCursor": "", "ttlMs": 9000, "cacheScope": "public"}),
                ("", {"tools": named("b", vendor=[None]), "ttlMs": 5000, "cacheScope": "public"}),
            )
        }
    )
    assert [tool["name"] for tool in found.tools] == ["a", "b"]
    assert found.tools[1]["vendor"] == [None]
    assert found.hints == {Listing.TOOLS: CacheHint(5000, False)}
    assert found.available and found.modern


@pytest.mark.parametrize("ttl", [-5, True, "9", None, 1.5])
async def test_a_ttl_that_is_none_counts_as_zero(ttl: object) -> None:
    found = await read({"tools/list": {"tools": [], "ttlMs": ttl}})
    assert found.hints[Listing.TOOLS] == CacheHint(0, True)


@pytest.mark.parametrize(
    "answer",
    [
        pages((None, {"tools": [], "nextCursor": "x"}), ("x", {"tools": [], "nextCursor": "x"})),
        lambda params, exchange: {"tools": [], "nextCursor": str(int(params.get("cursor", "0")) + 1)},
        {"tools": [{}] * (MOST_ENTRIES + 1)},
        {"tools": {"a": 1}},
        {"tools": [], "nextCursor": 7},
        {},
    ],
    ids=["circle", "endless", "too many", "no list", "odd cursor", "nothing"],
)
async def test_lists_that_cannot_be_read_whole_are_violations(answer: Any) -> None:
    with pytest.raises(ProtocolViolation):
        await read({"tools/list": answer})


async def test_the_last_page_allowed_is_read() -> None:
    def answer(params: Json, exchange: Exchange) -> Json:
        number = int(params.get("cursor", "0")) + 1
        page: Json = {"tools": named(f"t{number}")}
        return page if number == MOST_PAGES else {**page, "nextCursor": str(number)}

    assert len((await read({"tools/list": answer})).tools) == MOST_PAGES


async def test_entries_without_identity_doubles_and_invalid_annotations_are_dropped() -> None:
    bad = {"type": "object", "properties": {"n": {"type": "number", "x-mcp-header": "N"}}}
    found = await read(
        {
            "tools/list": {
                "tools": [
                    7, {}, {"name": ""}, {"name": 3}, *named("a", "a"), {"name": "b", "inputSchema": bad}, *named("c"),
                ]
            }
        }
    )  # fmt: skip
    assert [tool["name"] for tool in found.tools] == ["a", "c"]


async def test_only_what_is_promised_is_asked_for() -> None:
    conversation = ScriptedConversation({"prompts/list": {"prompts": []}}, capabilities={"prompts": {}})
    await read_inventory(conversation, EMPTY, EVERYTHING, lambda: Exchange(deadline=0), log)
    assert [method for method, _, _ in conversation.requests] == ["prompts/list"]


async def test_a_modern_upstream_that_promises_nothing_is_asked_for_tools() -> None:
    assert (await read({"tools/list": {"tools": named("a")}}, capabilities={})).tools
    assert (await read({}, capabilities={})).tools == ()
    assert (await read({"tools/list": {"tools": named("a")}}, capabilities={}, version=HANDSHAKE)).tools == ()


async def test_a_refused_list_keeps_what_was_known_but_refused_tools_are_a_failure() -> None:
    known = Inventory("up", prompts=({"name": "p"},), tools=({"name": "t"},))
    both: Json = {"tools": {}, "prompts": {}}
    found = await read(
        {"tools/list": {"tools": []}, "prompts/list": Rejected(-32603, "oops")}, last=known, capabilities=both
    )
    assert (found.tools, found.prompts) == ((), ({"name": "p"},))
    with pytest.raises(Rejected):
        await read({"tools/list": Rejected(-32603, "oops")}, last=known)


# ---------------------------------------------------------------- following


@asynccontextmanager
async def supervised(
    connector: ScriptedConnector,
) -> AsyncIterator[tuple[Supervisor, list[InventoryChanged], list[int]]]:
    """A running supervisor, what it published, and one entry for each recovery."""
    published: list[InventoryChanged] = []
    recovered: list[int] = []
    supervisor = Supervisor(
        "up",
        connector,
        credentials=FixedHeaders(),
        timeout=5.0,
        log=log,
        publish=published.append,
        recovered=lambda: recovered.append(1),
        replaced=lambda: None,
    )
    supervisor.start()
    try:
        yield supervisor, published, recovered
    finally:
        await supervisor.stop()


async def forever(params: Json, exchange: Exchange) -> Json:
    """An acknowledged listen stream."""
    assert exchange.notify is not None
    exchange.notify("notifications/subscriptions/acknowledged", {"notifications": params["notifications"]})
    await asyncio.Event().wait()
    return {}


async def test_a_storm_of_announcements_is_one_reading_under_way_and_one_pending() -> None:
    conversation = ScriptedConversation({"tools/list": {"tools": named("a")}, "subscriptions/listen": forever})
    async with supervised(ScriptedConnector(lambda hello: conversation)) as (supervisor, published, _):
        # The first reading, and the one after the stream was opened.
        await until(lambda: conversation.count("tools/list") == 2 and not conversation.waiting)
        exchange = next(each for method, _, each in conversation.requests if method == "subscriptions/listen")
        assert exchange.notify is not None
        conversation.gate.clear()
        for _ in range(500):
            exchange.notify("notifications/tools/list_changed", {})
        await until(lambda: conversation.waiting == 1)
        for _ in range(500):
            exchange.notify("notifications/tools/list_changed", {})
        conversation.gate.set()
        await until(lambda: conversation.count("tools/list") == 4 and not conversation.waiting)
        await until(lambda: len(published) == 3)
        await supervisor.reread(asyncio.get_running_loop().time() + 5)
        assert conversation.count("tools/list") == 5
        assert conversation.most_at_once == 1
        announced = [change.announced for change in published]
        assert announced == [frozenset(), {Change.TOOLS}, {Change.TOOLS}]


async def test_only_the_list_that_changed_is_read_again() -> None:
    capabilities: Json = {"tools": {"listChanged": True}, "resources": {"listChanged": True}, "prompts": {}}
    answers: dict[str, Any] = {
        "tools/list": {"tools": []},
        "prompts/list": {"prompts": []},
        "resources/list": {"resources": []},
        "resources/templates/list": {"resourceTemplates": []},
    }
    conversation = ScriptedConversation(answers, version=HANDSHAKE, capabilities=capabilities)
    connector = ScriptedConnector(lambda hello: conversation, "stdio")
    async with supervised(connector) as (supervisor, published, _):
        await supervisor.tried.wait()
        before = len(conversation.requests)
        connector.hellos[0].on_event("notifications/resources/list_changed", {})
        await until(lambda: len(published) == 2)
        assert {method for method, _, _ in conversation.requests[before:]} == {
            "resources/list",
            "resources/templates/list",
        }
        assert published[1].announced == {Change.RESOURCES}


async def test_an_upstream_that_goes_away_keeps_its_entries_and_comes_back() -> None:
    made: list[ScriptedConversation] = []
    down = False

    def make(hello: Hello) -> ScriptedConversation | Exception:
        if down:
            return Unreachable("the connection was refused or failed", sent=False)
        made.append(ScriptedConversation({"tools/list": {"tools": named("a")}}, capabilities={"tools": {}}))
        return made[-1]

    async with supervised(ScriptedConnector(make)) as (supervisor, published, recovered):
        await supervisor.tried.wait()
        assert supervisor.inventory.available and len(recovered) == 1
        down = True
        made[0].answers["tools/list"] = Unreachable("reset", sent=True)
        supervisor.check()
        await until(lambda: not supervisor.inventory.available)
        assert supervisor.inventory.error == "the connection was refused or failed"
        assert [tool["name"] for tool in supervisor.inventory.tools] == ["a"]
        down = False
        supervisor.check()
        await until(lambda: supervisor.inventory.available)
        assert supervisor.conversation is made[1]
        assert (len(recovered), supervisor.restarts, made[0].closed) == (2, 1, True)
        assert [change.inventory.available for change in published] == [True, False, True]


async def test_a_conversation_that_is_lost_is_begun_anew_by_the_next_call() -> None:
    made: list[ScriptedConversation] = []

    def make(hello: Hello) -> ScriptedConversation:
        made.append(ScriptedConversation({"tools/list": {"tools": []}}, capabilities={"tools": {}}))
        return made[-1]

    connector = ScriptedConnector(make, "stdio")
    async with supervised(connector) as (supervisor, published, _):
        await supervisor.tried.wait()
        made[0].alive = False
        assert connector.hellos[0].on_lost is not None
        connector.hellos[0].on_lost(Unreachable("the process ended", sent=True))
        assert await supervisor.ready(asyncio.get_running_loop().time() + 20) is made[1]
        # A start that goes well at once is no reason to tell anybody that the upstream was away.
        assert [change.inventory.available for change in published] == [True]


async def test_calls_fail_at_once_while_an_attempt_failed_a_moment_ago() -> None:
    connector = ScriptedConnector(lambda hello: Unreachable("cannot start 'x'", sent=False))
    async with supervised(connector) as (supervisor, published, _):
        await supervisor.tried.wait()
        for _ in range(50):
            with pytest.raises(Unreachable, match="cannot start 'x'") as caught:
                await supervisor.ready(asyncio.get_running_loop().time() + 20)
            assert not caught.value.sent
        assert len(connector.hellos) <= 3
        assert len(published) == 1
