"""The door before a real identity provider: who gets in, who does not, and what happens when it cannot be asked."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.real.idp import Client, Idp, Resource, digest, require, service
from tests.real.processes import Gateway, configuration, environment, free_port, gateway, until
from tests.real.recording import Recording, static_upstream
from tests.real.wire import Wire
from tests.support import ROOT

KEY = "archive-key-canary"
DESK = 'scopes: [use]\nsources:\n  - upstream: archive\n    prefix: "a_"\n    tools: {look_up: {scopes: [read]}}\n'
OPEN = "sources:\n  - upstream: archive\n"
INTROSPECTOR = ("introspector", "asks")
MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Site:
    idp: Idp
    gateway: Gateway
    archive: Recording
    folder: Path

    def url(self, server: str) -> str:
        return self.gateway.url(server)

    async def token(self, person: str, server: str = "open", *scopes: str) -> str:
        """Signed in at the identity provider for one virtual server."""
        return (await self.idp.sign_in(person, "agent", resource=self.url(server), scopes=scopes)).access_token


@contextmanager
def site(folder: Path, idp: Idp, *lines: str, port: int = 0) -> Iterator[Site]:
    """A gateway with the servers `desk`, which needs scopes, and `open`; `lines` are further ones of its issuer."""
    with static_upstream(KEY) as archive:
        auth = "auth: {type: header, headers: {X-Api-Key: env:ARCHIVE_KEY}}"
        servers = {"desk": DESK, "open": OPEN}
        file = configuration(folder, f"  archive: {{url: {archive.url}, {auth}}}\n", servers, port=str(port))
        issuer = "".join(f"      {line}\n" for line in (f"issuer: {idp.issuer}", *lines))
        file.write_text(f"{file.read_text()}identity:\n  issuers:\n    - name: corp\n{issuer}")
        with gateway(folder, ARCHIVE_KEY=KEY) as running:
            yield Site(idp, running, archive, folder)


@pytest.fixture(scope="module")
def corp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    require()
    with Idp("corp", [Client("agent")]) as idp, site(tmp_path_factory.mktemp("corp"), idp) as running:
        yield running


async def post(site: Site, token: str, server: str = "open", tool: str = "look_up") -> httpx.Response:
    """One call in the modern era, as HTTP has it."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(headers=headers) as http:
        wire = Wire(http, site.url(server), modern=True)
        async with wire.open("tools/call", {"name": tool, "arguments": {"word": "x"}}) as response:
            await response.aread()
            return response


async def test_an_agent_gets_in_by_what_the_refusal_says(corp: Site) -> None:
    refused = await post(corp, "", "desk", "a_look_up")
    challenge = refused.headers["www-authenticate"]
    assert refused.status_code == 401
    assert "error=" not in challenge
    named = re.search(r'resource_metadata="([^"]+)"', challenge)
    assert named
    async with httpx.AsyncClient() as http:
        document = (await http.get(named[1])).json()
        (issuer,) = document["authorization_servers"]
        assert (await http.get(f"{issuer}/.well-known/oauth-authorization-server")).json()["issuer"] == issuer
    assert (issuer, document["resource"]) == (corp.idp.issuer, corp.url("desk"))
    assert set(document["scopes_supported"]) == {"use", "read"}
    signed_in = await corp.idp.sign_in(
        "alice", "agent", resource=document["resource"], scopes=document["scopes_supported"]
    )
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {signed_in.access_token}"}) as http:
        for modern in (True, False):
            wire = Wire(http, corp.url("desk"), modern=modern)
            if not modern:
                await wire.initialize()
            answer = await wire.call("a_look_up", {"word": "x"})
            assert answer.result["content"][0]["text"] == "x: found"
    assert corp.archive.holds([signed_in.access_token, "Bearer"]) == []
    assert corp.archive.calls()[-1]["headers"] == {"X-Api-Key": KEY, "authorization": None}


async def test_what_is_lacking_is_said_at_once_and_one_more_sign_in_is_enough(corp: Site) -> None:
    refused = await post(corp, await corp.token("alice", "desk", "use"), "desk", "a_look_up")
    assert refused.status_code == 403
    challenge = refused.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    scopes = re.search(r'scope="([^"]+)"', challenge)
    assert scopes and set(scopes[1].split()) == {"use", "read"}
    granted = await corp.token("alice", "desk", *scopes[1].split())
    assert (await post(corp, granted, "desk", "a_look_up")).status_code == 200


async def wrong_tokens(corp: Site) -> dict[str, str]:
    """Tokens that are good for something else, and some for nothing."""
    here, now = corp.url("open"), int(time.time())
    signed_in = await corp.idp.sign_in("alice", "agent", resource=here, scopes=["openid", "use"])
    with Idp("foreign", [Client("agent")]) as foreign:
        theirs = (await foreign.sign_in("alice", "agent", resource=here)).access_token
        pretending = foreign.mint("alice", "agent", here, iss=corp.idp.issuer)
    head, body, mark = signed_in.access_token.split(".")
    unsigned = urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()

    def mint(**claims: object) -> str:
        return corp.idp.mint("alice", "agent", here, (), **claims)

    return {
        "for another server": await corp.token("alice", "desk", "use"),
        "of a foreign issuer": theirs,
        "signed by a foreign key": pretending,
        "an ID token": signed_in.id_token,
        "a refresh token": signed_in.refresh_token,
        "unsigned": f"{unsigned}.{body}.",
        "with another body": f"{head}.{mint().split('.')[1]}.{mark}",
        "expired": mint(exp=now - 3600),
        "without an end": mint(exp=None),
        "from the future": mint(nbf=now + 3600),
        "of nobody": mint(sub=None),
        "long": "x" * 16_300,
    }


