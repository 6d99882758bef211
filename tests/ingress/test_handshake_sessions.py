"""Sessions of the handshake era: negotiation, who may use one, how long, and how they end."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from mcp_gateway.core.principal import ANONYMOUS, Principal
from mcp_gateway.core.seal import Sealer
from mcp_gateway.core.versions import HANDSHAKE
from mcp_gateway.ingress import sessions
from mcp_gateway.ingress.sessions import Sessions
from tests.ingress.agent import Agent, opened
from tests.ingress.rig import KEYS, META, Rig, composition

ALICE = Principal(id="corp|alice", subject="alice")


@pytest.mark.parametrize("version", HANDSHAKE)
async def test_every_version_served_is_agreed_to(version: str) -> None:
    result = await Agent(Rig(), version).open()
    assert result["protocolVersion"] == version
    assert result["serverInfo"]["name"] == "desk"


@pytest.mark.parametrize("version", ["2024-11-05", "2026-07-28", "2099-01-01", "", "x" * 200])
async def test_other_versions_are_answered_with_the_newest_of_the_era(version: str) -> None:
    assert (await Agent(Rig(), version).open())["protocolVersion"] == "2025-11-25"


async def test_initialize_says_what_the_server_can_do_in_the_shape_of_the_era() -> None:
    result = await Agent(Rig()).open()
    assert set(result) == {"protocolVersion", "capabilities", "serverInfo"}
    assert result["capabilities"] == {
        "tools": {"listChanged": True},
        "prompts": {"listChanged": True},
        "resources": {"listChanged": True, "subscribe": True},
        "completions": {},
        "logging": {},
    }


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"protocolVersion": 1, "capabilities": {}},
        {"protocolVersion": "2025-11-25"},
        {"protocolVersion": "2025-11-25", "capabilities": []},
    ],
)
async def test_a_malformed_initialize_opens_nothing(params: dict[str, Any]) -> None:
    rig = Rig()
    exchange = Agent(rig).request("initialize", params, id="i")
    answer = await exchange.json()
    assert answer["error"]["code"] == -32602 and answer["id"] == "i"
    assert exchange.header("mcp-session-id") is None and len(rig.sessions) == 0


async def test_session_ids_are_visible_ascii_and_never_the_same() -> None:
    rig = Rig()
    tokens = [(await opened(rig)).token or "" for _ in range(20)]
    assert len(set(tokens)) == 20
    assert all(len(token) >= 32 and all(0x21 <= ord(char) <= 0x7E for char in token) for token in tokens)


async def test_only_initialize_gives_out_a_session_id() -> None:
    agent = await opened(Rig())
    exchange = agent.request("tools/list")
    await exchange.result()
    assert exchange.header("mcp-session-id") is None


async def test_without_a_session_everything_else_is_refused() -> None:
    rig = Rig()
    agent = Agent(rig)
    for exchange in (agent.request("tools/list", id="q"), agent.notify("notifications/initialized")):
        answer = await exchange.json()
        assert exchange.status == 400 and answer["error"]["code"] == -32600
    assert rig.terminal.calls == []


@pytest.mark.parametrize("token", ["nonsense", "a" * 300, "ü", "="])
async def test_an_unknown_session_is_not_found(token: str) -> None:
    agent = Agent(Rig())
    agent.token = token
    for exchange in (agent.request("tools/list", id=9), agent.get(), agent.delete()):
        answer = await exchange.json()
        assert exchange.status == 404 and answer["error"]["code"] == -32600


async def test_a_session_is_bound_to_its_principal_and_its_server() -> None:
    rig = Rig(composition("desk"), composition("other"))
    agent = await opened(rig, user="alice")
    for user, server in (("mallory", "desk"), (None, "desk"), ("alice", "other")):
        thief = Agent(rig, user=user, server=server)
        thief.token = agent.token
        for exchange in (thief.call("echo"), thief.get(), thief.delete()):
            await exchange.json()
            assert exchange.status == 404
    assert rig.terminal.calls == []
    await agent.call("echo").result()


async def test_delete_ends_a_session_for_good() -> None:
    rig = Rig()
    agent = await opened(rig)
    assert (await agent.delete().done()).status == 200
    for exchange in (agent.request("tools/list"), agent.get(), agent.delete()):
        await exchange.json()
        assert exchange.status == 404
    assert len(rig.sessions) == 0


async def test_another_spelling_of_an_ended_session_is_not_found_either() -> None:
    rig = Rig()
    agent = await opened(rig)
    token = agent.token or ""
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    await agent.delete().done()
    for spelling in (base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode(), token + "="):
        agent.token = spelling
        exchange = agent.request("tools/list")
        await exchange.done()
        assert exchange.status == 404, spelling


async def test_delete_cancels_what_is_in_flight_and_ends_its_response() -> None:
    rig = Rig()
    agent = await opened(rig)
    rig.terminal.hangs("echo")
    exchange = agent.call("echo")
    await rig.terminal.entered.wait()
    assert (await agent.delete().done()).status == 200
    assert await exchange.messages() == []
    assert rig.terminal.cancelled == ["echo"] and exchange.complete


async def test_sessions_survive_a_restart() -> None:
    rig = Rig()
    agent = await opened(rig, "2025-06-18", capabilities={"sampling": {"tools": {}}, "vendor": {"x": 1}}, user="alice")
    fresh = Sessions(Sealer(KEYS, "session"))
    session = fresh.find(agent.token or "", "desk", ALICE)
    assert session is not None
    assert (session.version, session.capabilities) == ("2025-06-18", {"sampling": {"tools": {}}})
    assert session.info == {"name": "agent", "version": "1"}
    restarted = Rig()
    agent.rig = restarted
    assert (await agent.call("echo").result())["content"]
    assert restarted.terminal.calls[0].call.client.version == "2025-06-18"


async def test_a_restarted_gateway_opens_no_foreign_session() -> None:
    token = Sessions(Sealer(KEYS, "session")).create("desk", ALICE, "2025-11-25", {}, None).id
    assert Sessions(Sealer(KEYS, "session")).find(token, "desk", ALICE) is not None
    for keys, purpose, server, principal in (
        ((b"x" * 32,), "session", "desk", ALICE),
        (KEYS, "cursor", "desk", ALICE),
        (KEYS, "session", "other", ALICE),
        (KEYS, "session", "desk", ANONYMOUS),
    ):
        assert Sessions(Sealer(keys, purpose)).find(token, server, principal) is None


async def test_a_rotated_key_still_opens_old_sessions() -> None:
    token = Sessions(Sealer(KEYS, "session")).create("desk", ALICE, "2025-11-25", {}, None).id
    assert Sessions(Sealer((b"n" * 32, *KEYS), "session")).find(token, "desk", ALICE) is not None


async def test_an_old_session_is_not_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    token = Sessions(Sealer(KEYS, "session")).create("desk", ALICE, "2025-11-25", {}, None).id
    monkeypatch.setattr(sessions, "SESSION_SECONDS", -10)
    assert Sessions(Sealer(KEYS, "session")).find(token, "desk", ALICE) is None


async def test_soft_state_is_bounded_and_ids_stay_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_MAX_SESSIONS", 5)
    held = Sessions(Sealer(KEYS, "session"))
    made = [held.create("desk", ALICE, "2025-11-25", {}, None) for _ in range(8)]
    assert len(held) == 5
    again = held.find(made[0].id, "desk", ALICE)
    assert again is not None and again is not made[0] and len(held) == 5


async def test_idle_sessions_are_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Sessions(Sealer(KEYS, "session"))
    released: list[str] = []
    idle = held.create("desk", ALICE, "2025-11-25", {}, None)
    idle.hold("x", lambda: released.append("x"))
    idle.used -= sessions.IDLE_SECONDS + 1
    held.create("desk", ALICE, "2025-11-25", {}, None)
    assert len(held) == 1 and released == ["x"]


async def test_how_long_a_session_lasted_is_told_once_by_who_made_it_or_ended_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[tuple[str, str, int]] = []

    def ended(server: str, version: str, seconds: float) -> None:
        told.append((server, version, round(seconds)))

    here, there = (Sessions(Sealer(KEYS, "session"), ended) for _ in range(2))
    made, idle = (here.create("desk", ALICE, "2025-11-25", {}, None) for _ in range(2))
    made.made -= 100
    here.end(made)
    assert told == [("desk", "2025-11-25", 100)]
    taken = there.find(idle.id, "desk", ALICE)
    assert taken is not None
    for session in (idle, taken):
        session.made -= 7200
        session.used -= sessions.IDLE_SECONDS + 1
    there.create("desk", ALICE, "2025-11-25", {}, None)
    assert len(told) == 1, "another process made it"
    here.create("desk", ALICE, "2025-11-25", {}, None)
    assert told[1:] == [("desk", "2025-11-25", 7200 - 3601)], "until it was used last"
    here.close()
    assert len(told) == 2, "ids stay good when a process ends"


async def test_holding_under_a_key_releases_the_earlier_one() -> None:
    released: list[int] = []
    session = Sessions(Sealer(KEYS, "session")).create("desk", ALICE, "2025-11-25", {}, None)
    session.hold("a", lambda: released.append(1))
    session.hold("a", lambda: released.append(2))
    session.release("a")
    session.release("a")
    assert released == [1, 2]


async def test_only_so_many_streams_of_a_session_are_remembered() -> None:
    session = Sessions(Sealer(KEYS, "session")).create("desk", ALICE, "2025-11-25", {}, None)
    for _ in range(200):
        session.new_stream()
    known = [name for name in (f"r{number}" for number in range(1, 201)) if session.stream(name) is not None]
    assert 0 < len(known) <= 64 and known[-1] == "r200"
    assert session.stream("g") is session.standalone


async def test_a_modern_request_without_its_header_is_told_so() -> None:
    meta = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": {}}
    exchange = Agent(Rig()).request("tools/list", {"_meta": meta}, id="m")
    answer = await exchange.json()
    assert exchange.status == 400 and answer["id"] == "m"
    assert "MCP-Protocol-Version" in answer["error"]["message"]


@pytest.mark.parametrize("info", [None, "me", {"name": 5, "version": "1"}, {"name": "n" * 5000, "version": "1"}])
async def test_odd_client_infos_are_no_reason_to_refuse(info: Any) -> None:
    rig = Rig()
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
    exchange = Agent(rig).request("initialize", params)
    await exchange.result()
    assert len(exchange.header("mcp-session-id") or "") < 1000


async def test_closing_ends_responses_but_keeps_ids_good() -> None:
    rig = Rig()
    agent = await opened(rig)
    rig.terminal.hangs("echo")
    exchange = agent.call("echo")
    await rig.terminal.entered.wait()
    rig.sessions.close()
    await exchange.done()
    rig.terminal.scripts.clear()
    assert await agent.call("echo", id=2).result()


async def test_two_replicas_serve_one_session_at_once() -> None:
    first, second = Rig(), Rig()
    agent = await opened(first)
    results = []
    for rig in (first, second):
        agent.rig = rig
        results.append(asyncio.ensure_future(agent.call("echo").result()))
    assert len(await asyncio.gather(*results)) == 2
