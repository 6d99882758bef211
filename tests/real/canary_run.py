"""One run of the whole gateway through everything that can go well or wrong with identity, and all that it said.

Every secret of the run is new and random. Those that the providers make are asked of them afterwards.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx

from tests.real.idp import EXCHANGE, Client, Idp, Resource
from tests.real.processes import Gateway, configuration, environment, free_port, gateway, until
from tests.real.recording import Recording, oauth_upstream, static_upstream
from tests.real.walker import Page, Walker
from tests.real.wire import Wire
from tests.support import ROOT

SCOPES = ("read", "write", "admin")
ODD = '/+"\\ %&<é'
"""Characters that each form writes in its own way."""

HEADER_ODD = '/+"\\%&<'
"""The same for a header's value."""

DESK = """scopes: [use]
sources:
  - upstream: tickets
    prefix: t_
  - upstream: ledger
    prefix: l_
  - upstream: notes
    prefix: n_
  - upstream: archive
    prefix: a_
"""
_CONTINUE = re.compile(r'<a [^>]*href="([^"]+)"[^>]*id="continue"')


def canary(odd: str = "") -> str:
    return f"canary{odd}{token_urlsafe(24)}"


@dataclass(frozen=True, slots=True)
class Own:
    """The secrets that this side makes."""

    login: str = field(default_factory=canary)
    encryption: str = field(default_factory=lambda: canary(ODD))
    older: str = field(default_factory=lambda: canary(ODD))
    note: str = field(default_factory=lambda: canary(HEADER_ODD))
    archive: str = field(default_factory=lambda: canary(HEADER_ODD))


