"""Bad requests over real sockets: refused with a JSON-RPC error, and nothing of them reaches an upstream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from tests.faults.agents import ERAS, MODERN, PREFIX, Agent, Era, agent, header_value
from tests.faults.bad_bodies import BODY, ID, NO_CALL, NO_MESSAGE, NODES, NOT_JSON, Bad
from tests.faults.bad_heads import MEDIA, ORIGINS, RAW, ROUTING, SESSIONS, TARGETS, VERSION, Head, Raw, Target
from tests.faults.site import Site, site
from tests.faults.wire import Answer, exchange, line, request
from tests.upstreams.evil import EvilMCP

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMITS = {"body": f"{BODY}B", "json_nodes": NODES, "header_timeout": "1s", "body_timeout": "1s"}


@dataclass(slots=True)
class Scene:
    """One gateway for the whole module: that it still answers after each of these requests is the point."""

    site: Site
    evil: EvilMCP
    agents: dict[Era, Agent]

    def packed(self, era: Era, spoilt: Bad) -> bytes:
        """The call of `ok`, its body spoilt."""
        here = self.agents[era]
        call = here.calling("ok", {"value": "SPOIL"}, id=ID)
        return here.packed(call, body=spoilt.spoil(call))

    async def refused(self, data: bytes) -> Answer:
        """The answer to what must be refused without an upstream's hearing of it; then all is as it was."""
        self.evil.requests.clear()
        answer = await exchange(self.site.url(), data)
        assert self.evil.calls() == 0, answer
        await self.well()
        return answer

    async def well(self) -> None:
        for here in self.agents.values():
            assert (await here.call("ok", {"still": "well"}))["result"]["structuredContent"] == {
                "echo": {"still": "well"}
            }


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("bad-requests")
    async with EvilMCP() as evil, site(folder, {"evil": {"url": evil.url}}, limits=LIMITS) as here:
        agents = {era: await agent(here.url(), era) for era in ERAS}
        evil.requests.clear()
        yield Scene(here, evil, agents)


def check(answer: Answer, status: int | tuple[int, ...], code: int | None = None, id: object = None) -> Any:
    """That `answer` is an error as everybody gets it; its error object."""
    assert answer.status in ((status,) if isinstance(status, int) else status), answer
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    assert answer.headers["server-timing"].startswith("gateway;dur=")
    message = answer.message
    assert message["jsonrpc"] == "2.0"
    assert message.get("id") == id
    assert "result" not in message
    assert isinstance(message["error"]["message"], str)
    assert code in (None, message["error"]["code"])
    return message["error"]


def named(row: Any) -> str:
    return str(row.name)


# ---------------------------------------------------------------- bodies


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("bad", [*NOT_JSON, *NO_MESSAGE], ids=named)
async def test_a_body_that_is_no_message_is_refused(scene: Scene, era: Era, bad: Bad) -> None:
    check(await scene.refused(scene.packed(era, bad)), bad.status, bad.code, bad.id)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("bad", NO_CALL, ids=named)
async def test_parameters_that_call_nothing_are_refused(scene: Scene, era: Era, bad: Bad) -> None:
    here = scene.agents[era]
    call = here.calling("ok", {"value": "SPOIL"}, id=ID)
    body = bad.spoil(call)
    if era == "handshake":
        check(await scene.refused(here.packed(call, body=body)), 200, bad.code, bad.id)
        return
    name = json.loads(body)["params"]["name"]
    if not isinstance(name, str) or len(name) > 10_000:
        # No header can say this name, and none need: the two differ.
        check(await scene.refused(here.packed(call, body=body)), 400, -32020, bad.id)
        return
    # A body with a second name is only a danger while the header agrees with the first.
    check(await scene.refused(here.packed(call, body=body, Mcp_Name=header_value(name))), 400, bad.code, bad.id)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("over", [1, 100_000])
async def test_a_body_beyond_the_limit_is_refused(scene: Scene, era: Era, over: int) -> None:
    here = scene.agents[era]
    data = here.packed(here.calling("ok", id=ID), body=b" " * (BODY + over))
    check(await scene.refused(data), 413)


