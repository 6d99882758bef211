"""The control plane of a gateway that serves, before a real identity provider: who gets in, and how far."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from mcp_gateway.admin.roles import TABLE
from mcp_gateway.cli.control import TOKEN, ControlPlane, Unreadable
from tests.real.idp import Client, Idp, require
from tests.real.processes import Gateway, configuration, environment, free_port, gateway, serving, until, whole
from tests.real.wire import Wire
from tests.support import ROOT

AUTH = """\
{port: PORT, auth: {metrics: reader, roles: {reader: ["corp|bob", "virtual_account:prometheus"], \
operator: ["team:finance"], admin: ["claim:job=root"]}}}"""
DATA_AUDIENCE = "api://everything"


@dataclass(slots=True)
class Site:
    """A gateway with two planes; the tokens of the one are no good at the other."""

    idp: Idp
    gateway: Gateway
    folder: Path

    def token(self, person: str, audience: str = "", **claims: object) -> str:
        """For the control plane, if `audience` says no other."""
        return self.idp.mint(person, "agent", audience or self.gateway.control, (), **claims)

    async def ask(self, method: str, path: str, bearer: str = "", **headers: str) -> httpx.Response:
        credential = {"authorization": f"Bearer {bearer}"} if bearer else {}
        async with httpx.AsyncClient(timeout=30) as http:
            return await http.request(method, self.gateway.control + path, headers={**credential, **headers})

    async def status(self, method: str, path: str, bearer: str = "", **headers: str) -> int:
        return (await self.ask(method, path, bearer, **headers)).status_code

    async def call(self, bearer: str, tool: str = "test_simple_text") -> httpx.Response:
        async with httpx.AsyncClient(timeout=30, headers={"authorization": f"Bearer {bearer}"}) as http:
            wire = Wire(http, self.gateway.url("open"), modern=True)
            async with wire.open("tools/call", {"name": tool, "arguments": {}}) as response:
                await response.aread()
                return response

    def command(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`mcp-gateway …` on the configuration."""
        command = [sys.executable, "-m", "mcp_gateway", *words, "--config", str(self.folder / "gateway.yaml")]
        env = environment(**variables)
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)

    def key(self, name: str) -> str:
        made = self.command("keys", "create", name)
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    require()
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "journal").touch()
    admin = AUTH.replace("PORT", str(free_port()))
    with (
        Idp("corp", [Client("agent")]) as idp,
        serving("tests.real.upstream", "--journal", str(folder / "journal"), "--era", "modern") as upstream,
    ):
        file = configuration(folder, f"  up: {{url: {upstream.url}}}\n", {"open": whole("up")}, admin=admin)
        issuer = f"{{name: corp, issuer: {idp.issuer}, audiences: ['{DATA_AUDIENCE}']}}"
        rest = f"identity: {{issuers: [{issuer}]}}\ntelemetry: {{audit: {{path: audit, bodies: hashes}}}}\n"
        file.write_text(file.read_text() + rest)
        with gateway(folder) as running:
            yield Site(idp, running, folder)


async def test_a_token_for_one_plane_is_no_good_at_the_other(site: Site) -> None:
    theirs = site.token("alice", job="root")
    here = site.token("alice", site.gateway.url("open"), job="root")
    everywhere = site.token("alice", DATA_AUDIENCE, job="root")
    assert await site.status("GET", "/api/snapshot", theirs) == 200
    assert (await site.call(here)).status_code == (await site.call(everywhere)).status_code == 200
    for bearer in (here, everywhere):
        refused = await site.ask("GET", "/api/snapshot", bearer)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert (await site.call(theirs)).status_code == 401
    # What was verified at one door is not remembered at the other, in whichever order.
    assert await site.status("GET", "/api/snapshot", here) == 401
    assert (await site.call(theirs)).status_code == 401


async def test_every_wrong_credential_is_refused_alike(site: Site) -> None:
    now, good = int(time.time()), site.token("alice", job="root")
    _, body, mark = good.split(".")
    unsigned = urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
    weak = urlsafe_b64encode(b'{"alg":"HS256","typ":"at+jwt"}').rstrip(b"=").decode()
    with Idp("foreign", [Client("agent")]) as foreign:
        pretending = foreign.mint("alice", "agent", site.gateway.control, iss=site.idp.issuer, job="root")
    wrong = {
        "unsigned": f"{unsigned}.{body}.",
        "symmetric": f"{weak}.{body}.{mark}",
        "of a foreign key": pretending,
        "expired": site.token("alice", job="root", exp=now - 3600),
        "without an end": site.token("alice", job="root", exp=None),
        "without an audience": site.token("alice", job="root", aud=None),
        "for a path of it": site.token("alice", f"{site.gateway.control}/api", job="root"),
        "an ID token": site.idp.mint("alice", "agent", "agent", ()),
        "a key of nobody": "mgk_" + "x" * 43,
        "an old password": "admin",
        "long": "x" * 16_300,
    }
    answers = {name: await site.ask("POST", "/reload", token) for name, token in wrong.items()}
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(wrong, 401)
    assert len({(answer.text, answer.headers["www-authenticate"]) for answer in answers.values()}) == 1
    assert await site.status("GET", f"/api/snapshot?access_token={good}") == 401
    assert await site.status("GET", f"/api/snapshot?access_token={good}", good) == 401
    assert not [line for line in site.gateway.log() if any(token in json.dumps(line) for token in wrong.values())]


