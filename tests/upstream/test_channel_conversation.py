import asyncio
from typing import Any

from pytest import raises

from mcp_gateway.core.errors import Rejected, Unreachable
from mcp_gateway.upstream.channel_conversation import ChannelConversation
from mcp_gateway.upstream.channel_open import open_channel
from mcp_gateway.upstream.wire import MODERN, Conversation, Exchange
from tests.upstream.channel_peer import DISCOVERED, INITIALIZED, Message, Peer, peer_and_duplex, settle


async def opened(protocol: str) -> tuple[Peer, ChannelConversation]:
    peer, duplex = peer_and_duplex()
    peer.answer = lambda message: (
        {"jsonrpc": "2.0", "id": message["id"], "result": DISCOVERED if protocol == MODERN else INITIALIZED}
        if "id" in message
        else None
    )
    conversation = await open_channel(
        duplex,
        protocol=protocol,
        capabilities={},
        client_info=None,
        on_event=lambda method, params: None,
        deadline=asyncio.get_running_loop().time() + 5,
        upstream="u",
    )
    await settle()
    peer.answer = None
    peer.inbox = asyncio.Queue()
    peer.seen.clear()
    return peer, conversation


def calling(
    conversation: Conversation, params: Message, method: str = "tools/call", **exchange: Any
) -> asyncio.Task[Message]:
    deadline = asyncio.get_running_loop().time() + 5
    return asyncio.get_running_loop().create_task(
        conversation.request(method, params, Exchange(deadline=deadline, **exchange))
    )


async def test_a_modern_request_carries_its_own_marks() -> None:
    peer, conversation = await opened(MODERN)
    task = calling(
        conversation,
        {"name": "t", "_meta": {"traceparent": "00-1", "progressToken": "theirs"}},
        capabilities={"sampling": {}},
        client_info={"name": "c"},
        log_level="info",
        progress=True,
    )
    request = await peer.next("tools/call")
    assert request["params"] == {
        "name": "t",
        "_meta": {
            "traceparent": "00-1",
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {"sampling": {}},
            "io.modelcontextprotocol/clientInfo": {"name": "c"},
            "io.modelcontextprotocol/logLevel": "info",
            "progressToken": request["id"],
        },
    }
    peer.result(request, {"resultType": "complete"})
    await task


async def test_a_listen_is_demultiplexed_by_its_id_and_lives_as_long_as_its_caller() -> None:
    peer, conversation = await opened(MODERN)
    told: list[str] = []
    exchange = Exchange(deadline=float("inf"), notify=lambda method, params: told.append(method), progress=True)
    params = {"notifications": {"toolsListChanged": True}}
    task = asyncio.create_task(conversation.request("subscriptions/listen", params, exchange))
    request = await peer.next("subscriptions/listen")
    assert "progressToken" not in request["params"]["_meta"]
    meta = {"_meta": {"io.modelcontextprotocol/subscriptionId": request["id"]}}
    peer.notify("notifications/subscriptions/acknowledged", {"notifications": {}, **meta})
    peer.notify("notifications/tools/list_changed", meta)
    await settle()
    assert told == ["notifications/subscriptions/acknowledged", "notifications/tools/list_changed"]
    task.cancel()
    with raises(asyncio.CancelledError):
        await task
    assert (await peer.next("notifications/cancelled"))["params"]["requestId"] == request["id"]


async def test_a_handshake_era_request_carries_no_modern_marks() -> None:
    peer, conversation = await opened("2025-11-25")
    meta = {"traceparent": "00-1", "io.modelcontextprotocol/protocolVersion": MODERN}
    task = calling(conversation, {"name": "t", "_meta": meta}, capabilities={"sampling": {}}, client_info={"name": "c"})
    request = await peer.next("tools/call")
    assert request["params"] == {"name": "t", "_meta": {"traceparent": "00-1"}}
    peer.result(request, {})
    await task


async def test_the_log_level_is_set_once_and_again_only_for_more() -> None:
    peer, conversation = await opened("2025-11-25")
    peer.answer = lambda message: {"jsonrpc": "2.0", "id": message["id"], "result": {}}
    for level in (None, "error", "error", "debug", "info", None):
        await calling(conversation, {}, log_level=level)
    sent = [message["params"]["level"] for message in peer.seen if message["method"] == "logging/setLevel"]
    assert sent == ["error", "debug"]


async def test_an_upstream_that_refuses_levels_is_asked_once_and_called_nevertheless() -> None:
    peer, conversation = await opened("2025-11-25")
    task = calling(conversation, {}, log_level="debug")
    peer.error(await peer.next("logging/setLevel"), -32601)
    peer.result(await peer.next("tools/call"), {"a": 1})
    assert await task == {"a": 1}
    task = calling(conversation, {}, log_level="debug")
    peer.result(await peer.next("tools/call"), {})
    await task


async def test_errors_of_the_upstream_pass_as_they_came() -> None:
    peer, conversation = await opened("2025-11-25")
    task = calling(conversation, {})
    peer.error(await peer.next("tools/call"), -32042, "first", data={"elicitations": []})
    with raises(Rejected) as caught:
        await task
    assert (caught.value.code, caught.value.data) == (-32042, {"elicitations": []})


async def test_notifications_go_out_as_they_are() -> None:
    peer, conversation = await opened("2025-11-25")
    await conversation.notify("notifications/roots/list_changed", {})
    assert await peer.next("notifications/roots/list_changed") == {
        "jsonrpc": "2.0",
        "method": "notifications/roots/list_changed",
    }


async def test_a_closed_conversation_is_not_alive_and_sends_nothing() -> None:
    peer, conversation = await opened(MODERN)
    waiting = calling(conversation, {})
    await peer.next("tools/call")
    await conversation.close()
    await conversation.close()
    assert not conversation.alive
    with raises(Unreachable) as broke:
        await waiting
    assert broke.value.sent
    with raises(Unreachable) as refused:
        await calling(conversation, {})
    assert not refused.value.sent
    with raises(Unreachable):
        await conversation.notify("notifications/roots/list_changed", {})
