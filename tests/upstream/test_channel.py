import asyncio
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pytest import mark, raises

from mcp_gateway.core.errors import ProtocolViolation, Rejected, TimedOut, Unreachable
from mcp_gateway.upstream.channel import Channel
from mcp_gateway.upstream.wire import Exchange
from tests.upstream.channel_peer import Message, Peer, peer_and_duplex, settle


def ignore(method: str, params: dict[str, object]) -> None:
    """No event is expected."""


def soon(seconds: float = 5.0) -> Exchange:
    return Exchange(deadline=asyncio.get_running_loop().time() + seconds)


def begin(channel: Channel, method: str = "tools/call", exchange: Exchange | None = None) -> asyncio.Task[Message]:
    request = channel.request(channel.mint(), method, {"n": 1}, exchange or soon())
    return asyncio.get_running_loop().create_task(request)


async def one_request() -> tuple[Peer, Channel, asyncio.Task[Message], Message]:
    peer, duplex = peer_and_duplex()
    channel = Channel(duplex, on_event=ignore, upstream="u")
    task = begin(channel)
    return peer, channel, task, await peer.next("tools/call")


async def test_a_result_reaches_its_request_untouched() -> None:
    peer, _, task, request = await one_request()
    assert request == {"jsonrpc": "2.0", "id": request["id"], "method": "tools/call", "params": {"n": 1}}
    result = {"content": [{"type": "unheard of", "x": None}], "structuredContent": None, "vendor": 1, "_meta": {"a": 1}}
    peer.result(request, result)
    assert await task == result


@mark.parametrize("data", [{"a": 1}, None, [], 0])
async def test_an_error_comes_as_it_was_sent(data: object) -> None:
    peer, _, task, request = await one_request()
    peer.error(request, -32042, "do this first", data=data)
    with raises(Rejected) as caught:
        await task
    assert (caught.value.code, caught.value.message) == (-32042, "do this first")
    assert (caught.value.data, caught.value.has_data, caught.value.upstream) == (data, True, "u")


async def test_an_error_without_data_has_none() -> None:
    peer, _, task, request = await one_request()
    peer.error(request, 5)
    with raises(Rejected) as caught:
        await task
    assert not caught.value.has_data


@given(st.permutations(range(200)), st.integers(0, 3))
def test_two_hundred_requests_get_their_own_answers_in_any_order(order: list[int], noise: int) -> None:
    async def scenario() -> None:
        peer, duplex = peer_and_duplex()
        channel = Channel(duplex, on_event=ignore)
        tasks = [begin(channel) for _ in order]
        requests = [await peer.next("tools/call") for _ in order]
        for position in order:
            for _ in range(noise):
                peer.send({"jsonrpc": "2.0", "id": 10_000 + position, "result": {"leak": True}})
            peer.result(requests[position], {"for": requests[position]["id"]})
            if noise:
                peer.result(requests[position], {"for": "a second answer"})
        results = [await task for task in tasks]
        assert [result["for"] for result in results] == [request["id"] for request in requests]
        await settle()
        assert channel.dropped["unknown"] == noise * len(order)
        assert channel.dropped["late"] == (len(order) if noise else 0)

    asyncio.run(scenario())


@mark.parametrize("spell", [str, float, lambda number: [number], lambda number: {"id": number}, lambda number: None])
async def test_an_id_that_only_looks_like_ours_is_foreign(spell: Any) -> None:
    peer, channel, task, request = await one_request()
    peer.send({"jsonrpc": "2.0", "id": spell(request["id"]), "result": {"leak": True}})
    peer.send({"jsonrpc": "2.0", "id": True, "result": {"leak": True}})
    await settle()
    assert not task.done()
    assert channel.dropped["unknown"] == 2
    peer.result(request, {})
    assert await task == {}


@mark.parametrize(
    "spoil",
    [
        {"jsonrpc": "2.0", "result": {}, "error": {"code": 1, "message": ""}},
        {"jsonrpc": "2.0", "result": None},
        {"jsonrpc": "2.0", "result": [1]},
        {"jsonrpc": "2.0", "result": "text"},
        {"jsonrpc": "2.0"},
        {"result": {}},
        {"jsonrpc": "1.0", "result": {}},
        {"jsonrpc": "2.0", "method": "tools/list", "result": {}},
        {"jsonrpc": "2.0", "error": {"code": "1", "message": ""}},
        {"jsonrpc": "2.0", "error": {"code": True, "message": ""}},
        {"jsonrpc": "2.0", "error": {"code": 1}},
        {"jsonrpc": "2.0", "error": "text"},
        {"jsonrpc": "2.0", "error": None},
    ],
)
async def test_a_malformed_answer_fails_its_request_at_once(spoil: Message) -> None:
    peer, _, task, request = await one_request()
    peer.send({**spoil, "id": request["id"]})
    with raises(ProtocolViolation):
        await asyncio.wait_for(task, 5)


@mark.parametrize(
    "text",
    [
        '{"jsonrpc":"2.0","id":%d,"result":{"a":1,"a":2}}',
        '{"jsonrpc":"2.0","id":%d,"result":{"a":NaN}}',
        '{"id": %d, "result": {"text": "\\ud800"}}',
        '{"result":{"a":1,"a":2},"jsonrpc":"2.0","id":%d}',
        '{"jsonrpc":"2.0","id":%d,"result":{"a":',
    ],
)
async def test_an_answer_that_is_not_strict_json_fails_its_request_at_once(text: str) -> None:
    peer, _, task, request = await one_request()
    peer.raw((text % request["id"]).encode())
    with raises(ProtocolViolation):
        await asyncio.wait_for(task, 5)