async def test_every_wrong_token_gets_the_same_answer(corp: Site) -> None:
    before = len(corp.archive.calls())
    shapes = set()
    for name, token in (await wrong_tokens(corp)).items():
        answer = await post(corp, token)
        shown = answer.json()
        request = shown["error"]["data"].pop("requestId")
        assert (answer.status_code, request) == (401, answer.headers["x-request-id"]), name
        shapes.add((answer.headers["www-authenticate"], json.dumps(shown), *sorted(answer.headers)))
    assert len(shapes) == 1
    assert 'error="invalid_token"' in shapes.pop()[0]
    assert len(corp.archive.calls()) == before
    reasons = {line["reason"] for line in corp.gateway.log("token refused")}
    assert {"audience", "expired"} <= reasons


async def test_new_keys_are_found_with_one_question_and_made_up_ones_cause_none(tmp_path: Path) -> None:
    require()
    with Idp("rotating", [Client("agent")]) as idp, site(tmp_path, idp) as running:
        assert (await post(running, await running.token("alice"))).status_code == 200
        asked = len(idp.journal("/jwks"))
        idp.rotate()
        assert (await post(running, await running.token("bob"))).status_code == 200
        assert len(idp.journal("/jwks")) == asked + 1
        with Idp("foreign") as foreign:
            for _ in range(25):
                foreign.rotate(keep=False)
                stranger = foreign.mint("bob", "agent", running.url("open"), iss=idp.issuer)
                assert (await post(running, stranger)).status_code == 401
        assert len(idp.journal("/jwks")) == asked + 1


async def test_an_outage_is_bridged_up_to_the_bound_and_then_the_door_is_closed(tmp_path: Path) -> None:
    require()
    with Idp("flaky", [Client("agent")]) as idp, site(tmp_path, idp, "max_stale: 6s") as running:
        known = await running.token("alice")
        assert (await post(running, known)).status_code == 200
        idp.accept(False)

        def fresh(person: str = "bob") -> str:
            return idp.mint(person, "agent", running.url("open"))

        begun = time.monotonic()
        bridged = await post(running, fresh())
        assert bridged.status_code == 200 or time.monotonic() - begun > 6, bridged.text
        seen: list[httpx.Response] = []

        async def closed() -> bool:
            seen.append(await post(running, fresh()))
            return seen[-1].status_code == 503

        await until("the bound", closed)
        assert {answer.status_code for answer in seen} <= {200, 503}
        refused = seen[-1]
        assert refused.json()["error"]["data"]["reason"] == "identity_unavailable"
        assert int(refused.headers["retry-after"]) >= 1
        assert "www-authenticate" not in refused.headers, "nobody is sent to sign in because of an outage"
        assert (await post(running, known)).status_code == 503, "what was verified before ends with the keys"
        before = len(running.archive.calls())
        idp.accept(True)
        asked = len(idp.journal("/jwks"))

        async def open_again() -> bool:
            return (await post(running, known)).status_code == 200

        await until("the door to open", open_again)
        assert (await post(running, fresh("alice"))).status_code == 200
        assert len(idp.journal("/jwks")) == asked + 1
        assert len(running.archive.calls()) == before + 2


async def test_opaque_tokens_are_asked_about_once_and_unknown_ones_refused(tmp_path: Path) -> None:
    require()
    port = free_port()
    here = f"http://127.0.0.1:{port}/servers/open/mcp"
    resources = {here: Resource(("use",), opaque=True), "*": Resource(("use",), opaque=True)}
    client = f"introspection: {{client_id: {INTROSPECTOR[0]}, client_secret: env:ASKS}}"
    clients = [Client("agent"), service(*INTROSPECTOR)]
    with (
        pytest.MonkeyPatch.context() as patched,
        Idp("opaque", clients, resources=resources) as idp,
    ):
        patched.setenv("ASKS", INTROSPECTOR[1])
        with site(tmp_path, idp, client, port=port) as running:
            token = await running.token("alice", "open", "use")
            assert "." not in token
            for _ in range(3):
                assert (await post(running, token)).status_code == 200
            assert len(idp.journal("/token/introspection", token=digest(token))) == 1
            elsewhere = await running.token("alice", "desk", "use")
            assert (await post(running, elsewhere)).status_code == 401
            assert (await post(running, "x" * 43)).status_code == 401


def keys(site: Site, *arguments: str) -> str:
    """`mcp-gateway keys …` while the gateway serves; what it prints."""
    command = [sys.executable, "-m", "mcp_gateway", "keys", *arguments, "--config", str(site.folder / "gateway.yaml")]
    env = environment(ARCHIVE_KEY=KEY)
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=MINUTE, check=True)
    return done.stdout.strip()


async def test_a_program_comes_with_a_key_until_it_is_revoked(corp: Site) -> None:
    key = keys(corp, "create", "nightly", "--teams", "ops", "--scopes", "use,read")
    assert (await post(corp, key, "desk", "a_look_up")).status_code == 200
    assert (await post(corp, key[:-1] + ("a" if key[-1] != "a" else "b"))).status_code == 401
    listed: dict[str, Any] = json.loads(keys(corp, "list", "--json"))
    assert [account["name"] for account in listed["accounts"]] == ["nightly"]
    assert key not in json.dumps(listed)
    keys(corp, "revoke", "nightly")

    async def refused() -> bool:
        return (await post(corp, key, "desk", "a_look_up")).status_code == 401

    await until("the key to stop working", refused)
    assert corp.archive.holds([key]) == []
