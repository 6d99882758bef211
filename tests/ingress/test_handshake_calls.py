"""Requests of the handshake era: calls, cancellation, ids in flight, batches, the methods that only sessions have."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.core.errors import MissingCapability, TimedOut
from mcp_gateway.ingress import handshake, keep_alive
from tests.ingress.agent import opened
from tests.ingress.rig import BOTH, Rig


async def test_a_call_is_answered_as_json_without_what_the_era_does_not_know() -> None:
    rig = Rig()
    rig.terminal.answers(
        "echo",
        {"resultType": "complete", "ttlMs": 5, "cacheScope": "public", "content": [], "vendor": 1, "_meta": {"a": 1}},
    )
    exchange = (await opened(rig)).call("echo", id="x")
    assert await exchange.json() == {
        "jsonrpc": "2.0",
        "id": "x",
        "result": {"content": [], "vendor": 1, "_meta": {"a": 1}},
    }
    assert exchange.status == 200


@pytest.mark.parametrize("value", [None, [1], "text", 5, False])
async def test_structured_content_that_is_no_object_is_left_out(value: Any) -> None:
    rig = Rig()
    rig.terminal.answers("echo", {"resultType": "complete", "content": [], "structuredContent": value})
    assert await (await opened(rig)).call("echo").result() == {"content": []}


@pytest.mark.parametrize("identifier", [0, -1, 2**63, "1", "", "ünï", "x" * 256])
async def test_ids_are_echoed_with_their_type(identifier: object) -> None:
    agent = await opened(Rig())
    answer = await agent.request("ping", id=identifier).json()
    assert answer == {"jsonrpc": "2.0", "id": identifier, "result": {}}
    assert type(answer["id"]) is type(identifier)
    assert (await agent.request("nothing/here", id=identifier).json())["id"] == identifier


@pytest.mark.parametrize("version", ["2025-11-25", "2025-06-18", "2025-03-26"])
async def test_cancelling_ends_the_call_and_no_response_is_sent(version: str) -> None:
    rig = Rig()
    agent = await opened(rig, version)
    rig.terminal.hangs("echo")
    exchange = agent.call("echo", id="c")
    await rig.terminal.entered.wait()
    assert (await agent.notify("notifications/cancelled", {"requestId": "c", "reason": "bored"}).done()).status == 202
    assert await exchange.messages() == []
    assert rig.terminal.cancelled == ["echo"]
    assert rig.audit[-1]["outcome"] == "cancelled"
    await agent.request("ping", id="c").result()


async def test_cancelling_what_is_not_in_flight_does_nothing() -> None:
    rig = Rig()
    agent = await opened(rig)
    released = rig.terminal.hangs("echo")
    exchange = agent.call("echo", id=1)
    await rig.terminal.entered.wait()
    for params in ({"requestId": "1"}, {"requestId": 2}, {}, {"requestId": [1]}, {"requestId": None}):
        assert (await agent.notify("notifications/cancelled", params).done()).status == 202
    released.set()
    assert (await exchange.result())["content"]


async def test_nobody_cancels_in_another_session() -> None:
    rig = Rig()
    mine, other = await opened(rig), await opened(rig)
    released = rig.terminal.hangs("echo")
    exchange = mine.call("echo", id=1)
    await rig.terminal.entered.wait()
    await other.notify("notifications/cancelled", {"requestId": 1}).done()
    released.set()
    await exchange.result()
    assert rig.terminal.cancelled == []


async def test_an_id_in_flight_is_not_taken_twice() -> None:
    rig = Rig()
    agent = await opened(rig)
    released = rig.terminal.hangs("echo")
    first = agent.call("echo", id=7)
    await rig.terminal.entered.wait()
    second = agent.call("echo", id=7)
    answer = await second.json()
    assert second.status == 400 and answer["error"]["code"] == -32600 and answer["id"] == 7
    assert len(rig.terminal.calls) == 1
    released.set()
    await first.result()
    await agent.call("echo", id=7).result()


async def test_an_id_in_flight_is_refused_in_the_stream_of_who_wants_one() -> None:
    rig = Rig()
    agent = await opened(rig)
    released = rig.terminal.hangs("echo")
    first = agent.call("echo", id=7)
    await rig.terminal.entered.wait()
    second = agent.call("echo", id=7, accept="text/event-stream, application/json")
    (answer,) = await second.messages()
    assert second.status == 200 and answer["error"]["code"] == -32600 and answer["id"] == 7
    assert len(rig.terminal.calls) == 1
    assert [record["reason"] for record in rig.lines.records if record["event"] == "refused"] == ["invalid_envelope"]
    released.set()
    await first.result()


async def test_a_defect_before_the_pipeline_is_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    agent = await opened(rig)

    def broken(body: object) -> None:
        raise LookupError("a defect with canary-78")

    monkeypatch.setattr(handshake, "read_message", broken)
    exchange = agent.request("ping", id=1)
    answer = await exchange.json()
    assert answer["error"]["code"] == -32603 and "canary" not in str(answer)
    assert [record["outcome"] for record in rig.lines.records if record["event"] == "refused"] == ["failed"]


async def test_an_id_cancelled_and_used_again_can_be_cancelled_again() -> None:
    rig = Rig()
    agent = await opened(rig)
    unwinding = asyncio.Event()
    entered = asyncio.Queue[int]()

    async def slow_to_die(invocation: Invocation) -> Result:
        entered.put_nowait(len(rig.terminal.calls))
        try:
            await asyncio.Event().wait()
        finally:
            if len(rig.terminal.calls) == 1:
                await unwinding.wait()
        raise AssertionError

    rig.terminal.scripts["echo"] = slow_to_die
    first = agent.call("echo", id=1)
    await entered.get()
    await agent.notify("notifications/cancelled", {"requestId": 1}).done()
    second = agent.call("echo", id=1)
    await entered.get()
    unwinding.set()
    assert await first.messages() == []
    await agent.notify("notifications/cancelled", {"requestId": 1}).done()
    assert await second.messages() == []


async def test_notifications_of_any_kind_are_taken() -> None:
    agent = await opened(Rig())
    for method in ("notifications/initialized", "notifications/roots/list_changed", "notifications/progress", "x/y"):
        exchange = await agent.notify(method).done()
        assert (exchange.status, exchange.body) == (202, b"")
        assert exchange.header("x-request-id") and exchange.header("server-timing")


async def test_batches_exist_in_2025_03_26() -> None:
    rig = Rig()
    agent = await opened(rig, "2025-03-26")
    batch = [
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo"}},
        {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}},
        {"jsonrpc": "2.0", "id": "2", "method": "ping"},
        {"jsonrpc": "2.0", "id": 3, "method": "no/such"},
    ]
    answers = await agent.post(batch).json()
    assert {str(answer["id"]): answer.get("error", {}).get("code") for answer in answers} == {
        "1": None, "2": None, "3": -32601,
    }  # fmt: skip


async def test_a_batch_of_notifications_only_is_accepted() -> None:
    agent = await opened(Rig(), "2025-03-26")
    exchange = await agent.post([{"jsonrpc": "2.0", "method": "notifications/progress"}]).done()
    assert (exchange.status, exchange.body) == (202, b"")


@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25"])
async def test_later_versions_have_no_batches(version: str) -> None:
    rig = Rig()
    exchange = (await opened(rig, version)).post([{"jsonrpc": "2.0", "id": 1, "method": "ping"}])
    answer = await exchange.json()
    assert exchange.status == 400 and answer["error"]["code"] == -32600 and answer["id"] is None


CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo"}}


@pytest.mark.parametrize(
    "batch",
    [
        [],
        [CALL, 5],
        [CALL, {"jsonrpc": "1.0", "id": 2, "method": "ping"}],
        [CALL, {"jsonrpc": "2.0", "id": 2, "method": "initialize"}],
        [CALL, CALL],
        [{**CALL, "id": number} for number in range(101)],
        [[CALL]],
    ],
)
async def test_a_batch_with_anything_wrong_runs_nothing(batch: list[Any]) -> None:
    rig = Rig()
    exchange = (await opened(rig, "2025-03-26")).post(batch)
    answer = await exchange.json()
    assert exchange.status == 400 and answer["error"]["code"] == -32600
    assert rig.terminal.calls == []


async def test_a_batch_leaves_no_stream_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep_alive, "KEEP_ALIVE_SECONDS", 0.01)
    rig = Rig()
    exchange = (await opened(rig, "2025-03-26")).post([CALL, {**CALL, "id": 2}])
    assert len(await exchange.json()) == 2
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, later.set)
    await later.wait()  # past the moment at which a stream would be started to keep the response alive
    assert exchange.faults == [] and len(exchange.chunks) == 1


async def test_a_whole_batch_cancelled_is_answered_with_nothing() -> None:
    rig = Rig()
    agent = await opened(rig, "2025-03-26")
    rig.terminal.hangs("echo")
    exchange = agent.post([CALL, {**CALL, "id": 2}])
    while len(rig.terminal.calls) < 2:
        await asyncio.sleep(0)
    for identifier in (1, 2):
        await agent.notify("notifications/cancelled", {"requestId": identifier}).done()
    assert await exchange.messages() == []


async def test_the_level_is_remembered_for_the_session() -> None:
    rig = Rig()
    agent, other = await opened(rig), await opened(rig)
    await agent.call("echo").result()
    assert await agent.request("logging/setLevel", {"level": "error"}).result() == {}
    await agent.call("echo").result()
    await other.call("echo").result()
    assert [invocation.call.log_level for invocation in rig.terminal.calls] == ["info", "error", "info"]


@pytest.mark.parametrize("params", [{}, {"level": "loud"}, {"level": 3}, {"level": "ERROR"}])
async def test_a_level_that_does_not_exist_is_refused(params: dict[str, Any]) -> None:
    assert (await (await opened(Rig())).request("logging/setLevel", params).error())["code"] == -32602


@pytest.mark.parametrize("method", ["server/discover", "subscriptions/listen", "tasks/get", "no/such", "TOOLS/LIST"])
async def test_methods_that_the_era_does_not_have_do_not_exist(method: str) -> None:
    exchange = (await opened(Rig())).request(method, id="u")
    answer = await exchange.json()
    assert exchange.status == 200 and answer["error"]["code"] == -32601 and answer["id"] == "u"


async def test_errors_are_answered_with_200() -> None:
    rig = Rig()
    agent = await opened(rig)
    rig.terminal.fails("echo", TimedOut("too slow"))
    exchange = agent.call("echo")
    error = await exchange.error()
    assert exchange.status == 200 and error["code"] == 50400
    assert error["data"] == {"reason": "upstream_timeout", "requestId": exchange.header("x-request-id")}


async def test_codes_of_the_modern_era_stay_there() -> None:
    rig = Rig()
    rig.terminal.fails("echo", MissingCapability("no", required={"sampling": {}}))
    assert (await (await opened(rig)).call("echo").error())["code"] == -32600


async def test_a_question_in_the_modern_way_is_not_passed_on() -> None:
    rig = Rig()
    requests = {"k": {"method": "elicitation/create", "params": {}}}
    rig.terminal.answers("echo", {"resultType": "input_required", "inputRequests": requests, "requestState": "s"})
    error = await (await opened(rig)).call("echo").error()
    assert error["data"] == {"requiredCapabilities": {"elicitation": {}}}


async def test_a_defect_is_reported_and_shown_without_detail() -> None:
    rig = Rig()
    rig.terminal.fails("echo", RuntimeError("secret detail"))
    agent = await opened(rig)
    exchange = agent.call("echo", id=3)
    answer = await exchange.json()
    assert answer["error"]["code"] == -32603 and b"secret" not in exchange.body and answer["id"] == 3
    assert [str(error) for _, error in rig.defects] == ["secret detail"]
    await agent.request("ping").result()


@pytest.mark.parametrize(
    "accept", [None, "application/json", "text/event-stream", "text/html", "application/json;q=0, */*;q=0"]
)
async def test_clients_must_take_json_and_streams(accept: str | None) -> None:
    rig = Rig()
    agent = await opened(rig)
    headers = {key: value for key, value in agent.headers().items() if key != "accept"}
    exchange = rig.post(CALL, headers | ({"accept": accept} if accept else {}))
    await exchange.done()
    assert exchange.status == 406 and rig.terminal.calls == []


@pytest.mark.parametrize("accept", [BOTH, "*/*", "text/*, application/*", "Application/JSON;q=0.5,TEXT/event-stream"])
async def test_every_way_to_say_so_counts(accept: str) -> None:
    rig = Rig()
    agent = await opened(rig)
    await rig.post(CALL, agent.headers(accept=accept)).result()


async def test_requests_of_one_session_run_side_by_side() -> None:
    rig = Rig()
    agent = await opened(rig)
    release = rig.terminal.hangs("echo")
    slow = agent.call("echo", id=1)
    await rig.terminal.entered.wait()
    await agent.call("region", id=2).result()
    release.set()
    await slow.result()
