"""The door of the data plane in both eras: challenges, scopes, outages, metadata; whose a session is; the pages."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mcp_gateway.core.asgi.types import REQUEST_ID, Receive, Send
from mcp_gateway.core.asgi.types import Scope as AsgiScope
from mcp_gateway.core.challenge import Challenge
from mcp_gateway.core.principal import Principal
from tests.envelopes.identity.issuing import NOW
from tests.envelopes.identity.site import Site, site
from tests.ingress.agent import HEADERS, Agent, opened
from tests.ingress.asgi import Exchange, scope
from tests.ingress.rig import Rig, composition, modern_headers, modern_request

METADATA = "/.well-known/oauth-protected-resource/servers/desk/mcp"
URL = "http://gw.test" + METADATA
CALL = modern_request("tools/call", {"name": "echo", "arguments": {}})
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}},
}
BOTH_ERAS = pytest.mark.parametrize(
    ("message", "headers"), [(CALL, modern_headers(CALL)), (INITIALIZE, dict(HEADERS))], ids=["modern", "handshake"]
)


@asynccontextmanager
async def guarded(*servers: Any, anonymous: bool = False, **spec: Any) -> AsyncIterator[tuple[Rig, Site]]:
    """A rig behind a real door."""
    async with site(anonymous=anonymous, **spec) as s:
        identity = {"issuers": [{"name": "corp", "issuer": s.idp.issuer}]}
        yield Rig(*servers, door=s.door, identity=identity), s


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def challenge(exchange: Exchange) -> Challenge:
    found = Challenge.parse(exchange.header("www-authenticate"))
    assert found is not None
    return found


# ---------------------------------------------------------------- challenges


@BOTH_ERAS
async def test_who_brings_nothing_is_told_where_to_get_a_token(message: object, headers: Mapping[str, str]) -> None:
    async with guarded(composition(scopes=["desk.use"])) as (rig, _):
        exchange = rig.post(message, headers)
        answer = await exchange.json()
        assert exchange.status == 401
        assert challenge(exchange) == Challenge(None, ("desk.use",), URL)
        error = answer["error"]
        assert error["code"] == 40101 and set(error["data"]) == {"reason", "requestId"}
        assert error["data"] == {"reason": "unauthenticated", "requestId": exchange.header("x-request-id")}
        assert rig.terminal.calls == [] and rig.audit == []


@BOTH_ERAS
async def test_every_bad_token_gets_the_same_answer(message: object, headers: Mapping[str, str]) -> None:
    async with guarded() as (rig, s):
        idp = s.idp
        bad = [
            idp.token(exp=NOW - 1), idp.token(aud="https://x.test"), idp.token(iss="https://x.test"), "opaque", "a.b.c",
            idp.token(sub=""), idp.token(header={"crit": ["x"]}), "mgk_1_x", "a" * 20_000,
        ]  # fmt: skip
        shapes = set()
        for token in bad:
            exchange = rig.post(message, {**headers, **bearer(token)})
            answer = await exchange.json()
            assert exchange.status == 401 and challenge(exchange) == Challenge("invalid_token", (), URL)
            answer["error"]["data"].pop("requestId")
            names = tuple(name for name, _ in exchange.headers)
            shapes.add(
                (json.dumps(answer), names, exchange.header("www-authenticate"), exchange.header("content-length"))
            )
        assert len(shapes) == 1 and rig.terminal.calls == []


@BOTH_ERAS
async def test_too_few_scopes_are_a_403_that_names_all(message: object, headers: Mapping[str, str]) -> None:
    async with guarded(composition(scopes=["desk.use", "desk.read"])) as (rig, s):
        exchange = rig.post(message, {**headers, **bearer(s.idp.token(scope="desk.use"))})
        answer = await exchange.json()
        assert exchange.status == 403
        assert challenge(exchange) == Challenge("insufficient_scope", ("desk.use", "desk.read"), URL)
        assert (answer["error"]["code"], answer["error"]["data"]["reason"]) == (40303, "insufficient_scope")
        good = rig.post(message, {**headers, **bearer(s.idp.token(scope="desk.read desk.use"))})
        await good.result()


@BOTH_ERAS
async def test_an_outage_is_a_503_and_no_challenge(message: object, headers: Mapping[str, str]) -> None:
    async with guarded() as (rig, s):
        s.idp.down = True
        exchange = rig.post(message, {**headers, **bearer(s.idp.token())})
        answer = await exchange.json()
        assert exchange.status == 503 and exchange.header("retry-after") == "5"
        assert exchange.header("www-authenticate") is None
        assert (answer["error"]["code"], answer["error"]["data"]["reason"]) == (50302, "identity_unavailable")
        assert answer["error"]["data"]["retryAfterMs"] == 5000


async def test_a_token_in_the_url_is_none() -> None:
    async with guarded(anonymous=True) as (rig, s):
        for extra in ({}, bearer(s.idp.token())):
            lines = [(name.encode(), value.encode()) for name, value in {**modern_headers(CALL), **extra}.items()]
            asgi = scope("POST", "/servers/desk/mcp", lines)
            asgi["query_string"] = f"access_token={s.idp.token()}".encode()
            assert (await rig.send(asgi, json.dumps(CALL).encode()).done()).status == 401
        assert rig.terminal.calls == []


async def test_a_token_for_one_server_is_none_at_another() -> None:
    async with guarded(composition("desk"), composition("other")) as (rig, s):
        token = bearer(s.idp.token())
        await rig.call("echo", headers=token).result()
        exchange = await rig.call("echo", server="other", headers=token).done()
        assert exchange.status == 401 and len(rig.terminal.calls) == 1


async def test_the_callers_token_goes_with_the_principal_and_nowhere_else() -> None:
    async with guarded() as (rig, s):
        token = s.idp.token()
        await rig.call("echo", headers=bearer(token)).result()
        (invocation,) = rig.terminal.calls
        principal: Principal = invocation.call.principal
        assert principal.id == "corp|alice" and principal.token is not None and principal.token.reveal() == token
        assert token not in repr(invocation) and token not in json.dumps(rig.lines.records)


async def test_a_defect_at_the_door_is_reported_and_lets_nobody_in() -> None:
    class Broken:
        def recall(self, asgi: Mapping[str, Any], resource: object) -> None:
            return None

        async def verify(self, asgi: Mapping[str, Any], resource: object) -> Principal:
            raise ZeroDivisionError("secret detail")

        def document(self, resource: object) -> None:
            return None

    rig = Rig(door=Broken())
    exchange = rig.call("echo")
    answer = await exchange.json()
    assert answer["error"]["code"] == -32603 and b"secret" not in exchange.body and rig.terminal.calls == []
    assert [type(error) for _, error in rig.defects] == [ZeroDivisionError]


# ---------------------------------------------------------------- scopes of single tools


def tools() -> Any:
    return composition(scopes=["desk.use"], tools={"echo": {"scopes": ["desk.write", "desk.echo"]}})


async def test_a_tools_scopes_are_asked_for_with_those_of_the_server_in_the_modern_era() -> None:
    async with guarded(tools()) as (rig, s):
        token = bearer(s.idp.token(scope="desk.use desk.write"))
        await rig.call("region", headers=token).result()
        exchange = rig.call("echo", headers=token)
        answer = await exchange.json()
        assert exchange.status == 403 and answer["id"] == 1
        assert challenge(exchange) == Challenge("insufficient_scope", ("desk.use", "desk.write", "desk.echo"), URL)
        assert len(rig.terminal.calls) == 1
        await rig.call("echo", headers=bearer(s.idp.token(scope="desk.use desk.write desk.echo"))).result()
        assert [line.get("outcome") for line in rig.audit] == ["ok", "refused", "ok"]


async def test_a_tools_scopes_are_asked_for_in_the_handshake_era() -> None:
    async with guarded(tools()) as (rig, s):
        session = await rig.post(INITIALIZE, {**dict(HEADERS), **bearer(s.idp.token())}).done()
        headers = {
            **dict(HEADERS),
            "mcp-session-id": session.header("mcp-session-id") or "",
            "mcp-protocol-version": "2025-11-25",
        }
        call = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "echo", "arguments": {}}}
        exchange = rig.post(call, {**headers, **bearer(s.idp.token())})
        answer = await exchange.json()
        assert exchange.status == 403 and (answer["id"], answer["error"]["code"]) == (5, 40303)
        assert challenge(exchange) == Challenge("insufficient_scope", ("desk.use", "desk.write", "desk.echo"), URL)
        # The same person through the same agent with a wider token goes on in the same session.
        await rig.post(call, {**headers, **bearer(s.idp.token(scope="desk.use desk.write desk.echo"))}).result()


async def test_a_tool_that_needs_scopes_is_shown_to_who_lacks_them() -> None:
    async with guarded(tools()) as (rig, s):
        listed = await rig.modern("tools/list", headers=bearer(s.idp.token())).result()
        assert {tool["name"] for tool in listed["tools"]} == {"echo", "region"}


async def test_an_anonymous_caller_of_a_tool_with_scopes_has_to_sign_in() -> None:
    async with guarded(composition(tools={"echo": {"scopes": ["desk.echo"]}}), anonymous=True) as (rig, _):
        await rig.call("region").result()
        exchange = await rig.call("echo").done()
        assert exchange.status == 401 and challenge(exchange) == Challenge(None, ("desk.echo",), URL)


# ---------------------------------------------------------------- metadata


async def test_the_metadata_of_a_server_is_for_everybody() -> None:
    async with guarded(tools()) as (rig, s):
        exchange = rig.send(scope("GET", METADATA, [(b"origin", b"https://inspector.test")]))
        document = await exchange.json()
        assert exchange.status == 200 and exchange.header("access-control-allow-origin") == "*"
        assert exchange.header("x-request-id") and (exchange.header("server-timing") or "").startswith("gateway;dur=")
        assert document == {
            "resource": "http://gw.test/servers/desk/mcp",
            "authorization_servers": [s.idp.issuer],
            "scopes_supported": ["desk.use", "desk.write", "desk.echo"],
            "bearer_methods_supported": ["header"],
            "resource_name": "desk",
        }


async def test_a_browser_may_ask_beforehand() -> None:
    async with guarded() as (rig, _):
        asked = [(b"origin", b"https://x.test"), (b"access-control-request-headers", b"mcp-protocol-version")]
        exchange = await rig.send(scope("OPTIONS", METADATA, asked)).done()
        assert (exchange.status, exchange.body) == (204, b"")
        assert exchange.header("access-control-allow-origin") == exchange.header("access-control-allow-headers") == "*"
        assert exchange.header("access-control-allow-credentials") is None
        head, got = (
            await rig.send(scope("HEAD", METADATA, [])).done(),
            await rig.send(scope("GET", METADATA, [])).done(),
        )
        assert (head.status, head.body, head.header("content-length")) == (200, b"", str(len(got.body)))
        post = await rig.send(scope("POST", METADATA, [])).done()
        assert post.status == 405 and post.header("allow") == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/",
        "/.well-known/oauth-protected-resource/servers/none/mcp",
        "/.well-known/oauth-protected-resource/servers/desk",
        "/.well-known/oauth-protected-resource/servers/desk/mcp/",
        "/.well-known/oauth-protected-resource/x/servers/desk/mcp",
        "/.well-known/oauth-protected-resourceservers/desk/mcp",
        "/.well-known/oauth-authorization-server",
    ],
)
async def test_there_is_no_other_metadata(path: str) -> None:
    async with guarded() as (rig, _):
        assert (await rig.send(scope("GET", path, [])).done()).status == 404


async def test_metadata_is_refused_to_a_foreign_host_and_absent_without_issuers() -> None:
    async with guarded() as (rig, _):
        assert (await rig.send(scope("GET", METADATA, [(b"host", b"evil.test")])).done()).status == 421
    assert (await Rig().send(scope("GET", METADATA, [])).done()).status == 404


# ---------------------------------------------------------------- sessions


@pytest.mark.parametrize(
    "other",
    [{"x-user": "bob", "x-client": "one"}, {"x-user": "alice", "x-client": "two"}, {"x-user": "alice"}, {}],
    ids=["another person", "another agent", "no agent", "nobody"],
)
async def test_a_session_is_unknown_to_everybody_else(other: dict[str, str]) -> None:
    rig = Rig()
    owner = {"x-user": "alice", "x-client": "one"}
    begun = await rig.post(INITIALIZE, {**dict(HEADERS), **owner}).done()
    token = begun.header("mcp-session-id")
    assert token is not None
    headers = {**dict(HEADERS), "mcp-session-id": token, "mcp-protocol-version": "2025-11-25"}
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert (await rig.post(ping, {**headers, **other}).done()).status == 404
    for method in ("GET", "DELETE"):
        lines = [(name.encode(), value.encode()) for name, value in {**headers, **other}.items()]
        assert (await rig.send(scope(method, "/servers/desk/mcp", lines)).done()).status == 404
    await rig.post(ping, {**headers, **owner}).result()


async def test_an_anonymous_session_is_unknown_to_a_person() -> None:
    rig = Rig()
    agent = await opened(rig)
    intruder = Agent(rig, user="alice")
    intruder.token = agent.token
    assert (await intruder.request("ping").done()).status == 404
    await agent.request("ping").result()


# ---------------------------------------------------------------- pages for people


class Pages:
    """What is mounted under /connect: says where it was asked, keeps the scopes."""

    def __init__(self) -> None:
        self.seen: list[AsgiScope] = []

    async def __call__(self, asgi: AsgiScope, receive: Receive, send: Send) -> None:
        self.seen.append(asgi)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": asgi["path"].encode()})


@pytest.mark.parametrize("path", ["/connect", "/connect/", "/connect/ticket", "/connect/a/b"])
async def test_pages_are_handed_everything_below_their_path(path: str) -> None:
    pages = Pages()
    exchange = await Rig(connect=pages).send(scope("GET", path, [])).done()
    assert (exchange.status, exchange.body) == (200, path.encode())
    assert exchange.header("x-request-id") == pages.seen[0][REQUEST_ID]
    assert (exchange.header("server-timing") or "").startswith("gateway;dur=")


@pytest.mark.parametrize("path", ["/connected", "/connec", "/Connect/x", "//connect/x"])
async def test_pages_are_handed_nothing_else(path: str) -> None:
    pages = Pages()
    assert (await Rig(connect=pages).send(scope("GET", path, [])).done()).status == 404 and pages.seen == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"origin", b"null")], 200),  # a form on a page without referrer, to its own site
        ([(b"origin", b"http://gw.test")], 200),
        ([(b"origin", b"https://evil.test")], 403),
        ([(b"origin", b"null"), (b"origin", b"https://evil.test")], 403),
        ([(b"host", b"evil.test"), (b"origin", b"null")], 421),
    ],
)
async def test_pages_are_reached_from_here_or_from_nowhere(headers: list[tuple[bytes, bytes]], status: int) -> None:
    pages = Pages()
    exchange = await Rig(connect=pages).send(scope("POST", "/connect/t", headers)).done()
    assert exchange.status == status and len(pages.seen) == (status == 200)
    assert (await Rig().send(scope("POST", "/connect/t", [(b"origin", b"null")])).done()).status == 403
