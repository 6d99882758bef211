"""Answers of the modern era: JSON or a stream, progress, cancellation by going away, slow readers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.core.errors import Forbidden, MissingCapability
from mcp_gateway.ingress import keep_alive, stream
from tests.ingress.rig import META, Rig

DONE: Mapping[str, Any] = {"resultType": "complete", "content": []}


def notifying(rig: Rig, *, count: int = 1, gate: asyncio.Event | None = None, fails: Exception | None = None) -> None:
    async def script(invocation: Invocation) -> Result:
        for number in range(count):
            invocation.call.link.notify("notifications/progress", {"progressToken": 1, "progress": number})
        if gate is not None:
            await gate.wait()
        if fails is not None:
            raise fails
        return {"resultType": "complete", "content": []}

    rig.terminal.scripts["echo"] = script


async def test_a_call_without_notifications_is_answered_as_json() -> None:
    exchange = await Rig().call("echo").done()
    assert exchange.header("content-type") == "application/json" and exchange.status == 200


async def test_the_stream_starts_with_the_first_notification() -> None:
    rig = Rig()
    gate = asyncio.Event()
    notifying(rig, count=2, gate=gate)
    exchange = rig.call("echo", id="s")
    for number in range(2):
        event = await exchange.event()
        assert event.id == b"" and event.retry is None
        assert (b'"progress":%d' % number) in event.data
    assert exchange.header("x-accel-buffering") == "no" and exchange.header("cache-control")
    assert exchange.header("x-request-id") and exchange.header("server-timing")
    gate.set()
    messages = await exchange.messages()
    assert [message["id"] for message in messages] == ["s"]
    assert messages[0]["result"]["resultType"] == "complete"


async def test_an_error_after_notifications_is_the_last_event() -> None:
    rig = Rig()
    notifying(rig, fails=Forbidden("denied", policies=["p"]))
    messages = await rig.call("echo").messages()
    assert messages[-1]["error"]["code"] == 40300 and messages[-1]["id"] == 1


async def test_an_error_before_any_keeps_its_status() -> None:
    rig = Rig()
    rig.terminal.fails("echo", MissingCapability("no", required={"sampling": {}}))
    exchange = rig.call("echo")
    error = await exchange.error()
    assert exchange.status == 400 and error["code"] == -32021
    assert error["data"] == {"requiredCapabilities": {"sampling": {}}}


@pytest.mark.parametrize("extension", [True, False])
@pytest.mark.parametrize("streaming", [True, False])
async def test_going_away_cancels_the_call(extension: bool, streaming: bool) -> None:
    rig = Rig()
    notifying(rig, count=int(streaming), gate=asyncio.Event())
    exchange = rig.call("echo", extension=extension)
    await rig.terminal.entered.wait()
    if streaming:
        await exchange.started()
    exchange.disconnect()
    await exchange.done()
    assert rig.terminal.cancelled == ["echo"]
    assert [line["outcome"] for line in rig.audit] == ["cancelled"]


@pytest.mark.parametrize("extension", [True, False])
async def test_going_away_after_the_answer_cancels_nothing(extension: bool) -> None:
    rig = Rig()
    exchange = await rig.call("echo", extension=extension).done()
    exchange.disconnect()
    assert rig.terminal.cancelled == [] and exchange.complete


async def test_one_client_going_away_leaves_the_others() -> None:
    rig = Rig()
    gate = asyncio.Event()
    notifying(rig, gate=gate)
    leaving, staying = rig.call("echo"), rig.call("echo")
    await leaving.started()
    await staying.started()
    leaving.disconnect()
    await leaving.done()
    gate.set()
    assert (await staying.messages())[-1]["result"]["resultType"] == "complete"
    assert rig.terminal.cancelled == ["echo"]


async def test_a_long_call_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep_alive, "KEEP_ALIVE_SECONDS", 0.01)
    monkeypatch.setattr(stream, "KEEP_ALIVE_SECONDS", 0.01)
    rig = Rig()
    released = rig.terminal.hangs("echo")
    exchange = rig.call("echo")
    await exchange.until(lambda: exchange.body.count(b": \n\n") >= 2)
    released.set()
    assert len(await exchange.messages()) == 1


async def test_a_storm_of_notifications_is_bounded_and_the_answer_still_comes() -> None:
    rig = Rig()
    notifying(rig, count=50_000)
    exchange = rig.call("echo")
    messages = await exchange.messages()
    assert 1_000 <= len(messages) <= 1_100
    assert messages[-1]["result"]["resultType"] == "complete"


async def test_a_slow_reader_holds_a_bounded_queue() -> None:
    rig = Rig()
    gate = asyncio.Event()
    links: list[Any] = []

    async def script(invocation: Invocation) -> Result:
        links.append(invocation.call.link)
        for _ in range(50):
            for _ in range(1_000):
                invocation.call.link.notify("notifications/progress", {"progress": 1})
            await asyncio.sleep(0)
        await gate.wait()
        return {"resultType": "complete", "content": []}

    rig.terminal.scripts["echo"] = script
    exchange = rig.call("echo", slow=True)
    await exchange.started()
    while links[0].stream.dropped < 47_000:
        await asyncio.sleep(0)
    gate.set()
    exchange.read_on()
    messages = await exchange.messages()
    assert len(messages) + links[0].stream.dropped == 50_001


async def test_a_reader_that_never_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_SEND_SECONDS", 0.01)
    rig = Rig()
    notifying(rig)
    exchange = rig.call("echo", slow=True)
    await exchange.done()
    assert not exchange.complete


async def test_there_is_no_way_to_ask_the_client() -> None:
    rig = Rig()

    async def script(invocation: Invocation) -> Result:
        return await invocation.call.link.ask("sampling/createMessage", {})

    rig.terminal.scripts["echo"] = script
    exchange = rig.call("echo", meta={META + "clientCapabilities": {"sampling": {}}})
    assert (await exchange.error())["data"] == {"requiredCapabilities": {"sampling": {}}}
    assert exchange.status == 400


async def test_the_log_level_is_that_of_the_request_alone() -> None:
    rig = Rig()
    await rig.call("echo", meta={META + "logLevel": "warning"}).result()
    await rig.call("echo").result()
    assert [invocation.call.log_level for invocation in rig.terminal.calls] == ["warning", None]


async def test_a_defect_is_reported_and_shown_without_detail() -> None:
    rig = Rig()
    rig.terminal.fails("echo", ZeroDivisionError("secret detail"))
    exchange = rig.call("echo", id="d")
    answer = await exchange.json()
    assert answer["id"] == "d" and answer["error"]["code"] == -32603 and b"secret" not in exchange.body
    assert [request_id for request_id, _ in rig.defects] == [exchange.header("x-request-id")]


async def test_shutting_down_is_not_taken_for_the_client_going_away() -> None:
    rig = Rig()
    rig.terminal.hangs("echo")
    exchange = rig.call("echo")
    await rig.terminal.entered.wait()
    exchange.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exchange.task
    assert rig.terminal.cancelled == ["echo"]


async def test_200_clients_that_all_use_id_1_get_their_own_answers() -> None:
    rig = Rig()

    async def script(invocation: Invocation) -> Result:
        number = invocation.params["arguments"]["count"]
        for _ in range(number % 7):
            await asyncio.sleep(0)
        if number % 2:
            invocation.call.link.notify("notifications/progress", {"progress": number})
        return {"resultType": "complete", "content": [], "structuredContent": {"mine": number}}

    rig.terminal.scripts["echo"] = script
    exchanges = [rig.call("echo", {"count": number}, id=1) for number in range(200)]
    answers = await asyncio.gather(*(exchange.answer() for exchange in exchanges))
    assert [answer["result"]["structuredContent"]["mine"] for answer in answers] == list(range(200))
    assert {answer["id"] for answer in answers} == {1}
    assert len({exchange.header("x-request-id") for exchange in exchanges}) == 200