@mark.parametrize(
    "noise",
    [b"Server listening", b"[1,2,3]", b"17", b"null", b"{}", b'"id":1', b'{"method":7}', b"\xff\xfe{", b"{" * 5000],
)
async def test_what_is_not_a_message_is_dropped_and_counted(noise: bytes) -> None:
    peer, channel, task, request = await one_request()
    peer.raw(noise)
    await settle()
    assert sum(channel.dropped.values()) >= 1
    assert not task.done()
    peer.result(request, {"fine": 1})
    assert await task == {"fine": 1}


async def test_a_broken_request_of_the_upstream_with_our_number_does_not_touch_ours() -> None:
    peer, _, task, request = await one_request()
    peer.raw(b'{"jsonrpc":"2.0","id":%d,"method":"sampling/createMessage","params":{"a":1,"a":2}}' % request["id"])
    peer.send({"id": request["id"], "method": "ping"})
    await settle()
    assert not task.done()
    peer.result(request, {})
    await task


@mark.parametrize(("version", "allowed"), [("2025-03-26", True), ("2025-06-18", False), ("", False)])
async def test_batches_are_taken_where_the_version_has_them(version: str, allowed: bool) -> None:
    peer, channel, task, request = await one_request()
    channel.speak(version, modern=False)
    peer.send([{"jsonrpc": "2.0", "id": request["id"], "result": {"a": 1}}, 7])
    if allowed:
        assert await task == {"a": 1}
    else:
        with raises(ProtocolViolation):
            await asyncio.wait_for(task, 5)


async def test_a_deadline_ends_the_wait_and_tells_the_upstream() -> None:
    peer, duplex = peer_and_duplex()
    channel = Channel(duplex, on_event=ignore, upstream="u")
    task = begin(channel, exchange=soon(0.01))
    request = await peer.next("tools/call")
    with raises(TimedOut) as caught:
        await asyncio.wait_for(task, 5)
    assert (caught.value.sent, caught.value.upstream) == (True, "u")
    cancelled = await peer.next("notifications/cancelled")
    assert cancelled["params"]["requestId"] == request["id"]
    peer.result(request, {"late": True})
    await settle()
    assert channel.dropped["late"] == 1


async def test_a_deadline_in_the_past_sends_nothing() -> None:
    peer, duplex = peer_and_duplex()
    channel = Channel(duplex, on_event=ignore)
    with raises(TimedOut) as caught:
        await channel.request(channel.mint(), "tools/call", {}, soon(-1))
    await settle()
    assert not caught.value.sent
    assert peer.seen == []


async def test_cancelling_the_caller_cancels_upstream_with_the_upstream_id() -> None:
    peer, channel, task, request = await one_request()
    task.cancel()
    with raises(asyncio.CancelledError):
        await task
    cancelled = await peer.next("notifications/cancelled")
    assert cancelled["params"]["requestId"] == request["id"]
    peer.result(request, {"late": True})
    await settle()
    assert channel.dropped["late"] == 1


async def test_the_handshake_is_never_cancelled_upstream() -> None:
    peer, duplex = peer_and_duplex()
    channel = Channel(duplex, on_event=ignore)
    task = asyncio.create_task(channel.request(channel.mint(), "initialize", {}, soon(0.01), cancellable=False))
    with raises(TimedOut):
        await task
    await settle()
    assert [message["method"] for message in peer.seen] == ["initialize"]


async def test_death_fails_everything_at_once_and_is_told_once() -> None:
    peer, duplex = peer_and_duplex()
    told: list[str] = []
    channel = Channel(duplex, on_event=ignore, on_lost=lambda reason: told.append(reason.message), upstream="u")
    tasks = [begin(channel) for _ in range(20)]
    for _ in tasks:
        await peer.next("tools/call")
    duplex.fail(Unreachable("the upstream's process ended", sent=True))
    for task in tasks:
        with raises(Unreachable) as caught:
            await asyncio.wait_for(task, 5)
        assert (caught.value.sent, caught.value.upstream) == (True, "u")
    with raises(Unreachable) as refused:
        await channel.request(channel.mint(), "tools/call", {}, soon())
    assert not refused.value.sent
    await channel.close()
    assert told == ["the upstream's process ended"]


async def test_death_by_violation_is_a_violation_for_those_who_wait() -> None:
    _, duplex = peer_and_duplex()
    channel = Channel(duplex, on_event=ignore)
    task = begin(channel)
    await settle()
    duplex.fail(ProtocolViolation("too long"))
    with raises(ProtocolViolation):
        await task


async def test_closing_twice_is_safe_and_fails_who_waits() -> None:
    _, channel, task, _ = await one_request()
    await channel.close()
    await channel.close()
    with raises(Unreachable):
        await task


async def test_nothing_of_a_message_reaches_the_log(caplog: Any, capsys: Any) -> None:
    peer, channel, task, request = await one_request()
    for text in ('{"jsonrpc":"2.0","id":77,"result":{"c":"CANARY"}}', "CANARY", '{"method":"CANARY","id":{}}'):
        peer.raw(text.encode())
    peer.raw(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": "CANARY"}).encode())
    with raises(ProtocolViolation) as caught:
        await task
    await channel.close()
    shown = capsys.readouterr()
    assert "CANARY" not in caplog.text + shown.out + shown.err + str(caught.value)
