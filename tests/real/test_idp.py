"""The identity provider of these tests does what the tests take for granted."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from tests.real.idp import (
    EXCHANGE,
    JWT_BEARER,
    Client,
    Idp,
    Resource,
    digest,
    require,
    service,
)
from tests.real.idp.signing_in import REDIRECT
from tests.real.processes import until
from tests.real.walker import Walker

DESK = "http://127.0.0.1:8080/servers/desk/mcp"
TICKETS = "http://127.0.0.1:9000/mcp"
OPAQUE = "http://127.0.0.1:9001/mcp"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"
ANY = Resource(("use", "read", "write", "admin"), base=("use", "read"))


@pytest.fixture(scope="module")
def idp() -> Iterator[Idp]:
    require()
    clients = [Client("agent"), Client("desk", "s3cret"), service("gateway", "hidden", EXCHANGE, JWT_BEARER)]
    resources = {"*": ANY, OPAQUE: Resource(("use",), opaque=True)}
    with Idp("corp", clients, resources=resources) as running:
        yield running


def claims(idp: Idp, token: str) -> dict[str, Any]:
    with httpx2.Client() as http:
        keys = KeySet.import_key_set(http.get(f"{idp.issuer}/jwks").raise_for_status().json())
    return dict(jwt.decode(token, keys, algorithms=["RS256"]).claims)


def metadata(idp: Idp, kind: str) -> dict[str, Any]:
    with httpx2.Client() as http:
        found: dict[str, Any] = http.get(f"{idp.issuer}/.well-known/{kind}").raise_for_status().json()
        return found


async def exchange(idp: Idp, token: str, **more: str) -> dict[str, Any]:
    subject = {"subject_token": token, "subject_token_type": ACCESS_TOKEN}
    return await idp.token("gateway", grant_type=EXCHANGE, **subject, **more)


@pytest.mark.parametrize("kind", ["openid-configuration", "oauth-authorization-server"])
def test_it_can_be_discovered_either_way(idp: Idp, kind: str) -> None:
    found = metadata(idp, kind)
    assert found["issuer"] == idp.issuer
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["authorization_response_iss_parameter_supported"] is True
    assert {"registration_endpoint", "introspection_endpoint", "revocation_endpoint"} <= found.keys()
    assert EXCHANGE in found["grant_types_supported"]


@pytest.mark.parametrize("device", [False, True])
async def test_a_person_signs_in_and_the_token_is_for_the_resource_asked_for(idp: Idp, device: bool) -> None:
    signed_in = await idp.sign_in("alice", "agent", resource=DESK, scopes=["use"], device=device)
    found = claims(idp, signed_in.access_token)
    assert (found["iss"], found["sub"], found["aud"]) == (idp.issuer, "alice", DESK)
    assert (found["scope"], found["client_id"]) == ("use", "agent")
    assert (found["email"], found["groups"]) == ("alice@example.com", ["finance", "staff"])
    assert signed_in.scopes == ("use",)
    assert signed_in.refresh_token


async def test_who_asks_for_no_scope_gets_the_predefined_ones(idp: Idp) -> None:
    assert (await idp.sign_in("bob", "agent", resource=DESK)).scopes == ("use", "read")


async def test_an_id_token_names_the_person_to_the_client(idp: Idp) -> None:
    signed_in = await idp.sign_in("bob", "desk", scopes=["openid", "email"])
    found = claims(idp, signed_in.id_token)
    assert (found["sub"], found["aud"], found["email"]) == ("bob", "desk", "bob@example.com")


async def test_a_request_without_a_challenge_is_refused(idp: Idp) -> None:
    asked = f"{idp.issuer}/auth?response_type=code&client_id=agent&redirect_uri={REDIRECT}&scope=openid"
    async with Walker("alice") as walker:
        page = await walker.walk(asked, until=lambda url: url.startswith(REDIRECT))
    assert "error=invalid_request" in page.location


async def test_a_name_that_is_not_known_does_not_sign_in(idp: Idp) -> None:
    async with Walker("nobody") as walker:
        page = await walker.open(f"{idp.issuer}/device")
        assert page.status == 200
    with pytest.raises(AssertionError, match="in circles"):
        await idp.sign_in("nobody", "agent", resource=DESK)


async def test_a_refresh_token_works_once_and_a_second_time_revokes_its_family_only(idp: Idp) -> None:
    first, other = [await idp.sign_in("alice", "agent", resource=DESK) for _ in range(2)]
    second = await idp.refresh("agent", first.refresh_token)
    assert claims(idp, second["access_token"])["aud"] == DESK
    assert second["refresh_token"] != first.refresh_token
    assert (await idp.refresh("agent", first.refresh_token))["error"] == "invalid_grant"
    assert (await idp.refresh("agent", second["refresh_token"]))["error"] == "invalid_grant"
    assert "access_token" in await idp.refresh("agent", other.refresh_token)
    redeemed = idp.redemptions()
    assert (redeemed[digest(first.refresh_token)], redeemed[digest(other.refresh_token)]) == (2, 1)


async def test_a_client_registers_itself(idp: Idp) -> None:
    async with httpx2.AsyncClient() as http:
        wanted = {
            "redirect_uris": [REDIRECT],
            "token_endpoint_auth_method": "none",
            "application_type": "native",
            "grant_types": ["authorization_code", "refresh_token"],
        }
        made = await http.post(f"{idp.issuer}/reg", json=wanted)
    assert made.status_code == 201
    idp.clients = [*idp.clients, Client(made.json()["client_id"])]
    assert (await idp.sign_in("bob", made.json()["client_id"], resource=TICKETS, scopes=["write"])).refresh_token


async def test_a_client_is_known_by_its_metadata_document() -> None:
    require()
    document = {
        "client_id": "https://desk.example.com/client.json",
        "client_name": "Desk",
        "redirect_uris": [REDIRECT],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
    }
    with served(document) as origin, Idp("documents", metadata_documents=True) as idp:
        assert metadata(idp, "oauth-authorization-server")["client_id_metadata_document_supported"] is True
        idp.reroute("https://desk.example.com", origin)
        idp.clients = [Client(str(document["client_id"]))]
        token = (await idp.sign_in("alice", str(document["client_id"]), resource=DESK)).access_token
        assert claims(idp, token)["client_id"] == document["client_id"]


@contextmanager
def served(document: object) -> Iterator[str]:
    """One JSON document at every path of an origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


