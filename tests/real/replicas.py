"""Three gateways on one PostgreSQL, behind an upstream whose authorization server takes reuse for theft."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Final

import httpx

from tests.real.idp import Client, Idp, Resource, require
from tests.real.processes import PATIENCE, Gateway, configuration, environment, free_port, gateway, until
from tests.real.recording import Recording, oauth_upstream
from tests.real.walker import Walker
from tests.real.wire import Answer, Wire
from tests.support_postgres import postgres

SECONDS: Final = 6
"""How long an access token lasts. Several expiries fit into a test, and its last tenth is long enough for a call."""

CONNECTION_REQUIRED: Final = 40100
_CALL: Final = 55.0
"""Longer than a claim on a refresh token lasts, so that a call can wait for its end."""


@dataclass(frozen=True, slots=True)
class Replicas:
    """All that runs. The public address is that of the first gateway: it serves the pages."""

    corp: Idp
    tickets: Idp
    upstream: Recording
    gateways: tuple[Gateway, ...]

    @property
    def resource(self) -> str:
        """What tokens of callers are for, at whichever gateway they come."""
        return self.gateways[0].url("desk")

    @asynccontextmanager
    async def caller(self, which: int, person: str = "alice") -> AsyncIterator[Wire]:
        """An agent that acts for `person`, at one of the gateways."""
        headers = {"authorization": f"Bearer {self.corp.mint(person, 'agent', self.resource)}"}
        async with httpx.AsyncClient(headers=headers, timeout=_CALL + PATIENCE) as http:
            yield Wire(http, self.gateways[which].url("desk"), modern=True)

    async def call(self, which: int, tool: str = "whoami") -> Answer:
        """One call of an agent that acts for Alice."""
        async with self.caller(which) as wire:
            return await wire.call(tool, {})

    async def tools(self, which: int) -> list[str]:
        """What a gateway lists."""
        async with self.caller(which) as wire:
            return [tool["name"] for tool in (await wire.ask("tools/list", {})).result["tools"]]

    async def consent(self, link: str, person: str = "alice") -> None:
        """What `person` does in the browser with a link, at the gateway and at the authorization server."""
        async with Walker(person) as walker:
            page = await walker.walk(link)
            _, _, rest = page.text.partition('id="continue"')
            assert rest, page.text
            onward = page.text.partition('http-equiv="refresh"')[2].partition("url=")[2].partition('"')[0]
            page = await walker.walk(unescape(onward))
        assert page.status == 200 and "Connected" in page.text, page.text

    async def ready(self, which: int) -> None:
        """Wait until a gateway lists the upstream's own tools, which it learns from the first call for somebody."""

        async def listed() -> bool:
            if "whoami" in await self.tools(which):
                return True
            await self.call(which, tool="connect_tickets")
            return False

        await until("the upstream's own tools", listed)

    def refreshes(self) -> int:
        """How often a refresh token came to the authorization server."""
        return len(self.tickets.journal("/token", grant_type="refresh_token"))

    async def refreshed(self, times: int) -> None:
        """Wait until refresh tokens have come so often."""

        async def enough() -> bool:
            return await asyncio.to_thread(self.refreshes) >= times

        await until(f"{times} refreshes", enough)


def link_in(answer: Answer) -> str:
    """Where the person connects the account that a call lacks."""
    assert answer.code == CONNECTION_REQUIRED, answer.message
    link: str = answer.message["error"]["data"]["link"]
    return link


@contextmanager
def replicas(folder: Path, **state: str) -> Iterator[Replicas]:
    """Running gateways; `state` are further settings of their state."""
    require()
    server, name = postgres(), f"db_{secrets.token_hex(6)}"
    server.sql(f"CREATE DATABASE {name}")
    variables = {
        "DATABASE": server.url(name).reveal(),
        "KEY": secrets.token_urlsafe(32),
        "LOGIN_SECRET": secrets.token_urlsafe(32),
        **{key.upper(): value for key, value in state.items()},
    }
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    login = Client("login", variables["LOGIN_SECRET"], redirect_uris=(f"{base}/connect/signed-in",))
    tickets_of = {"*": Resource(("read",), base=("read",))}
    with (
        Idp("Corp", [Client("agent"), login]) as corp,
        Idp("Tickets", resources=tickets_of, access_seconds=SECONDS, advertised_scopes=["read"]) as tickets,
        oauth_upstream(tickets.issuer) as upstream,
        ExitStack() as stack,
    ):
        homes = [folder / f"replica-{number}" for number in range(3)]
        for home in homes:
            home.mkdir()
            _write(home, port if home == homes[0] else 0, base, corp, upstream, state)
        migrate = [sys.executable, "-m", "mcp_gateway", "migrate"]
        subprocess.run(migrate, cwd=homes[0], env=environment(**variables), check=True, capture_output=True)
        running = tuple(stack.enter_context(gateway(home, **variables)) for home in homes)
        yield Replicas(corp, tickets, upstream, running)
    server.sql(f"DROP DATABASE {name} WITH (FORCE)")


def _write(home: Path, port: int, base: str, corp: Idp, upstream: Recording, state: dict[str, str]) -> None:
    auth = "auth: {type: authorization_code, scopes: [read]}, egress: {allow: [127.0.0.1]}"
    file = configuration(
        home,
        f"  tickets: {{url: {upstream.url}, timeout: {_CALL:.0f}s, {auth}}}\n",
        {"desk": "sources:\n  - upstream: tickets\n"},
        port=str(port),
        public_url=base,
    )
    more = "".join(f"  {key}: env:{key.upper()}\n" for key in state)
    file.write_text(
        f"""{file.read_text()}state:
  database: env:DATABASE
  encryption_keys: [env:KEY]
{more}identity:
  issuers:
    - name: corp
      issuer: {corp.issuer}
      login: {{client_id: login, client_secret: env:LOGIN_SECRET, scopes: [openid, email]}}
"""
    )


async def at_all(running: Replicas, count: int, *which: int) -> list[Answer]:
    """`count` calls at once at each of these gateways."""
    return await asyncio.gather(*(running.call(one) for one in which for _ in range(count)))