async def test_roles_reach_as_far_as_they_say(site: Site) -> None:
    bob, alice, root = site.token("bob"), site.token("alice"), site.token("mallory", job=["x", "root"])
    nobody = site.token("mallory")
    assert [await site.status("GET", "/healthz", each) for each in ("", nobody)] == [200, 200]
    for bearer in (bob, alice, root):
        assert await site.status("GET", "/metrics", bearer) == 200
        assert await site.status("GET", "/docs", bearer) == 200
    assert await site.status("GET", "/metrics") == 401
    refused = await site.ask("POST", "/reload", bob)
    assert (refused.status_code, refused.json()["role"]) == (403, "operator")
    assert await site.status("DELETE", "/api/connections/corp|a/b", bob) == 403
    assert await site.status("DELETE", "/api/connections/corp|a/b", alice) == 404
    assert [await site.status("POST", "/reload", each) for each in (alice, root)] == [200, 200]
    assert await site.status("GET", "/api/snapshot", nobody) == 403
    assert ("corp|bob", "POST /reload") in [(x["principal"], x["route"]) for x in site.gateway.log("role refused")]


async def test_what_was_changed_and_refused_is_told_by_the_record(site: Site) -> None:
    bob, alice = site.token("bob"), site.token("alice")
    gone = "/api/connections/corp|a/b"
    asked = [
        (
            await site.ask("POST", "/reload?token=secret", alice),
            ["allowed, and done", "corp|alice, as operator", "POST /reload of"],
        ),
        (
            await site.ask("DELETE", gone, alice),
            ["refused: unknown_connection (", f"DELETE {gone} of the control plane"],
        ),
        (
            await site.ask("POST", "/reload", bob),
            ["refused: role_required (", "corp|bob; agent agent, from 127.0.0.1", "403"],
        ),
        (await site.ask("POST", "/reload", "garbage"), ["refused: unauthenticated (", "not known, from", "opaque"]),
        (await site.ask("GET", "/api/decisions?principal=corp|alice", bob), ["refused: role_required ("]),
        (await site.ask("GET", "/healthz", host="evil.example"), ["refused: host_not_allowed ("]),
        (await site.ask("GET", "/api/snapshot", x="y" * 40_000), ["refused: headers_too_large ("]),
    ]
    for answer, said in asked:
        told = await explained(site, answer.headers["x-request-id"])
        assert all(each in told for each in said), (said, told)
        assert "secret" not in told and "garbage" not in told and "evil" not in told
    looked = await site.ask("GET", "/api/snapshot", bob)
    assert site.command("explain", looked.headers["x-request-id"]).returncode == 1, "looking is not recorded"
    shown = (await site.ask("GET", "/metrics", bob)).text
    counted = {reason for reason in ("role_required", "unauthenticated", "host_not_allowed", "unknown_connection")
        if f'mcp_gateway_refusals_total{{plane="control",reason="{reason}"}}' in shown}  # fmt: skip
    assert len(counted) == 4
    tail = site.command("audit", "tail", "-n", "30").stdout
    assert "  control  " in tail and "POST /reload  ok" in tail and f"DELETE {gone}" in tail
    assert site.command("audit", "export", "--since", "1h", "--csv").stdout.count(",operator,/reload,") >= 1
    assert site.command("audit", "verify").returncode == 0


async def explained(site: Site, request_id: str) -> str:
    """What the command tells, once the record has it."""
    told = ""

    async def known() -> bool:
        nonlocal told
        told = (await asyncio.to_thread(site.command, "explain", request_id)).stdout
        return bool(told)

    await until("the record to know the request", known)
    return told


async def test_nothing_of_it_is_on_the_data_plane(site: Site) -> None:
    root = site.token("mallory", job="root")
    async with httpx.AsyncClient(timeout=30, headers={"authorization": f"Bearer {root}"}) as http:
        for method, path in TABLE:
            answer = await http.request(method, site.gateway.data + path)
            assert answer.status_code == 404, (method, path)


async def test_a_program_comes_with_a_key_under_any_name_until_it_is_revoked(site: Site) -> None:
    key, other = site.key("prometheus"), site.key("another")
    assert await site.status("GET", "/metrics", key, host="10.1.2.3:8081") == 200
    assert await site.status("GET", "/metrics", host="10.1.2.3:8081") == 401
    assert await site.status("GET", "/healthz", host="evil.example") == 421
    assert await site.status("POST", "/reload", key) == 403
    assert await site.status("GET", "/metrics", other) == 403
    site.command("keys", "revoke", "prometheus")

    async def refused() -> bool:
        return await site.status("GET", "/metrics", key) == 401

    await until("the key to stop working", refused)


