"""The whole gateway with all that it needs for identity, and everything that it says and keeps in one run.

Every secret of the run is new and random. Those that the providers make are asked of them afterwards.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, urlsplit

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
    async def http(self, bearer: str = "") -> AsyncIterator[httpx.AsyncClient]:
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
        assert message.get("error", {}).get("code") == 40100, message
        found: str = message["error"]["data"]["link"]
        self.secrets["link"].append(found.rpartition("/")[2])
        return found

    async def connect(self, person: str, link: str, value: str = "") -> None:
        """All that a person does in a browser, up to `Connected`; `value` is typed into the gateway's own form."""
        async with Walker(person) as walker:
            if value:
                form = next(form for form in (await self._signed_in(walker, link)).forms if "value-0" in form.fields)
                form.fields["value-0"] = value
                page = await walker.submit(form)
            else:
                page = await walker.walk(link, button="Allow and continue")
                onward = unescape(_CONTINUE.findall(page.text)[0])
                self.secrets["state"] += parse_qs(urlsplit(onward).query)["state"]
                self.hear("database while a person consents", self.dump())
                page = await walker.walk(onward, button="Allow")
            assert "Connected" in page.text, page.text
            cookies = walker.cookies()
            self.secrets["cookie"] += [value for name, value in cookies.items() if name.startswith("mcp-gateway")]
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


def outcome(message: dict[str, Any]) -> str:
    """`result`, or the reason of what is none."""
    if "error" in message:
        return str(message["error"].get("data", {}).get("reason", message["error"]["code"]))
    return "failed" if message["result"].get("isError") else "result"


def counted(run: Run) -> str:
    """What happened and what was looked through, for the log of the test."""
    outcomes = Counter(f"{tool}: {how}" for tool, how in run.outcomes)
    size = sum(len(content) for content in run.said.values())
    return json.dumps({"places": len(run.said), "bytes": size, "statuses": sorted(run.statuses), "calls": outcomes})