@pytest.mark.parametrize("era", ERAS)
async def test_chunks_beyond_the_limit_are_refused_before_their_end(scene: Scene, era: Era) -> None:
    here = scene.agents[era]
    head = request(here.target, [*here.headers(here.calling("ok")).items(), ("Transfer-Encoding", "chunked")])
    piece = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    check(await scene.refused(head + piece * (BODY // 65_536 + 1)), 413)


@pytest.mark.parametrize("era", ERAS)
async def test_a_body_at_the_limit_is_taken(scene: Scene, era: Era) -> None:
    here = scene.agents[era]
    call = here.packed(here.calling("ok", id=ID)).partition(b"\r\n\r\n")[2]
    answer = await exchange(here.url, here.packed(here.calling("ok", id=ID), body=call.ljust(BODY)))
    assert answer.message["id"] == ID
    assert "result" in answer.message


@pytest.mark.parametrize("era", ERAS)
async def test_a_notification_calls_nothing(scene: Scene, era: Era) -> None:
    here = scene.agents[era]
    call = here.calling("ok")
    del call["id"]
    answer = await scene.refused(here.packed(call))
    assert (answer.status, answer.body) == (202, b"")


async def test_a_response_is_for_sessions_only(scene: Scene) -> None:
    response = {"jsonrpc": "2.0", "id": ID, "result": {}}
    check(await scene.refused(scene.agents["modern"].packed(response)), 400, -32600, ID)
    assert (await scene.refused(scene.agents["handshake"].packed(response))).status == 202


# ---------------------------------------------------------------- heads


async def _changed(scene: Scene, era: Era, head: Head) -> Answer:
    here = scene.agents[era]
    call = here.calling("ok", id=ID)
    host = here.headers()["Host"]
    changes: dict[str, Any] = {name: value and value.replace("{host}", host) for name, value in head.changes.items()}
    data = here.packed(call, **changes) if _latin(changes) else here.packed(call)
    first, rest = data.split(b"\r\n", 1)
    if not _latin(changes):
        for name, value in changes.items():
            assert value is not None
            rest = b"%b: %b\r\n" % (name.encode(), value.encode()) + rest
    return await scene.refused(first + b"\r\n" + head.extra.encode() + rest)


def _latin(changes: dict[str, Any]) -> bool:
    return all(value is None or value.isascii() for value in changes.values())


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("head", [*MEDIA, *ORIGINS], ids=named)
async def test_a_head_that_is_not_welcome_is_refused(scene: Scene, era: Era, head: Head) -> None:
    check(await _changed(scene, era, head), head.status, head.code)


@pytest.mark.parametrize("head", ROUTING, ids=named)
async def test_headers_must_say_what_the_body_says(scene: Scene, head: Head) -> None:
    check(await _changed(scene, "modern", head), head.status, head.code, ID)


@pytest.mark.parametrize("head", SESSIONS, ids=named)
async def test_a_session_must_be_ones_own(scene: Scene, head: Head) -> None:
    answer = await _changed(scene, "handshake", head)
    check(answer, head.status, head.code, answer.message.get("id"))


async def test_a_version_that_is_not_spoken_is_answered_with_those_that_are(scene: Scene) -> None:
    here = scene.agents["modern"]
    call = here.calling("ok", meta={f"{PREFIX}protocolVersion": "2031-01-01"}, id=ID)
    error = check(await scene.refused(here.packed(call, MCP_Protocol_Version="2031-01-01")), 400, VERSION, ID)
    assert error["data"] == {"supported": [MODERN], "requested": "2031-01-01"}


async def test_a_modern_call_in_the_older_era_is_not_carried_out(scene: Scene) -> None:
    """The version header decides the era: a call that says so in its body only must not slip into the other door."""
    here = scene.agents["modern"]
    call = here.calling("ok", id=ID)
    check(await scene.refused(here.packed(call, MCP_Protocol_Version=None)), 400, None, ID)
    check(await scene.refused(here.packed(call, MCP_Protocol_Version="2025-11-25")), 400, None, ID)


@pytest.mark.parametrize("target", TARGETS, ids=named)
async def test_a_path_that_is_not_the_servers_is_refused(scene: Scene, target: Target) -> None:
    here = scene.agents["modern"]
    call = here.calling("ok", id=ID)
    body = here.packed(call).partition(b"\r\n\r\n")[2]
    check(await scene.refused(request(target.target, here.headers(call).items(), body, target.method)), target.status)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_only_sessions_have_other_methods(scene: Scene, method: str) -> None:
    modern, handshake = scene.agents["modern"], scene.agents["handshake"]
    check(await scene.refused(request(modern.target, modern.headers().items(), method=method)), 405)
    headers = handshake.headers(Mcp_Session_Id=None)
    check(await scene.refused(request(handshake.target, headers.items(), method=method)), 405)
    headers = handshake.headers(Mcp_Session_Id="not one of ours")
    check(await scene.refused(request(handshake.target, headers.items(), method=method)), 404)


@pytest.mark.parametrize("raw", RAW, ids=named)
async def test_what_is_no_http_is_refused_and_the_connection_closed(scene: Scene, raw: Raw) -> None:
    here = scene.agents["modern"]
    call = here.calling("ok", id=ID)
    head, _, body = here.packed(call).partition(b"\r\n\r\n")
    kept = [each for each in head.split(b"\r\n") if not each.lower().startswith(b"content-length")]
    scene.evil.requests.clear()
    async with line(here.url) as connection:
        sending = asyncio.ensure_future(connection.send(raw.make(b"\r\n".join(kept) + b"\r\n", body)))
        answer = await connection.answer()
        check(answer, raw.status)
        assert await connection.ended() == b"", "one request, two answers"
        sending.cancel()
    assert scene.evil.calls() == 0
    await scene.well()


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("part", ["head", "body"])
async def test_half_a_request_is_not_waited_for(scene: Scene, era: Era, part: str) -> None:
    here = scene.agents[era]
    data = here.packed(here.calling("ok"))
    head = data.index(b"\r\n\r\n")
    check(await scene.refused(data[: head - 10] if part == "head" else data[:-5]), 408)


# ---------------------------------------------------------------- ids


@pytest.mark.parametrize("era", ERAS)
async def test_two_hundred_clients_with_the_same_id_get_each_its_own_answer(scene: Scene, era: Era) -> None:
    async def client(number: int) -> tuple[Any, Any]:
        here = await agent(scene.site.url(), era)
        answer = await here.call("ok", {"number": number}, id=1)
        return answer["id"], answer["result"]["structuredContent"]["echo"]["number"]

    scene.evil.requests.clear()
    got = await asyncio.gather(*(client(number) for number in range(200)))
    assert got == [(1, number) for number in range(200)]
    assert scene.evil.calls() == 200


async def test_a_session_has_one_request_of_an_id_at_a_time(scene: Scene) -> None:
    here = await agent(scene.site.url(), "handshake")
    scene.evil.requests.clear()
    async with here.under_way(here.calling("gate", id=5)) as first:
        while scene.evil.calls("gate") == 0:
            await asyncio.sleep(0)
        check(await exchange(here.url, here.packed(here.calling("ok", id=5))), 400, -32600, 5)
        assert (await here.call("ok", id="5"))["result"], "a string is another id"
        scene.evil.gate.set()
        answer = await first.answer()
    assert (answer.message["id"], answer.message["result"]["content"][0]["text"]) == (5, "through the gate")
    assert (await here.call("ok", id=5))["result"], "an id that has been answered is free"
    scene.evil.gate.clear()


async def test_a_modern_client_may_have_two_requests_of_an_id(scene: Scene) -> None:
    here = scene.agents["modern"]
    scene.evil.requests.clear()
    async with here.under_way(here.calling("gate", id=5)) as first:
        while scene.evil.calls("gate") == 0:
            await asyncio.sleep(0)
        assert (await here.call("ok", {"a": 1}, id=5))["result"]["structuredContent"] == {"echo": {"a": 1}}
        scene.evil.gate.set()
        assert (await first.answer()).message["result"]["content"][0]["text"] == "through the gate"
    scene.evil.gate.clear()


async def test_pipelined_requests_are_answered_in_order(scene: Scene) -> None:
    here = scene.agents["modern"]
    calls = [here.packed(here.calling("ok", {"n": n}, id=n)) for n in range(10)]
    async with line(here.url) as connection:
        await connection.send(b"".join(calls))
        answers = [(await connection.answer()).message for _ in calls]
    assert [(each["id"], each["result"]["structuredContent"]["echo"]["n"]) for each in answers] == [
        (n, n) for n in range(10)
    ]
