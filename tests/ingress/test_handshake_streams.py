"""Event streams of the handshake era: notifications, questions to the client, resumption, the standalone stream."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from mcp_gateway.calls.inventory import Change
from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.core.errors import Rejected
from mcp_gateway.ingress import stream
from tests.ingress.agent import Agent, opened
from tests.ingress.rig import Rig

FORM = {"message": "who?", "requestedSchema": {"type": "object", "properties": {}}}
OK: Mapping[str, Any] = {"content": [{"type": "text", "text": "ok"}]}


def notifying(rig: Rig, count: int = 1, gate: asyncio.Event | None = None) -> None:
    """`echo` sends `count` log messages, waits for `gate`, then answers."""

    async def script(invocation: Invocation) -> Result:
        for number in range(count):
            invocation.call.link.notify("notifications/message", {"level": "info", "data": number})
        if gate is not None:
            await gate.wait()
        return {"resultType": "complete", **OK}

    rig.terminal.scripts["echo"] = script


def asking(rig: Rig, method: str = "elicitation/create") -> None:
    """`echo` asks the client and answers with what it said."""

    async def script(invocation: Invocation) -> Result:
        said = await invocation.call.link.ask(method, FORM)
        return {"resultType": "complete", "content": [], "structuredContent": said}

    rig.terminal.scripts["echo"] = script


async def test_notifications_come_first_on_the_stream_and_the_answer_last() -> None:
    rig = Rig()
    notifying(rig, 3)
    agent = await opened(rig)
    exchange = agent.call("echo")
    messages = await exchange.messages()
    assert [message.get("params", {}).get("data") for message in messages[:3]] == [0, 1, 2]
    assert messages[3]["id"] == 1 and messages[3]["result"] == OK
    assert exchange.header("x-accel-buffering") == "no"


@pytest.mark.parametrize(("version", "primed"), [("2025-11-25", True), ("2025-06-18", False), ("2025-03-26", False)])
async def test_a_priming_event_comes_first_in_2025_11_25_only(version: str, primed: bool) -> None:
    rig = Rig()
    notifying(rig)
    agent = await opened(rig, version)
    exchange = agent.call("echo")
    first = await exchange.event()
    if primed:
        assert first.data == b"" and first.retry and first.id
        assert (await exchange.event()).data
    else:
        assert first.data and first.retry is None
    await exchange.done()


async def test_coming_back_with_the_priming_id_repeats_everything() -> None:
    rig = Rig()
    gate = asyncio.Event()
    notifying(rig, 2, gate)
    agent = await opened(rig)
    exchange = agent.call("echo")
    primer = await exchange.event()
    exchange.disconnect()
    gate.set()
    await exchange.done()
    messages = await agent.get(primer.id.decode()).messages()
    assert [message.get("params", {}).get("data") for message in messages[:2]] == [0, 1]
    assert messages[-1]["result"] == OK


@pytest.mark.parametrize("extension", [True, False])
async def test_a_client_that_goes_away_has_cancelled_nothing(extension: bool) -> None:
    rig = Rig()
    gate = asyncio.Event()
    notifying(rig, 2, gate)
    agent = await opened(rig, "2025-06-18")
    exchange = agent.call("echo", id="a", extension=extension)
    await exchange.event()
    second = await exchange.event()
    exchange.disconnect()
    for _ in range(5):
        await asyncio.sleep(0)
    assert rig.terminal.cancelled == []
    resumed = agent.get(second.id.decode(), extension=extension)
    await resumed.started()
    gate.set()
    assert await resumed.messages() == [{"jsonrpc": "2.0", "id": "a", "result": OK}]
    assert [line["outcome"] for line in rig.audit if line["method"] == "tools/call"] == ["ok"]


async def test_an_answer_that_came_meanwhile_is_fetched_afterwards_and_again() -> None:
    rig = Rig()
    gate = asyncio.Event()
    notifying(rig, 1, gate)
    agent = await opened(rig, "2025-06-18")
    exchange = agent.call("echo")
    last = (await exchange.event()).id.decode()
    exchange.disconnect()
    gate.set()
    await exchange.done()
    for _ in range(2):
        assert [message["id"] for message in await agent.get(last).messages()] == [1]


async def test_a_question_reaches_the_client_and_its_answer_the_tool() -> None:
    rig = Rig()
    asking(rig)
    agent = await opened(rig, capabilities={"elicitation": {}})
    exchange = agent.call("echo")
    question = await exchange.message()
    assert question["method"] == "elicitation/create" and question["params"] == FORM
    assert (await agent.answer(question["id"], {"action": "accept", "content": {"who": "me"}}).done()).status == 202
    answer = await exchange.message()
    assert answer["result"]["structuredContent"] == {"action": "accept", "content": {"who": "me"}}


async def test_the_clients_own_error_reaches_the_tool() -> None:
    rig = Rig()
    seen: list[Rejected] = []

    async def script(invocation: Invocation) -> Result:
        try:
            await invocation.call.link.ask("sampling/createMessage", {})
        except Rejected as error:
            seen.append(error)
        return {"resultType": "complete", **OK}

    rig.terminal.scripts["echo"] = script
    agent = await opened(rig, capabilities={"sampling": {}})
    exchange = agent.call("echo")
    question = await exchange.message()
    error = {"code": -1, "message": "User rejected", "data": {"why": 1}}
    await agent.post({"jsonrpc": "2.0", "id": question["id"], "error": error}).done()
    await exchange.done()
    assert [(e.code, e.message, e.data) for e in seen] == [(-1, "User rejected", {"why": 1})]


@pytest.mark.parametrize(("method", "family"), [("elicitation/create", "elicitation"), ("roots/list", "roots")])
async def test_what_the_client_did_not_declare_is_not_asked(method: str, family: str) -> None:
    rig = Rig()
    asking(rig, method)
    agent = await opened(rig, capabilities={"sampling": {}})
    exchange = agent.call("echo")
    error = await exchange.error()
    assert exchange.status == 200 and not exchange.streaming
    assert error["code"] == -32600 and error["data"]["requiredCapabilities"] == {family: {}}


@pytest.mark.parametrize("same_user", [True, False])
async def test_the_answer_of_another_session_settles_nothing(same_user: bool) -> None:
    rig = Rig()
    asking(rig)
    agent = await opened(rig, capabilities={"elicitation": {}}, user="alice")
    stranger = await opened(rig, capabilities={"elicitation": {}}, user="alice" if same_user else "mallory")
    exchange = agent.call("echo")
    question = await exchange.message()
    assert (await stranger.answer(question["id"], {"action": "stolen"}).done()).status == 202
    assert (await agent.answer(question["id"], {"action": "decline"}).done()).status == 202
    assert (await exchange.message())["result"]["structuredContent"] == {"action": "decline"}


async def test_an_answer_that_nobody_waits_for_is_taken_and_forgotten() -> None:
    rig = Rig()
    asking(rig)
    agent = await opened(rig, capabilities={"elicitation": {}})
    exchange = agent.call("echo")
    question = await exchange.message()
    for action in ("first", "second"):
        assert (await agent.answer(question["id"], {"action": action}).done()).status == 202
    assert (await agent.answer("gateway-999", {}).done()).status == 202
    assert (await exchange.message())["result"]["structuredContent"] == {"action": "first"}


async def test_list_changes_arrive_on_the_standalone_stream() -> None:
    rig = Rig()
    agent = await opened(rig)
    standing = await agent.get().started()
    assert standing.status == 200 and standing.streaming
    rig.publish(Change.PROMPTS, Change.TOOLS, Change.RESOURCES)
    kinds = [(await standing.message())["method"] for _ in range(3)]
    assert sorted(kinds) == [f"notifications/{kind}/list_changed" for kind in ("prompts", "resources", "tools")]
    standing.disconnect()
    await standing.done()


async def test_changes_while_nobody_read_are_repeated_to_who_comes_back() -> None:
    rig = Rig()
    agent = await opened(rig)
    standing = await agent.get().started()
    rig.publish(Change.TOOLS)
    last = (await standing.event()).id.decode()
    standing.disconnect()
    await standing.done()
    rig.publish(Change.PROMPTS)
    again = await agent.get(last).started()
    assert (await again.message())["method"] == "notifications/prompts/list_changed"
    again.disconnect()
    await again.done()


async def test_resource_updates_arrive_until_unsubscribed() -> None:
    rig = Rig()
    agent = await opened(rig, user="alice")
    standing = await agent.get().started()
    assert await agent.request("resources/subscribe", {"uri": "note://1"}).result() == {}
    assert [entry[:3] for entry in rig.watch.held] == [("up", "note://1", "corp|alice")]
    rig.watch.update("note://1", extra=1)
    message = await standing.message()
    assert message["method"] == "notifications/resources/updated"
    assert message["params"] == {"uri": "note://1", "extra": 1}
    assert await agent.request("resources/unsubscribe", {"uri": "note://1"}).result() == {}
    assert rig.watch.held == []
    standing.disconnect()
    await standing.done()


async def test_subscribing_twice_watches_once() -> None:
    rig = Rig()
    agent = await opened(rig)
    for _ in range(2):
        await agent.request("resources/subscribe", {"uri": "note://1"}).result()
    assert len(rig.watch.held) == 1
    assert await agent.request("resources/unsubscribe", {"uri": "note://2"}).result() == {}
    assert len(rig.watch.held) == 1


async def test_nobody_subscribes_to_what_does_not_exist() -> None:
    rig = Rig()
    agent = await opened(rig)
    error = await agent.request("resources/subscribe", {"uri": "nothing://here"}).error()
    assert error["code"] == -32602 and error["data"] == {"uri": "nothing://here"}
    assert rig.watch.held == []


async def test_the_end_of_a_session_ends_its_streams_and_subscriptions() -> None:
    rig = Rig()
    agent = await opened(rig)
    standing = await agent.get().started()
    await agent.request("resources/subscribe", {"uri": "note://1"}).result()
    assert (await agent.delete().done()).status == 200
    await standing.done()
    assert standing.complete and rig.watch.held == [] and len(rig.hubs["desk"]) == 0


async def test_a_second_standalone_stream_is_refused() -> None:
    rig = Rig()
    agent = await opened(rig)
    standing = await agent.get().started()
    second = agent.get()
    assert (await second.json())["error"]["code"] == -32600 and second.status == 409
    standing.disconnect()
    await standing.done()
    third = await agent.get().started()
    assert third.status == 200
    third.disconnect()
    await third.done()


async def test_standing_streams_end_when_the_gateway_closes() -> None:
    rig = Rig()
    agent = await opened(rig)
    standing = await agent.get().started()
    rig.sessions.end_streams()
    await standing.done()
    assert standing.complete


async def test_an_unknown_event_id_is_answered_with_the_standalone_stream() -> None:
    rig = Rig()
    agent = await opened(rig)
    for last in ("r99-1", "nonsense", "r1-", "-1", "g-999999999999999"):
        exchange = await agent.get(last).started()
        assert exchange.status == 200 and exchange.streaming
        rig.publish(Change.TOOLS)
        assert (await exchange.message())["method"] == "notifications/tools/list_changed"
        exchange.disconnect()
        await exchange.done()


async def test_a_quiet_stream_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE_SECONDS", 0.01)
    rig = Rig()
    agent: Agent = await opened(rig)
    standing = await agent.get().started()
    await standing.until(lambda: standing.body.count(b": \n\n") >= 2)
    standing.disconnect()
    await standing.done()