async def test_decisions_are_told_to_those_who_may_see_them(site: Site) -> None:
    alice, bob = (site.token(person, site.gateway.url("open")) for person in ("alice", "bob"))
    done = {person: (await site.call(token)).headers["x-request-id"] for person, token in (("a", alice), ("b", bob))}
    root, reader = site.token("mallory", job="root"), site.token("bob")
    listed = (await site.ask("GET", "/api/decisions?server=open&limit=2", root)).json()
    assert [each["request_id"] for each in listed["items"]] == [done["b"], done["a"]]
    told = await site.ask("GET", f"/api/decisions/{done['a']}", root)
    explained = site.command("explain", done["a"], "--json")
    assert told.json() == json.loads(explained.stdout)
    assert "hmac-sha256" in told.text
    own = (await site.ask("GET", "/api/decisions", reader)).json()["items"]
    assert {each["principal"] for each in own} == {"corp|bob"}
    assert await site.status("GET", f"/api/decisions/{done['a']}", reader) == 404
    shown = await site.ask("GET", f"/api/decisions/{done['b']}", reader)
    assert shown.status_code == 200 and "hmac-sha256" not in shown.text


def asked(site: Site, token: str | None) -> Any:
    """What a command learns that has this token in its environment."""
    environ = {} if token is None else {TOKEN: token}
    return ControlPlane(site.gateway.control, environ).ask("/api/identities", TypeAdapter(list[str]))


@pytest.mark.timeout(120)
async def test_commands_come_with_a_token_of_the_environment(site: Site) -> None:
    for token, said in (
        (None, "wants a token: put one in MCP_GATEWAY_ADMIN_TOKEN"),
        ("wrong", "does not accept the token in MCP_GATEWAY_ADMIN_TOKEN"),
        ("a b", "what MCP_GATEWAY_ADMIN_TOKEN holds is no token"),
        (site.token("mallory"), "this needs the role reader"),
    ):
        with pytest.raises(Unreadable, match=said):
            await asyncio.to_thread(asked, site, token)
    token = site.token("bob")
    assert await asyncio.to_thread(asked, site, token) == []
    with pytest.raises(Unreadable, match="over https or to this machine only"):
        ControlPlane("http://gateway.example.com:8081", {TOKEN: token})
    done = await asyncio.to_thread(site.command, "plan", **{TOKEN: token})
    assert done.returncode == 0 and "the running snapshot" in done.stdout + done.stderr, done.stderr


async def test_a_reload_gives_and_takes_roles_and_nothing_that_is_bound(site: Site) -> None:
    file = site.folder / "gateway.yaml"
    text, bob, root = file.read_text(), site.token("bob"), site.token("mallory", job="root")
    assert await site.status("POST", "/reload", bob) == 403
    try:
        file.write_text(text.replace('operator: ["team:finance"]', 'operator: ["corp|bob"]'))
        assert await site.status("POST", "/reload", root) == 200
        assert await site.status("POST", "/reload", bob) == 200
        assert await site.status("POST", "/reload", site.token("alice")) == 403
        for changed in (
            "audience: other, auth: {",
            "public_url: 'http://localhost:1', auth: {",
            "host: localhost, auth: {",
        ):
            file.write_text(text.replace("auth: {", changed, 1))
            refused = await site.ask("POST", "/reload", root)
            assert refused.status_code == 422 and "`server` changed: restart" in refused.json()["problems"][0]
        file.write_text(text.replace(text[text.index(", auth: {") : text.index("}}}")], "", 1).replace("}}}", "}", 1))
        refused = await site.ask("POST", "/reload", root)
        assert refused.status_code == 422, refused.text
    finally:
        file.write_text(text)
        site.gateway.send(signal.SIGHUP)
    assert await site.status("GET", "/api/snapshot", bob) == 200


async def test_hostile_requests_leave_it_answering(site: Site) -> None:
    root = site.token("mallory", job="root")
    paths: list[Any] = [
        "/api/decisions/..%2f..%2faudit",
        "/api/decisions?limit=99999999999999999999",
        "/api/decisions?cursor=" + "A" * 8000,
        "/api/usage?group_by=" + "a," * 3000,
        "/api/usage?group_by=metadata.%27%3B--&since=1h",
        "/api/refusals?by=__class__",
        "/api/servers/%2e%2e%2f",
        "//api/snapshot",
    ]
    for path in paths:
        answer = await site.ask("GET", path, root)
        assert answer.status_code in (200, 400, 404, 422), (path, answer.status_code)
        assert await site.status("GET", path) in (400, 401), "refused by the edge, or for want of a credential"
    assert await site.status("GET", "/healthz") == 200
    assert not site.gateway.log("internal error")
