"""The upstreams that remember refuse what is not for them, and say truly what they got."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.real.idp import Client, Idp, Resource, digest, require, service
from tests.real.processes import free_port
from tests.real.recording import Recording, oauth_upstream, static_upstream
from tests.real.wire import Answer, Wire

INTROSPECTOR = ("introspector", "asks")
ANY = Resource(("read", "write", "admin"), base=("read",))


@pytest.fixture(scope="module")
def idp() -> Iterator[Idp]:
    require()
    with Idp("corp", [Client("agent"), service(*INTROSPECTOR)]) as running:
        yield running


@pytest.fixture(scope="module")
def tickets(idp: Idp) -> Iterator[Recording]:
    with oauth_upstream(idp.issuer) as running:
        yield running


async def call(upstream: Recording, tool: str, token: str = "", modern: bool = True, **arguments: object) -> Answer:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(headers=headers) as http:
        wire = Wire(http, upstream.url, modern=modern)
        if not modern:
            await wire.initialize()
        return await wire.call(tool, arguments)


async def post(upstream: Recording, token: str, tool: str = "whoami") -> httpx.Response:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {}}}
    headers = {"accept": "application/json, text/event-stream"}
    async with httpx.AsyncClient(headers=headers) as http:
        bearer = {"authorization": f"Bearer {token}"} if token else {}
        return await http.post(upstream.url, json=body, headers=bearer)


@pytest.mark.parametrize("modern", [True, False])
async def test_a_token_for_it_is_taken_and_what_the_tool_saw_is_what_is_on_record(
    idp: Idp, tickets: Recording, modern: bool
) -> None:
    token = (await idp.sign_in("alice", "agent", resource=tickets.url, scopes=["read", "write"])).access_token
    answer = await call(tickets, "whoami", token, modern)
    seen = answer.result["structuredContent"]
    assert seen["token"] == digest(token)
    assert (seen["sub"], seen["client_id"], seen["act"]) == ("alice", "agent", [])
    assert (seen["aud"], seen["iss"], seen["scopes"]) == (tickets.url, idp.issuer, ["read", "write"])
    recorded = tickets.calls("whoami")[-1]
    assert seen.items() <= recorded.items()
    assert token not in str(recorded)


async def test_tokens_for_another_resource_or_of_another_issuer_are_refused(idp: Idp, tickets: Recording) -> None:
    elsewhere = (await idp.sign_in("alice", "agent", resource="http://127.0.0.1:1/mcp")).access_token
    with Idp("foreign", [Client("agent")]) as foreign:
        theirs = (await foreign.sign_in("alice", "agent", resource=tickets.url)).access_token
    for token in (elsewhere, theirs, "nonsense", ""):
        answer = await post(tickets, token)
        assert answer.status_code == 401
        named = re.search(r'resource_metadata="([^"]+)"', answer.headers["www-authenticate"])
        assert named
        async with httpx.AsyncClient() as http:
            document = (await http.get(named[1])).json()
        assert (document["resource"], document["authorization_servers"]) == (tickets.url, [idp.issuer])


async def test_a_tool_that_needs_more_names_all_scopes_it_needs(idp: Idp, tickets: Recording) -> None:
    able = (await idp.sign_in("alice", "agent", resource=tickets.url, scopes=["read", "admin"])).access_token
    unable = (await idp.sign_in("alice", "agent", resource=tickets.url, scopes=["read"])).access_token
    refused = await post(tickets, unable, "close_ticket")
    assert refused.status_code == 403
    assert 'error="insufficient_scope", scope="read admin"' in refused.headers["www-authenticate"]
    assert (await call(tickets, "close_ticket", able, ticket=1)).result["structuredContent"]["closed_by"] == "alice"


async def test_opaque_tokens_are_asked_about() -> None:
    require()
    # Which of its resources have opaque tokens is known to the provider before the upstream runs.
    port = free_port()
    opaque = {"*": ANY, f"http://127.0.0.1:{port}/mcp": Resource(("read",), opaque=True)}
    with (
        Idp("opaque", [Client("agent"), service(*INTROSPECTOR)], resources=opaque) as idp,
        oauth_upstream(idp.issuer, introspection=INTROSPECTOR, port=port) as upstream,
    ):
        token = (await idp.sign_in("bob", "agent", resource=upstream.url)).access_token
        assert "." not in token
        assert (await call(upstream, "whoami", token)).result["structuredContent"]["sub"] == "bob"
        assert (await post(upstream, "x" * 43)).status_code == 401


async def test_what_came_can_be_searched(idp: Idp, tickets: Recording) -> None:
    token = (await idp.sign_in("bob", "agent", resource=tickets.url)).access_token
    await call(tickets, "file_ticket", token, title="a needle in a title")
    assert tickets.holds([token, "a needle in a title", "never sent"]) == [token, "a needle in a title"]
    assert tickets.calls("file_ticket")[-1]["arguments"] == {"title": "a needle in a title"}


async def test_failures_come_as_often_as_told(idp: Idp, tickets: Recording) -> None:
    token = (await idp.sign_in("bob", "agent", resource=tickets.url)).access_token
    before = len(tickets.calls("whoami"))
    tickets.fail(503, 2)
    assert [(await post(tickets, token)).status_code for _ in range(2)] == [503, 503]
    assert len(tickets.calls("whoami")) == before
    assert (await call(tickets, "whoami", token)).result["structuredContent"]["sub"] == "bob"


async def test_a_fixed_header_is_needed_and_shown_as_it_came() -> None:
    with static_upstream("k-1", "k-2") as archive:
        assert (await post(archive, "", "look_up")).status_code == 401
        headers = {"X-Api-Key": "k-2"}
        async with httpx.AsyncClient(headers=headers) as http:
            answer = await Wire(http, archive.url, modern=True).call("look_up", {"word": "x"})
        assert answer.result["content"][0]["text"] == "x: found"
        assert archive.calls()[-1]["headers"] == {"X-Api-Key": "k-2", "authorization": None}