async def test_an_exchanged_token_is_the_persons_for_the_upstream_and_names_who_acts(idp: Idp) -> None:
    own = (await idp.sign_in("alice", "agent", resource=DESK, scopes=["use"])).access_token
    answer = await exchange(idp, own, audience=TICKETS, scope="write")
    found = claims(idp, answer["access_token"])
    assert (found["sub"], found["aud"], found["scope"]) == ("alice", TICKETS, "write")
    assert found["act"] == {"sub": "gateway", "act": {"sub": "agent"}}
    assert answer["issued_token_type"] == ACCESS_TOKEN


async def test_a_client_with_a_key_names_the_agent_with_an_actor_token() -> None:
    require()
    key = RSAKey.generate_key(2048, {"kid": "own", "alg": "RS256", "use": "sig"}, private=True)
    signer = Client("signer", keys=(key.as_dict(private=False),), redirect_uris=(), grants=(EXCHANGE,))
    with Idp("signed", [Client("agent"), signer]) as idp:

        def signed(sub: str) -> str:
            now = int(time.time())
            named = {"iss": "signer", "sub": sub, "aud": idp.issuer}
            body = {**named, "iat": now, "exp": now + 60, "jti": secrets.token_hex(8)}
            return jwt.encode({"alg": "RS256", "kid": "own"}, body, key)

        async def exchanged(actor: str) -> dict[str, Any]:
            proof = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            return await idp.token(
                "signer",
                grant_type=EXCHANGE,
                client_assertion_type=proof,
                client_assertion=signed("signer"),
                subject_token=own,
                subject_token_type=ACCESS_TOKEN,
                actor_token=actor,
                actor_token_type="urn:ietf:params:oauth:token-type:jwt",
                resource=TICKETS,
            )

        own = (await idp.sign_in("alice", "agent", resource=DESK)).access_token
        answer = await exchanged(signed("agent"))
        assert claims(idp, answer["access_token"])["act"] == {"sub": "agent"}
        assert (await exchanged(own))["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"resource": TICKETS, "scope": "rule-the-world"}, "invalid_scope"),
        ({"resource": "not a url"}, "invalid_target"),
        ({}, "invalid_target"),
        ({"resource": TICKETS, "actor_token": "forged.actor.token"}, "invalid_request"),
    ],
)
async def test_an_exchange_for_what_there_is_not_is_refused(idp: Idp, more: dict[str, str], error: str) -> None:
    own = (await idp.sign_in("alice", "agent", resource=DESK)).access_token
    assert (await exchange(idp, own, **more))["error"] == error


async def test_a_foreign_token_is_not_exchanged(idp: Idp) -> None:
    with Idp("foreign", [Client("agent")]) as foreign:
        theirs = (await foreign.sign_in("alice", "agent", resource=DESK)).access_token
    assert (await exchange(idp, theirs, resource=TICKETS))["error"] == "invalid_request"


