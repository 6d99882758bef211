import asyncio

from pytest import mark, raises

from mcp_gateway.core.errors import ProtocolViolation, TimedOut, Unreachable
from mcp_gateway.upstream import channel_open
from mcp_gateway.upstream.channel_conversation import ChannelConversation
from mcp_gateway.upstream.channel_duplex import MemoryDuplex
from mcp_gateway.upstream.channel_open import DiedOnProbe, open_channel
from mcp_gateway.upstream.wire import HANDSHAKE, MODERN
from tests.upstream.channel_peer import DISCOVERED, INITIALIZED, Message, Peer, peer_and_duplex, settle


def opening(duplex: MemoryDuplex, protocol: str = "auto", seconds: float = 5.0) -> asyncio.Task[ChannelConversation]:
    loop = asyncio.get_running_loop()
    return loop.create_task(
        open_channel(
            duplex,
            protocol=protocol,
            capabilities={"roots": {}},
            client_info={"name": "me", "version": "0"},
            on_event=lambda method, params: None,
            deadline=loop.time() + seconds,
            upstream="u",
        )
    )


def methods(peer: Peer) -> list[str]:
    return [message["method"] for message in peer.seen if "method" in message]


async def test_a_modern_upstream_is_known_by_its_discovery() -> None:
    peer, duplex = peer_and_duplex()
    task = opening(duplex)
    probe = await peer.next("server/discover")
    assert probe["params"]["_meta"] == {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {"roots": {}},
        "io.modelcontextprotocol/clientInfo": {"name": "me", "version": "0"},
    }
    peer.result(probe, DISCOVERED)
    conversation = await task
    assert conversation.version == MODERN
    assert conversation.capabilities == DISCOVERED["capabilities"]
    assert conversation.server_info == {"name": "peer", "version": "1"}
    assert conversation.instructions == "Ask."
    await settle()
    assert methods(peer) == ["server/discover"]


@mark.parametrize("code", [-32601, -32602, -32600, -32000, 0])
async def test_an_upstream_that_refuses_the_probe_is_initialized(code: int) -> None:
    peer, duplex = peer_and_duplex()
    task = opening(duplex)
    peer.error(await peer.next("server/discover"), code)
    request = await peer.next("initialize")
    assert request["params"] == {
        "protocolVersion": HANDSHAKE[0],
        "capabilities": {"roots": {}},
        "clientInfo": {"name": "me", "version": "0"},
    }
    peer.result(request, INITIALIZED)
    conversation = await task
    assert (conversation.version, conversation.alive) == ("2025-06-18", True)
    initialized = await peer.next("notifications/initialized")
    assert initialized == {"jsonrpc": "2.0", "method": "notifications/initialized"}


async def test_the_version_that_the_upstream_names_is_asked_for() -> None:
    peer, duplex = peer_and_duplex()
    task = opening(duplex)
    peer.error(await peer.next("server/discover"), -32022, data={"supported": ["2025-03-26"], "requested": MODERN})
    request = await peer.next("initialize")
    assert request["params"]["protocolVersion"] == "2025-03-26"
    peer.result(request, INITIALIZED)
    await task


async def test_an_answer_to_the_probe_that_is_no_discovery_leads_to_initialize() -> None:
    peer, duplex = peer_and_duplex()
    task = opening(duplex)
    peer.result(await peer.next("server/discover"), {})
    peer.result(await peer.next("initialize"), INITIALIZED)
    assert (await task).version == "2025-06-18"


async def test_silence_after_the_probe_leads_to_initialize() -> None:
    peer, duplex = peer_and_duplex()
    task = opening(duplex, seconds=2)  # the probe gets a quarter
    await peer.next("server/discover")
    peer.result(await peer.next("initialize"), INITIALIZED)
    assert (await task).version == "2025-06-18"
    await settle()
    assert methods(peer) == ["server/discover", "initialize", "notifications/initialized"], "the probe is not cancelled"


