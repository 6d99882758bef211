"""The front of the data plane: paths, methods, hosts, the door, and the headers that every response has."""

from __future__ import annotations

import asyncio

import pytest

from mcp_gateway.core.asgi.inflight import InFlight
from tests.ingress.agent import opened
from tests.ingress.asgi import Exchange, scope
from tests.ingress.rig import BOTH, Rig, composition, modern_headers, modern_request

MODERN = (b"mcp-protocol-version", b"2026-07-28")
PATH = "/servers/desk/mcp"


def accounted(exchange: Exchange) -> bool:
    timing = exchange.header("server-timing") or ""
    return bool(exchange.header("x-request-id")) and timing.startswith("gateway;dur=") and "upstream;dur=" in timing


@pytest.mark.parametrize(
    "path",
    [
        "/", "/servers/desk", "/servers/desk/", "/servers/desk/mcp/", "/servers//mcp", "/servers/mcp",
        "/Servers/desk/mcp", "/servers/none/mcp", "/servers/desk/x/mcp", "/servers/../desk/mcp", "//servers/desk/mcp",
        "/servers/desk;x/mcp",
        "/servers/DESK/mcp", "/servers/desk\0/mcp",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_other_paths_lead_nowhere(path: str, method: str) -> None:
    exchange = await Rig().send(scope(method, path, [MODERN])).done()
    assert exchange.status == 404 and accounted(exchange)
    assert b"desk" not in exchange.body


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "OPTIONS", "HEAD"])
async def test_the_modern_era_has_post_only(method: str) -> None:
    exchange = Rig().send(scope(method, PATH, [MODERN, (b"mcp-session-id", b"x")]))
    answer = await exchange.json()
    assert exchange.status == 405 and exchange.header("allow") == "POST" and accounted(exchange)
    assert answer["error"]["code"] == -32600 and exchange.header("mcp-session-id") is None


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "OPTIONS"])
async def test_without_a_session_the_handshake_era_has_post_only_too(method: str) -> None:
    exchange = await Rig().send(scope(method, PATH, [])).done()
    assert exchange.status == 405 and accounted(exchange)


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        (b"host", b"evil.test", 421),
        (b"host", b"gw.test@evil", 421),
        (b"host", b"gw.test/health?a=", 421),
        (b"origin", b"https://evil.test", 403),
        (b"origin", b"null", 403),
        (b"origin", b"https://app.test.evil", 403),
        (b"origin", b"https://app.test", 200),
        (b"origin", b"http://gw.test", 200),
    ],
)
@pytest.mark.parametrize("modern", [True, False])
async def test_foreign_hosts_and_origins_get_nothing(name: bytes, value: bytes, status: int, modern: bool) -> None:
    rig = Rig()
    if modern:
        headers = modern_headers(modern_request("tools/call", {"name": "echo"}))
        message: object = modern_request("tools/call", {"name": "echo"})
    else:
        agent = await opened(rig)
        headers = agent.headers()
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo"}}
    exchange = await rig.post(message, headers | {name.decode(): value.decode()}).done()
    assert exchange.status == status and accounted(exchange)
    assert len(rig.terminal.calls) == (status == 200)
    assert exchange.header("access-control-allow-origin") is None


async def test_who_is_not_let_in_reaches_nothing() -> None:
    rig = Rig()
    exchange = rig.call("echo", user="nobody")
    answer = await exchange.json()
    assert exchange.status == 401 and answer["error"]["data"]["reason"] == "unauthenticated" and accounted(exchange)
    assert rig.terminal.calls == []


async def test_the_principal_of_the_door_is_that_of_the_call() -> None:
    rig = Rig()
    await rig.call("echo", user="alice").result()
    await rig.call("echo").result()
    assert [invocation.call.principal.id for invocation in rig.terminal.calls] == ["corp|alice", "anonymous"]


async def test_at_capacity_requests_are_refused_and_afterwards_taken_again() -> None:
    rig = Rig(inflight=InFlight(total=2, per_client=2))
    release = rig.terminal.hangs("echo")
    held = [rig.call("echo", id=number) for number in range(2)]
    while len(rig.terminal.calls) < 2:
        await asyncio.sleep(0)
    refused = rig.call("region")
    answer = await refused.json()
    assert refused.status == 503 and refused.header("retry-after") == "1" and accounted(refused)
    assert (answer["error"]["code"], answer["error"]["data"]["reason"]) == (50300, "overloaded")
    release.set()
    for exchange in held:
        await exchange.result()
    await rig.call("region").result()


async def test_standing_streams_take_no_place() -> None:
    rig = Rig(inflight=InFlight(total=1, per_client=1))
    agent = await opened(rig)
    standing = [await agent.get().started()]
    standing.append(await rig.modern("subscriptions/listen", {"notifications": {}}).started())
    await rig.call("echo").result()
    for exchange in standing:
        exchange.disconnect()
        await exchange.done()


async def test_every_response_is_accounted_for() -> None:
    rig = Rig()
    agent = await opened(rig)
    standing = await agent.get().started()
    exchanges = [
        rig.call("echo"),
        rig.call("none"),
        rig.modern("no/such"),
        rig.post(b"{", {}),
        rig.post(b"{", {"mcp-protocol-version": "2026-07-28", "accept": BOTH, "content-type": "application/json"}),
        agent.call("echo"),
        agent.notify("notifications/initialized"),
        agent.get(),
        rig.modern("server/discover"),
        agent.request("ping", id=3),
    ]
    for exchange in exchanges:
        await exchange.done()
        assert accounted(exchange), (exchange.status, exchange.headers)
    ended = await agent.delete().done()
    await standing.done()
    assert accounted(ended) and accounted(standing)
    everything = [*exchanges, ended, standing]
    assert len({exchange.header("x-request-id") for exchange in everything}) == len(everything)


async def test_each_server_answers_for_itself() -> None:
    rig = Rig(composition("desk", prefix="a_"), composition("other", prefix="b_"))
    await rig.call("a_echo", server="desk").result()
    await rig.call("b_echo", server="other").result()
    assert (await rig.call("b_echo", server="desk").error())["code"] == -32602


async def test_calls_finish_on_the_snapshot_they_began_with() -> None:
    rig = Rig()
    release = rig.terminal.hangs("echo")
    exchange = rig.call("echo")
    await rig.terminal.entered.wait()
    before = rig.terminal.calls[0].call.snapshot
    rig.swap()
    assert (await rig.call("echo").error())["code"] == -32602
    release.set()
    await exchange.result()
    lines = {line["outcome"]: line["snapshot"] for line in rig.audit}
    assert lines["ok"] == before != lines["refused"]


async def test_only_http_is_answered() -> None:
    rig = Rig()
    exchange = await Exchange(rig.app, {"type": "lifespan"}, []).done()
    assert exchange.status == 0


async def test_an_encoded_slash_separates_nothing() -> None:
    asgi = scope("POST", "/servers/desk/mcp", [MODERN])
    asgi["raw_path"] = b"/servers%2fdesk/mcp"
    assert (await Rig().send(asgi).done()).status == 404