async def test_an_id_jag_becomes_a_token_of_the_upstreams_own_server_once(idp: Idp) -> None:
    with Idp("upstream", [service("gateway", "hidden", JWT_BEARER)], trusts=[idp.issuer]) as theirs:
        own = (await idp.sign_in("alice", "agent", resource=DESK)).access_token
        wanted = {"requested_token_type": ID_JAG, "audience": theirs.issuer, "resource": TICKETS, "scope": "read"}
        jag = await exchange(idp, own, **wanted)
        assert (jag["issued_token_type"], jag["token_type"]) == (ID_JAG, "N_A")
        answer = await theirs.token("gateway", grant_type=JWT_BEARER, assertion=jag["access_token"])
        found = claims(theirs, answer["access_token"])
        assert (found["iss"], found["sub"], found["aud"]) == (theirs.issuer, "alice", TICKETS)
        again = await theirs.token("gateway", grant_type=JWT_BEARER, assertion=jag["access_token"])
        assert again["error"] == "invalid_grant"
        refused = await theirs.token("gateway", grant_type=JWT_BEARER, assertion=own)
        assert refused["error"] == "invalid_grant"


async def test_an_opaque_token_can_be_asked_about_until_it_is_revoked(idp: Idp) -> None:
    token = (await idp.sign_in("bob", "desk", resource=OPAQUE, scopes=["use"])).access_token
    async with httpx2.AsyncClient(auth=httpx2.BasicAuth("desk", "s3cret")) as http:
        asked = (await http.post(f"{idp.issuer}/token/introspection", data={"token": token})).json()
        assert (asked["active"], asked["sub"], asked["aud"], asked["scope"]) == (True, "bob", OPAQUE, "use")
        await http.post(f"{idp.issuer}/token/revocation", data={"token": token})
        asked = (await http.post(f"{idp.issuer}/token/introspection", data={"token": token})).json()
        assert asked == {"active": False}
    assert idp.journal("/token/revocation", token=digest(token))


async def test_a_person_who_is_asked_can_say_no() -> None:
    require()
    with Idp("asking", [Client("agent")], consent="ask") as asking:
        base = f"{asking.issuer}/auth?response_type=code&client_id=agent&redirect_uri={REDIRECT}&resource={TICKETS}"
        asked = f"{base}&scope=write&code_challenge={'x' * 43}&code_challenge_method=S256"
        async with Walker("alice") as walker:
            page = await walker.open(asked)
            page = await walker.submit(page.forms[0])
            assert "<li>write</li>" in page.text
            page = await walker.submit(page.forms[0], "deny", until=lambda url: url.startswith(REDIRECT))
        assert "error=access_denied" in page.location


async def test_keys_rotate_and_the_old_ones_can_be_kept_or_dropped() -> None:
    require()
    with Idp("rotating", [Client("agent")]) as rotating:
        before = await rotating.sign_in("alice", "agent", resource=DESK)
        first = rotating.rotate()
        after = await rotating.sign_in("alice", "agent", resource=DESK)
        assert claims(rotating, before.access_token)["sub"] == claims(rotating, after.access_token)["sub"] == "alice"
        assert "access_token" in await rotating.refresh("agent", before.refresh_token), "grants outlive their keys"
        second = rotating.rotate(keep=False)
        with httpx2.Client() as http:
            kids = [key["kid"] for key in http.get(f"{rotating.issuer}/jwks").json()["keys"]]
        assert (kids, first != second) == ([second], True)


async def test_answers_can_be_held_back_after_the_token_was_redeemed() -> None:
    require()
    with Idp("holding", [Client("agent")]) as holding:
        signed_in = await holding.sign_in("alice", "agent", resource=DESK)
        token = digest(signed_in.refresh_token)
        holding.hold()
        waiting = asyncio.create_task(holding.refresh("agent", signed_in.refresh_token))
        await until("the redemption", lambda: holding.redemptions()[token] == 1)
        assert not waiting.done()
        holding.hold(False)
        assert "access_token" in await waiting


async def test_it_can_put_off_and_be_unreachable_and_remembers_meanwhile() -> None:
    require()
    with Idp("failing", [Client("agent")]) as failing:
        signed_in = await failing.sign_in("alice", "agent", resource=DESK)
        failing.refuse(503)
        async with httpx2.AsyncClient() as http:
            data = {"grant_type": "refresh_token", "client_id": "agent", "refresh_token": signed_in.refresh_token}
            assert (await http.post(f"{failing.issuer}/token", data=data)).status_code == 503
            failing.refuse(0)
            failing.accept(False)
            with pytest.raises(httpx2.ConnectError):
                await http.post(f"{failing.issuer}/token", data=data)
            failing.accept(True)
            assert (await http.post(f"{failing.issuer}/token", data=data)).status_code == 200
        assert failing.redemptions() == {digest(signed_in.refresh_token): 1}