async def test_a_modern_upstream_that_is_slow_to_start_is_still_taken_for_modern() -> None:
    peer, duplex = peer_and_duplex()
    task = opening(duplex, seconds=2)
    probe = await peer.next("server/discover")
    request = await peer.next("initialize")
    peer.result(probe, DISCOVERED)
    peer.error(request, -32601)
    assert (await task).version == MODERN


async def test_of_two_answers_in_the_wrong_order_the_refusal_does_not_decide() -> None:
    peer, duplex = peer_and_duplex()
    task = opening(duplex, seconds=2)
    probe = await peer.next("server/discover")
    peer.error(await peer.next("initialize"), -32022, data={"supported": [MODERN]})
    await settle()
    assert not task.done()
    peer.result(probe, DISCOVERED)
    assert (await task).version == MODERN


async def test_an_upstream_that_dies_of_the_probe_is_to_be_started_again() -> None:
    peer, duplex = peer_and_duplex()
    task = opening(duplex)
    await peer.next("server/discover")
    duplex.fail(Unreachable("the upstream's process ended with exit code 1", sent=True))
    with raises(DiedOnProbe) as caught:
        await task
    assert (caught.value.retry_with, caught.value.sent) == (HANDSHAKE[0], False)
    peer, duplex = peer_and_duplex()
    task = opening(duplex, caught.value.retry_with)
    peer.result(await peer.next("initialize"), INITIALIZED)
    assert (await task).version == "2025-06-18"


async def test_an_upstream_that_dies_at_initialize_is_unreachable() -> None:
    peer, duplex = peer_and_duplex()
    task = opening(duplex, HANDSHAKE[0])
    await peer.next("initialize")
    duplex.fail(Unreachable("gone", sent=True))
    with raises(Unreachable) as caught:
        await task
    assert type(caught.value) is Unreachable
    assert (caught.value.sent, caught.value.upstream) == (False, "u")


@mark.parametrize("protocol", ["auto", MODERN, HANDSHAKE[0]])
async def test_an_upstream_that_never_answers_is_given_up_and_closed(protocol: str) -> None:
    _, duplex = peer_and_duplex()
    with raises(TimedOut) as caught:
        await opening(duplex, protocol, seconds=0.1)
    assert not caught.value.sent
    assert duplex.closed is not None


async def test_giving_up_the_opening_closes_the_channel() -> None:
    peer, duplex = peer_and_duplex()
    task = opening(duplex)
    await peer.next("server/discover")
    task.cancel()
    with raises(asyncio.CancelledError):
        await task
    assert duplex.closed is not None


async def test_a_pinned_modern_version_has_no_way_back() -> None:
    peer, duplex = peer_and_duplex()
    task = opening(duplex, MODERN)
    peer.error(await peer.next("server/discover"), -32601)
    with raises(ProtocolViolation):
        await task
    assert methods(peer) == ["server/discover"]


async def test_a_pinned_handshake_version_is_not_probed() -> None:
    peer, duplex = peer_and_duplex()
    task = opening(duplex, "2025-03-26")
    request = await peer.next("initialize")
    assert request["params"]["protocolVersion"] == "2025-03-26"
    peer.result(request, {**INITIALIZED, "protocolVersion": "2025-03-26"})
    assert (await task).version == "2025-03-26"


@mark.parametrize(
    "answer",
    [
        {"error": {"code": -32603, "message": "CANARY"}},
        {"result": {**INITIALIZED, "protocolVersion": "2031-01-01"}},
        {"result": {**INITIALIZED, "protocolVersion": MODERN}},
        {"result": {**INITIALIZED, "capabilities": "CANARY"}},
        {"result": []},
    ],
)
async def test_a_handshake_that_fails_is_a_violation_and_closes_the_channel(answer: Message) -> None:
    peer, duplex = peer_and_duplex()
    task = opening(duplex, HANDSHAKE[0])
    request = await peer.next("initialize")
    peer.send({"jsonrpc": "2.0", "id": request["id"], **answer})
    with raises(ProtocolViolation) as caught:
        await task
    assert "CANARY" not in str(caught.value)
    assert duplex.closed is not None


def test_the_patience_with_a_probe_is_short() -> None:
    assert channel_open.PROBE_SECONDS <= 5