@dataclass(slots=True)
class Run:
    """What runs, and what it said: `said` by place, `secrets` by kind."""

    own: Own
    folder: Path
    corp: Idp
    tickets_idp: Idp
    tickets: Recording
    ledger: Recording
    notes: Recording
    archive: Recording
    gateway: Gateway
    variables: dict[str, str]
    dump: Callable[[], bytes]
    said: dict[str, bytes] = field(default_factory=dict)
    secrets: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    statuses: set[tuple[str, int]] = field(default_factory=set)
    outcomes: list[tuple[str, str]] = field(default_factory=list)

    def hear(self, place: str, content: bytes) -> None:
        self.said[f"{place} ({len(self.said)})"] = content

    @contextlib.asynccontextmanager
    async def http(self, bearer: str = "") -> Any:
        """A client all of whose answers are kept, heads and bodies."""

        async def keep(response: httpx.Response) -> None:
            await response.aread()
            head = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
            self.hear(f"answer {response.status_code} of {response.url.path}", head.encode() + response.content)
            self.statuses.add((response.url.path.split("/")[1], response.status_code))

        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        async with httpx.AsyncClient(headers=headers, timeout=60, event_hooks={"response": [keep]}) as http:
            yield http

    async def bearer(self, person: str, *scopes: str) -> str:
        """Signed in for the desk; everything about it is a secret."""
        desk = self.gateway.url("desk")
        signed_in = await self.corp.sign_in(person, "agent", resource=desk, scopes=scopes)
        self.secrets["bearer of the caller"].append(signed_in.access_token)
        return signed_in.access_token

    async def call(self, bearer: str, tool: str, **arguments: Any) -> dict[str, Any]:
        """One call in the modern era; the JSON-RPC message."""
        async with self.http(bearer) as http:
            wire = Wire(http, self.gateway.url("desk"), modern=True)
            message = (await wire.call(tool, arguments)).message
        self.outcomes.append((tool, outcome(message)))
        return message

    async def listed(self, bearer: str, tool: str) -> None:
        """Returns once `tool` is in the list: an upstream's own tools take the place of `connect_…`."""

        async def there() -> bool:
            async with self.http(bearer) as http:
                listing = await Wire(http, self.gateway.url("desk"), modern=True).ask("tools/list", {})
            return tool in [each["name"] for each in listing.result["tools"]]

        await until(f"{tool} in the list", there)

    async def link(self, bearer: str, tool: str, **arguments: Any) -> str:
        """The link in the refusal of a call that lacks a person's account, or more scopes of it."""
        message = await self.call(bearer, tool, **arguments)
        assert message["error"]["code"] == 40100, message
        found: str = message["error"]["data"]["link"]
        self.secrets["link"].append(found.rpartition("/")[2])
        return found

    async def connect(self, person: str, link: str, **values: str) -> None:
        """All that a person does in a browser, up to `Connected`; `values` are typed into the gateway's own form."""
        async with Walker(person) as walker:
            if values:
                form = next(form for form in (await self._signed_in(walker, link)).forms if "value-0" in form.fields)
                page = await walker.submit(form, **values)
            else:
                page = await walker.walk(link, button="Allow and continue")
                onward = unescape(_CONTINUE.findall(page.text)[0])
                self.secrets["state"] += parse_qs(urlsplit(onward).query)["state"]
                self.hear("database while a person consents", self.dump())
                page = await walker.walk(onward, button="Allow")
            assert "Connected" in page.text, page.text
            self.hear("page: connected", page.text.encode())

    async def _signed_in(self, walker: Walker, link: str) -> Page:
        """The gateway's page of `link` after the sign-in at the identity provider."""
        page = await walker.open(link)
        while not any("token" in form.fields for form in page.forms):
            assert page.forms, page.text
            page = await walker.submit(page.forms[0])
        return page

    def command(self, *words: str) -> str:
        """`mcp-gateway …`; what it prints. Its standard error is kept."""
        done = subprocess.run(
            [sys.executable, "-m", "mcp_gateway", *words, "--config", str(self.folder / "gateway.yaml")],
            cwd=ROOT, env=environment(**self.variables), capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        self.hear(f"stderr of {words[0]} {words[1]}", done.stderr)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()

    async def inspect(self) -> None:
        """Everything that the control plane tells, by its own description of itself."""
        async with self.http() as http:
            description = (await http.get(f"{self.gateway.control}/openapi.json")).json()
            paths = [path for path, methods in description["paths"].items() if "get" in methods]
            assert {"/metrics", "/api/connections", "/api/snapshot", "/api/upstreams"} <= set(paths)
            for path in paths:
                await http.get(f"{self.gateway.control}{path}")

    def end(self) -> None:
        """SIGTERM, and the files that are left."""
        self.hear("database before the end", self.dump())
        assert self.gateway.end(signal.SIGTERM) == 0
        self.hear("database after the end", self.dump())
        for path in self.folder.rglob("*"):
            if path.is_file():
                self.said[path.relative_to(self.folder).as_posix()] = path.read_bytes()

    def all_secrets(self) -> dict[str, list[str]]:
        """Its own, and what the providers took and gave."""
        found = dict(self.secrets)
        for idp in (self.corp, self.tickets_idp):
            for kind, values in idp.secrets().items():
                found[f"{kind} at {idp.name}"] = list(dict.fromkeys(values))
        own = {
            "login client secret": [self.own.login],
            "encryption key": [self.own.encryption, self.own.older],
            "header of a person": [self.own.note],
            "header of all": [self.own.archive],
        }
        return found | own


@contextlib.contextmanager
def running(folder: Path, database: str, dump: Callable[[], bytes]) -> Iterator[Run]:
    """The gateway on `database`, whose bytes `dump` gives; two providers and four upstreams."""
    own, port = Own(), free_port()
    login = Client(
        "gateway-login",
        own.login,
        redirect_uris=(f"http://127.0.0.1:{port}/connect/signed-in",),
        grants=("authorization_code", EXCHANGE),
    )
    resources = {"*": Resource(SCOPES, base=("read",))}
    with (
        Idp("corp", [Client("agent"), login]) as corp,
        Idp("tickets", resources=resources, consent="ask", advertised_scopes=SCOPES) as tickets_idp,
        oauth_upstream(tickets_idp.issuer) as tickets,
        oauth_upstream(corp.issuer) as ledger,
        static_upstream(own.note, header="X-Note-Key") as notes,
        static_upstream(own.archive, header="X-Api-Key") as archive,
    ):
        exchange = f"type: token_exchange, issuer: {corp.issuer}, client_id: gateway-login, client_secret: env:LOGIN"
        upstreams = f"""  tickets:
    url: {tickets.url}
    auth: {{type: authorization_code, scopes: [read]}}
    egress: {{allow: [127.0.0.1]}}
  ledger: {{url: {ledger.url}, auth: {{{exchange}, resource: "{ledger.url}", scopes: [read]}}}}
  notes: {{url: {notes.url}, auth: {{type: header, level: per_user, headers: {{X-Note-Key: null}}}}}}
  archive: {{url: {archive.url}, auth: {{type: header, headers: {{X-Api-Key: env:ARCHIVE}}}}}}
"""
        file = configuration(folder, upstreams, {"desk": DESK}, port=str(port))
        file.write_text(
            f"""{file.read_text()}state: {{database: env:DATABASE, encryption_keys: [env:NEW_KEY, env:OLD_KEY]}}
identity:
  issuers:
    - name: corp
      issuer: {corp.issuer}
      login: {{client_id: gateway-login, client_secret: env:LOGIN}}
"""
        )
        variables = {
            "LOGIN": own.login,
            "ARCHIVE": own.archive,
            "DATABASE": database,
            "NEW_KEY": own.encryption,
            "OLD_KEY": own.older,
        }
        with gateway(folder, "--log-level", "debug", **variables) as served:
            yield Run(own, folder, corp, tickets_idp, tickets, ledger, notes, archive, served, variables, dump)


async def go_through(run: Run) -> None:
    """All of it, in an order in which each step finds what it needs."""
    await refused(run)
    alice, bob = await run.bearer("alice", "use"), await run.bearer("bob", "use")
    await connected(run, alice, bob)
    await failing(run, alice)
    await stepped_up(run, alice)
    key = run.command("keys", "create", "nightly", "--scopes", "use", "--owner", "corp|alice")
    run.secrets["key of a virtual account"].append(key)
    assert "result" in await run.call(key, "a_look_up", word="x")
    await reloaded(run)
    run.command("connections", "list")
    run.command("vault", "status")
    await run.inspect()
    await disconnected(run, alice)
    await run.inspect()
    run.end()


async def refused(run: Run) -> None:
    """Without a token, with wrong ones, in wrong places, and without a scope."""
    desk = run.gateway.url("desk")
    few = await run.bearer("bob", "read")
    wrong = [run.corp.mint("alice", "agent", "http://elsewhere/"), run.corp.mint("alice", "agent", desk, exp=1)]
    made_up = [canary(), f"mcpgw_{canary()}", "x" + few[1:], wrong[0][:-4] + "AAAA"]
    run.secrets["refused token"] += [*wrong, *made_up]
    for bearer in ("", *wrong, *made_up, few):
        message = await run.call(bearer, "a_look_up", word="x")
        assert "error" in message, message
    odd = canary()
    run.secrets["token in the wrong place"].append(odd)
    async with run.http() as http:
        await http.post(desk, params={"access_token": odd}, json={})
        await http.post(desk, headers={"authorization": f"Basic {odd}"}, json={})
        await http.get(f"{run.gateway.data}/connect/callback", params={"state": odd, "code": odd, "iss": "http://x"})
        await http.get(f"{run.gateway.data}/connect/signed-in", params={"state": odd, "code": odd})
        await http.get(f"{run.gateway.data}/connect/", headers={"cookie": f"mcp-gateway-session={odd}"})
    async with run.http(few) as http:
        await http.post(desk, headers={"content-type": "application/json"}, content=b'{"broken": ')


async def connected(run: Run, alice: str, bob: str) -> None:
    """Two people consent at one upstream, one stores a value for another; a stranger opens the link."""
    link = await run.link(alice, "t_connect_tickets")
    async with Walker("bob") as stranger:
        page = await stranger.walk(link)
        assert page.status == 403
        run.hear("page: somebody else", page.text.encode())
    await run.connect("alice", link)
    await run.listed(alice, "t_whoami")
    await run.connect("bob", await run.link(bob, "t_whoami"))
    await run.connect("alice", await run.link(alice, "n_connect_notes"), **{"value-0": run.own.note})
    for tool in ("l_whoami", "n_look_up", "a_look_up"):
        await run.listed(alice, tool)
    for tool, arguments in (("t_whoami", {}), ("l_whoami", {}), ("n_look_up", {"word": "x"}), ("a_look_up", {"word": "x"})):
        message = await run.call(alice, tool, **arguments)
        assert "result" in message and not message["result"].get("isError"), message


async def failing(run: Run, alice: str) -> None:
    """Upstreams and providers that answer 401, 5xx and 400, also while a token is renewed or exchanged."""
    for upstream, tool in ((run.archive, "a_look_up"), (run.tickets, "t_whoami"), (run.ledger, "l_whoami")):
        for status in (500, 403, 401):
            upstream.fail(status, 2)
            await run.call(alice, tool, word="x")
            upstream.fail(0, 0)
    for upstream, idp, tool in ((run.tickets, run.tickets_idp, "t_whoami"), (run.ledger, run.corp, "l_whoami")):
        for status in (503, 400, 0):
            idp.refuse(status)
            if not status:
                idp.accept(False)
            upstream.fail(401, 3)
            await run.call(alice, tool)
            upstream.fail(0, 0)
            idp.refuse(0)
        idp.accept(True)
    run.archive.server.kill()
    await run.call(alice, "a_look_up", word="x")
    run.archive.server.start()


async def stepped_up(run: Run, alice: str) -> None:
    """More scopes: by a new consent at one upstream, by another exchange at the other."""
    await run.connect("alice", await run.link(alice, "t_close_ticket", ticket=1))
    for tool in ("t_close_ticket", "l_close_ticket"):
        message = await run.call(alice, tool, ticket=1)


async def reloaded(run: Run) -> None:
    """The same again, something wrong that holds a secret, and the same once more, by signal."""
    file = run.folder / "gateway.yaml"
    good = file.read_text()
    literal = canary()
    run.secrets["literal in a configuration"].append(literal)
    async with run.http() as http:
        assert (await http.post(f"{run.gateway.control}/reload")).status_code == 200
        for old, new in (("env:ARCHIVE", literal), ("env:DATABASE", f"postgresql://u:{literal}@127.0.0.1/x")):
            file.write_text(good.replace(old, new))
            assert (await http.post(f"{run.gateway.control}/reload")).status_code == 422
        file.write_text(good)
    done = len(run.gateway.log("reloaded"))
    run.gateway.send(signal.SIGHUP)
    await until("the reload", lambda: len(run.gateway.log("reloaded")) > done)


async def disconnected(run: Run, alice: str) -> None:
    """The control plane ends a connection, and the authorization server hears of it."""
    before = len(run.tickets_idp.journal("/token/revocation"))
    async with run.http() as http:
        where = f"{run.gateway.control}/api/connections/{quote('corp|alice')}/tickets"
        assert (await http.delete(where)).status_code == 200
        assert (await http.delete(where)).status_code == 404
    await until("the revocation", lambda: len(run.tickets_idp.journal("/token/revocation")) > before)
    await run.link(alice, "t_whoami")


def outcome(message: dict[str, Any]) -> str:
    """`result`, or the reason of what is none."""
    if "error" in message:
        return str(message["error"].get("data", {}).get("reason", message["error"]["code"]))
    return "failed" if message["result"].get("isError") else "result"


def counted(run: Run) -> str:
    """What was looked through, for the log of the test."""
    sizes = {place: len(content) for place, content in run.said.items()}
    return json.dumps({"places": len(sizes), "bytes": sum(sizes.values()), "statuses": sorted(run.statuses), "outcomes": run.outcomes, "events": sorted({(str(l.get("level")),str(l.get("event"))) for l in run.gateway.log()})})
