"""subscriptions/listen: acknowledged first, only what was honoured, until one side ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from mcp_gateway.calls.inventory import Change
from mcp_gateway.core.errors import Unreachable
from tests.ingress.asgi import Exchange
from tests.ingress.rig import META, Rig, desk, offer, tool

MARK = META + "subscriptionId"
ALL: Mapping[str, Any] = {
    "toolsListChanged": True,
    "promptsListChanged": True,
    "resourcesListChanged": True,
    "resourceSubscriptions": ["note://1", "file:///a"],
}


def listen(rig: Rig, wanted: object = ALL, **options: Any) -> Exchange:
    return rig.modern("subscriptions/listen", {"notifications": wanted}, **options)


async def left(exchange: Exchange) -> None:
    exchange.disconnect()
    await exchange.done()


@pytest.mark.parametrize("identifier", [7, "7", "", 0])
async def test_the_acknowledgement_comes_first_and_carries_the_id_with_its_type(identifier: object) -> None:
    rig = Rig()
    exchange = listen(rig, id=identifier)
    first = await exchange.message()
    assert first["method"] == "notifications/subscriptions/acknowledged"
    assert first["params"]["notifications"] == ALL
    rig.publish(Change.TOOLS)
    second = await exchange.message()
    for message in (first, second):
        mark = message["params"]["_meta"][MARK]
        assert mark == identifier and type(mark) is type(identifier)
    assert exchange.header("x-accel-buffering") == "no"
    await left(exchange)


async def test_only_what_can_be_honoured_is_acknowledged() -> None:
    rig = Rig()
    rig.watch.refused["file:///a"] = Unreachable("down", sent=False)
    wanted = {**ALL, "resourceSubscriptions": ["note://1", "file:///a", "none://x", "note://1"], "taskIds": ["t"]}
    exchange = listen(rig, wanted)
    honoured = (await exchange.message())["params"]["notifications"]
    assert honoured == {**ALL, "resourceSubscriptions": ["note://1"]}
    assert len(rig.watch.held) == 1
    await left(exchange)


async def test_lists_that_are_not_offered_are_not_honoured() -> None:
    rig = Rig(inventories=[offer("up", [tool("echo")], capabilities={"tools": {}})])
    exchange = listen(rig)
    assert (await exchange.message())["params"]["notifications"] == {"toolsListChanged": True}
    await left(exchange)


async def test_nothing_wanted_is_acknowledged_as_nothing() -> None:
    rig = Rig()
    exchange = listen(rig, {"toolsListChanged": False, "promptsListChanged": "yes"})
    assert (await exchange.message())["params"]["notifications"] == {}
    assert len(rig.hubs["desk"]) == 0
    await left(exchange)


async def test_only_what_was_asked_for_is_sent() -> None:
    rig = Rig()
    exchange = listen(rig, {"promptsListChanged": True})
    await exchange.message()
    rig.publish(Change.TOOLS, Change.RESOURCES)
    rig.publish(Change.PROMPTS)
    assert (await exchange.message())["method"] == "notifications/prompts/list_changed"
    await left(exchange)


async def test_updates_of_resources_arrive_marked_and_otherwise_as_they_are() -> None:
    rig = Rig()
    exchange = listen(rig, id="s", user="alice")
    await exchange.message()
    assert {entry[2] for entry in rig.watch.held} == {"corp|alice"}
    rig.watch.update("note://1", vendor=None, _meta={"a": 1, MARK: "forged"})
    message = await exchange.message()
    assert message["method"] == "notifications/resources/updated"
    assert message["params"] == {"uri": "note://1", "vendor": None, "_meta": {"a": 1, MARK: "s"}}
    await left(exchange)


async def test_what_happens_while_subscribing_waits_for_the_acknowledgement() -> None:
    rig = Rig()
    gate = rig.watch.gates["file:///a"] = asyncio.Event()
    exchange = listen(rig)
    while len(rig.watch.held) < 2:
        await asyncio.sleep(0)
    rig.publish(Change.TOOLS)
    rig.watch.update("note://1")
    gate.set()
    methods = [(await exchange.message())["method"] for _ in range(3)]
    assert methods == [
        "notifications/subscriptions/acknowledged",
        "notifications/tools/list_changed",
        "notifications/resources/updated",
    ]
    await left(exchange)


@pytest.mark.parametrize("extension", [True, False])
async def test_going_away_releases_everything(extension: bool) -> None:
    rig = Rig()
    exchange = listen(rig, extension=extension)
    await exchange.message()
    assert len(rig.watch.held) == 2 and len(rig.hubs["desk"]) == 1
    await left(exchange)
    assert rig.watch.held == [] and len(rig.hubs["desk"]) == 0


async def test_going_away_while_subscribing_releases_what_there_is() -> None:
    rig = Rig()
    rig.watch.gates["file:///a"] = asyncio.Event()
    exchange = listen(rig)
    while len(rig.watch.held) < 2:
        await asyncio.sleep(0)
    await left(exchange)
    assert [entry[1] for entry in rig.watch.held] == ["file:///a"]  # the watch that was still being made is its own
    assert len(rig.hubs["desk"]) == 0


async def test_shutting_down_ends_it_with_a_result() -> None:
    rig = Rig()
    exchange = listen(rig, id="s")
    await exchange.message()
    rig.closing.begin()
    [last] = await exchange.messages()
    assert last["id"] == "s" and last["result"]["resultType"] == "complete"
    assert last["result"]["_meta"][MARK] == "s"
    assert rig.watch.held == [] and len(rig.hubs["desk"]) == 0


async def test_several_listens_each_hear_everything() -> None:
    rig = Rig()
    exchanges = [listen(rig, id=1) for _ in range(3)]
    for exchange in exchanges:
        await exchange.message()
    rig.publish(Change.TOOLS)
    for exchange in exchanges:
        assert (await exchange.message())["method"] == "notifications/tools/list_changed"
        await left(exchange)


async def test_a_listen_outlives_a_reload() -> None:
    rig = Rig()
    exchange = listen(rig)
    await exchange.message()
    rig.swap(desk(), changed=[Change.TOOLS])
    assert (await exchange.message())["method"] == "notifications/tools/list_changed"
    await left(exchange)


@pytest.mark.parametrize(
    "wanted",
    [
        None, [], "x",
        {"resourceSubscriptions": "note://1"},
        {"resourceSubscriptions": [5]},
        {"resourceSubscriptions": ["note://1"] * 1_001},
        {"resourceSubscriptions": {"a": 1}, "toolsListChanged": True},
    ],
)  # fmt: skip
async def test_a_malformed_filter_is_refused_and_holds_nothing(wanted: object) -> None:
    rig = Rig()
    exchange = listen(rig, wanted)
    assert (await exchange.error())["code"] == -32602 and exchange.status == 400
    assert rig.watch.held == [] and len(rig.hubs["desk"]) == 0


async def test_progress_and_messages_never_come_here() -> None:
    rig = Rig()
    exchange = listen(rig, meta={META + "logLevel": "debug", "progressToken": 1})
    await exchange.message()

    async def script(invocation: Any) -> dict[str, Any]:
        invocation.call.link.notify("notifications/message", {"level": "info", "data": 1})
        return {"resultType": "complete", "content": []}

    rig.terminal.scripts["echo"] = script
    await rig.call("echo").messages()
    rig.closing.begin()
    assert [message.get("method") for message in await exchange.messages()] == [None]
