"""Asking a person to connect an account: in the way the client understands, and the call goes on afterwards."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mcp_gateway.calls import connect
from mcp_gateway.calls.kinds import Invocation, Kind, Result
from mcp_gateway.calls.state import SealState
from mcp_gateway.core.errors import ConnectionRequired, Invalid, UrlElicitation
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.seal import Sealer
from mcp_gateway.envelopes.identity.stores import GrantKey
from tests.calls.connecting import DONE, KEY, Bench, Session, answered, asking, link_of

# ---------------------------------------------------------------------- 2026-07-28


async def test_a_client_that_opens_links_is_asked() -> None:
    bench = Bench()
    result = await bench.handler(asking())
    assert result["resultType"] == "input_required"
    question = result["inputRequests"]["connect-up"]
    assert question["method"] == "elicitation/create" and question["params"]["mode"] == "url"
    assert set(question["params"]) == {"mode", "url", "message"} and "up" in question["params"]["message"]
    ticket = bench.ticket(link_of(result))
    assert (ticket.principal, ticket.upstream, ticket.server) == ("corp|alice", "up", "desk")
    assert ticket.scopes == ("a", "b") and ticket.client_id == "agent-7" and ticket.agent == "Desk"


@pytest.mark.parametrize("kind", [Kind.PROMPT, Kind.RESOURCE])
async def test_prompts_and_resources_ask_too(kind: Kind) -> None:
    result = await Bench().handler(asking(kind=kind, tool=None))
    assert result["resultType"] == "input_required"


async def test_once_connected_the_call_goes_on_as_it_was() -> None:
    bench = Bench()
    first = await bench.handler(asking())
    await bench.connect()
    assert await bench.handler(asking(answered(first))) is DONE
    assert bench.seen == [{"name": "echo", "arguments": {"n": 1}}]


async def test_a_retry_waits_for_the_person() -> None:
    bench = Bench()
    first = await bench.handler(asking())
    looks = bench.vault.looks
    retry = asyncio.ensure_future(bench.handler(asking(answered(first))))
    while bench.vault.looks == looks:
        await asyncio.sleep(0)
    assert not retry.done()
    await bench.connect()
    assert await retry is DONE


async def test_a_person_who_is_not_done_is_asked_again_with_the_same_link() -> None:
    bench = Bench()
    first = await bench.handler(asking())
    deadline = asyncio.get_running_loop().time()
    again = await bench.handler(asking(answered(first), deadline=deadline))
    assert again["resultType"] == "input_required" and link_of(again) == link_of(first)
    await bench.connect()
    assert await bench.handler(asking(answered(again))) is DONE


async def test_a_link_that_is_about_to_end_is_not_handed_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    first = await bench.handler(asking())
    monkeypatch.setattr(connect, "TICKET_SECONDS", 0)
    bench.clock.now += 599
    again = await bench.handler(asking(answered(first, "?")))
    assert link_of(again) != link_of(first)
    assert bench.ticket(link_of(again)).scopes == ("a", "b")
    assert bench.ticket(link_of(again)).issued_at == bench.ticket(link_of(first)).issued_at + 599


@pytest.mark.parametrize(
    "answers",
    [
        None,
        {},
        [],
        {"connect-up": None},
        {"connect-up": {}},
        {"connect-up": {"action": 5}},
        {"other": {"action": "accept"}},
    ],
)
async def test_whoever_does_not_answer_is_asked_again(answers: object) -> None:
    bench = Bench()
    first = await bench.handler(asking())
    params = {key: value for key, value in answered(first).items() if key != "inputResponses"}
    again = await bench.handler(asking(params if answers is None else {**params, "inputResponses": answers}))
    assert again["resultType"] == "input_required" and link_of(again) == link_of(first)


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_whoever_declines_is_told_and_no_upstream_is(action: str) -> None:
    bench = Bench()
    first = await bench.handler(asking())
    await bench.connect()
    result = await bench.handler(asking(answered(first, action)))
    assert result["isError"] and "declined" in result["content"][0]["text"] and bench.seen == []
    first = await bench.handler(asking(kind=Kind.PROMPT, tool=None, upstream="other"))
    params = {**answered(first, action)}
    with pytest.raises(ConnectionRequired):
        await bench.handler(asking(params, kind=Kind.PROMPT, tool=None, upstream="other"))


@pytest.mark.parametrize(
    "other",
    [
        {"principal": Principal(id="corp|mallory", subject="mallory", client_id="agent-7")},
        {"principal": Principal(id="corp|alice", subject="alice", client_id="agent-8")},
        {"server": "other"},
        {"upstream": "elsewhere"},
        {"kind": Kind.PROMPT},
    ],
)
async def test_the_state_is_good_for_its_own_call_only(other: dict[str, Any]) -> None:
    bench = Bench()
    first = await bench.handler(asking())
    await bench.connect()
    with pytest.raises(Invalid) as caught:
        await bench.handler(asking(answered(first), **other))
    assert caught.value.pointer == "/params/requestState" and bench.seen == []
    with pytest.raises(Invalid):
        await bench.handler(asking(answered(first, arguments={"n": 2})))


async def test_a_changed_state_is_refused() -> None:
    bench = Bench()
    first = await bench.handler(asking())
    token = first["requestState"]
    for changed in ("connect.", "connect.x", token + "A", token[:-4] + "AAAA", token.removeprefix("connect.")):
        with pytest.raises(Invalid):
            await bench.handler(asking(answered({**first, "requestState": changed})))


async def test_an_expired_state_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    monkeypatch.setattr(connect, "STATE_SECONDS", -5)
    first = await bench.handler(asking())
    with pytest.raises(Invalid):
        await bench.handler(asking(answered(first)))


async def test_a_retry_that_is_interrupted_is_taken_up_with_what_it_brought() -> None:
    """The upstream had asked for something itself; the answer to that survives the question for the account."""
    bench = Bench()
    await bench.connect()

    async def wants_roots(got: Invocation) -> Result:
        return {"resultType": "input_required", "inputRequests": {"r": {"method": "roots/list"}}, "requestState": "own"}

    sealing = SealState(Sealer((KEY,), "request-state"))
    theirs = await sealing(asking(), wants_roots)
    params = {"inputResponses": {"r": {"roots": []}}, "requestState": theirs["requestState"]}
    bench.wanted = 1  # the grant that is there does not do any more
    ours = await bench.handler(asking({"name": "echo", "arguments": {"n": 1}, **params}))
    assert list(ours["inputRequests"]) == ["connect-up"]
    await bench.connect()
    assert await bench.handler(asking(answered(ours))) is DONE
    assert bench.seen == [
        {"name": "echo", "arguments": {"n": 1}, "inputResponses": {"r": {"roots": []}}, "requestState": "own"}
    ]


async def test_a_grant_that_does_not_suffice_is_not_taken_for_the_new_one() -> None:
    bench = Bench()
    await bench.connect()
    bench.wanted = 1
    first = await bench.handler(asking())
    deadline = asyncio.get_running_loop().time()
    again = await bench.handler(asking(answered(first), deadline=deadline))
    assert again["resultType"] == "input_required"
    await bench.connect()
    assert await bench.handler(asking(answered(again))) is DONE


async def test_what_is_too_much_to_carry_is_told_the_link() -> None:
    bench = Bench()
    with pytest.raises(ConnectionRequired) as caught:
        await bench.handler(asking({"name": "echo", "inputResponses": {"k": {"x": "y" * 300_000}}}))
    assert caught.value.link.startswith("https://gw/connect/")


# ---------------------------------------------------------------------- 2025-11-25


async def test_a_handshake_client_that_opens_links_gets_an_elicitation_and_is_told_when_done() -> None:
    bench, session = Bench(), Session()
    with pytest.raises(UrlElicitation) as caught:
        await bench.handler(asking(version="2025-11-25", session=session))
    error = caught.value
    assert bench.ticket(error.link).principal == "corp|alice" and len(error.elicitation) >= 20
    await bench.connect()
    async with asyncio.timeout(10):
        await session.news.wait()
    assert session.told == [("notifications/elicitation/complete", {"elicitationId": error.elicitation})]
    while session.held:
        await asyncio.sleep(0)


async def test_every_elicitation_has_an_id_of_its_own_and_each_is_told() -> None:
    bench, session = Bench(), Session()
    ids = set()
    for _ in range(3):
        with pytest.raises(UrlElicitation) as caught:
            await bench.handler(asking(version="2025-11-25", session=session))
        ids.add(caught.value.elicitation)
    await bench.connect()
    async with asyncio.timeout(10):
        while len(session.told) < 3:
            session.news.clear()
            await session.news.wait()
    assert {params["elicitationId"] for _, params in session.told} == ids and len(ids) == 3


async def test_a_session_that_ends_is_waited_for_no_more() -> None:
    bench, session = Bench(), Session()
    before = asyncio.all_tasks()
    with pytest.raises(UrlElicitation):
        await bench.handler(asking(version="2025-11-25", session=session))
    for key in tuple(session.held):
        session.release(key)
    for _ in range(5):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before


async def test_the_connection_of_another_person_is_no_news() -> None:
    bench, session = Bench(), Session()
    with pytest.raises(UrlElicitation):
        await bench.handler(asking(version="2025-11-25", session=session))
    await bench.connect(GrantKey("corp|bob", "up"))
    looks = bench.vault.looks
    while bench.vault.looks < looks + 3:
        await asyncio.sleep(0.001)
    assert session.told == []
    for key in tuple(session.held):
        session.release(key)


# ---------------------------------------------------------------------- everybody else


@pytest.mark.parametrize(
    "changes",
    [
        {"capabilities": {}},
        {"capabilities": {"elicitation": {}}},
        {"capabilities": {"elicitation": {"form": {}}}},
        {"capabilities": {"elicitation": {"url": True}}},
        {"capabilities": {"elicitation": []}},
        {"version": "2025-11-25", "capabilities": {}},
        {"version": "2025-06-18"},
        {"kind": Kind.COMPLETION, "tool": None},
        {"kind": Kind.COMPLETION, "tool": None, "version": "2025-11-25"},
    ],
)
async def test_who_cannot_be_asked_is_told_the_link(changes: dict[str, Any]) -> None:
    bench = Bench()
    with pytest.raises(ConnectionRequired) as caught:
        await bench.handler(asking(**changes))
    error = caught.value
    assert type(error) is ConnectionRequired and error.link in error.message
    assert bench.ticket(error.link).upstream == "up"


@pytest.mark.parametrize(
    "principal",
    [
        Principal(id="virtual_account:n", subject="n", kind="virtual_account"),
        Principal(id="other|eve", subject="eve"),
        Principal(id="anonymous", subject="anonymous", kind="anonymous"),
    ],
)
async def test_who_cannot_connect_is_told_why_and_gets_no_link(principal: Principal) -> None:
    with pytest.raises(ConnectionRequired) as caught:
        await Bench().handler(asking(principal=principal))
    assert caught.value.link == "" and "administrator" in caught.value.message


async def test_an_error_that_has_its_link_passes() -> None:
    error = ConnectionRequired("said elsewhere", upstream="up", link="https://elsewhere/x")

    async def terminal(got: Invocation) -> Result:
        raise error

    with pytest.raises(ConnectionRequired) as caught:
        await Bench().stage(asking(), terminal)
    assert caught.value is error


async def test_a_call_that_lacks_nothing_passes_untouched() -> None:
    bench = Bench()
    await bench.connect()
    params = {"name": "echo", "arguments": {}, "inputResponses": {}}
    assert await bench.handler(asking(params)) is DONE
    assert bench.seen[0] is params
