"""A person connects an account in Chromium, at a real authorization server; and is not made to do so for another.

The identity provider and the upstream's authorization server are two instances of a certified OpenID provider. The
screenshots stay in the test's folder, whose path is printed.
"""

from __future__ import annotations

import asyncio
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape, unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.real.chromium import Chromium, chromium
from tests.real.idp import Client, Idp, Resource, require
from tests.real.processes import Gateway, configuration, free_port, gateway, serving, until
from tests.real.walker import Walker
from tests.real.wire import Wire

URL_MODE: dict[str, Any] = {"elicitation": {"url": {}}}
CAPABILITIES = {"io.modelcontextprotocol/clientCapabilities": URL_MODE}
SCOPES = ("read", "write", "admin")


@dataclass(frozen=True)
class Office:
    """All that runs: two providers, the upstream behind one of them, and the gateway."""

    corp: Idp
    tickets: Idp
    gateway: Gateway

    async def caller(self, person: str, http: httpx.AsyncClient) -> Wire:
        """An agent that acts for `person`, signed in at the identity provider."""
        signed_in = await self.corp.sign_in(person, "agent", resource=self.gateway.url("desk"))
        http.headers["authorization"] = f"Bearer {signed_in.access_token}"
        return Wire(http, self.gateway.url("desk"), modern=True)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    require()
    folder = tmp_path_factory.mktemp("consent")
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    login = Client("gateway-login", "login-s3cret", redirect_uris=(f"{base}/connect/signed-in",))
    resources = {"*": Resource(SCOPES, base=("read",))}
    with (
        Idp("Corp", [Client("agent"), login]) as corp,
        Idp("Tickets", resources=resources, consent="ask", advertised_scopes=SCOPES) as tickets,
        serving("tests.real.upstream_oauth", "--issuer", tickets.issuer, "--scopes", "read") as upstream,
    ):
        auth = "auth: {type: authorization_code, scopes: [read]}, egress: {allow: [127.0.0.1]}"
        servers = {"desk": "sources:\n  - upstream: tickets\n"}
        file = configuration(folder, f"  tickets: {{url: {upstream.url}, {auth}}}\n", servers, port=str(port))
        file.write_text(
            file.read_text()
            + f"""identity:
  issuers:
    - name: corp
      issuer: {corp.issuer}
      login: {{client_id: gateway-login, client_secret: env:LOGIN_SECRET, scopes: [openid, email]}}
"""
        )
        with gateway(folder, LOGIN_SECRET="login-s3cret") as running:
            yield Office(corp, tickets, running)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    with chromium(tmp_path / "browser") as driven:
        yield driven
    print(f"screenshots: {driven.shots}")


async def ask(wire: Wire, tool: str, **retry: Any) -> dict[str, Any]:
    """The result of calling a tool; `retry` are the params of an answer to an earlier one."""
    result: dict[str, Any] = (
        await wire.ask("tools/call", {"name": tool, "arguments": {}, **retry}, CAPABILITIES)
    ).result
    return result


async def link_for(office: Office, person: str) -> str:
    """The link that an agent gets for somebody who is not connected.

    The first of all meets the tool that stands for the upstream's own; later ones meet those.
    """
    async with httpx.AsyncClient(timeout=60) as http:
        wire = await office.caller(person, http)
        tools = [tool["name"] for tool in (await wire.ask("tools/list", {}, CAPABILITIES)).result["tools"]]
        result = await ask(wire, "connect_tickets" if "connect_tickets" in tools else "whoami")
    url: str = result["inputRequests"]["connect-tickets"]["params"]["url"]
    return url


def sign_in(browser: Chromium, at: str, name: str) -> None:
    """Type a name on the page of a provider."""
    browser.until(f"Sign in at {at}")
    browser.find("input[name=login]").send_keys(name)
    browser.press("Sign in")


def consent(office: Office, browser: Chromium, link: str) -> None:
    """All that Alice does in the browser."""
    browser.open(link)
    browser.shoot("sign-in-at-the-identity-provider")
    sign_in(browser, "Corp", "alice")
    browser.until("Connect your account at tickets")
    browser.shoot("consent")
    browser.driver.set_window_size(400, 900)
    browser.shoot("consent-on-a-phone")
    browser.driver.set_window_size(900, 900)
    for shown in (urlsplit(office.tickets.issuer).netloc, "read", "agent", "desk", "alice"):
        assert shown in browser.text
    assert link == browser.driver.current_url
    assert [browser.tab() for _ in range(3)] == ["Allow and continue", "Decline", "Sign in as somebody else"]
    browser.press("Allow and continue")
    sign_in(browser, "Tickets", "alice")
    browser.shoot("consent-of-the-authorization-server")
    browser.press("Allow")
    browser.until("Connected")
    browser.shoot("connected")


@pytest.mark.timeout(180)
async def test_a_person_connects_an_account_while_the_call_waits(office: Office, browser: Chromium) -> None:
    async with httpx.AsyncClient(timeout=60) as http:
        wire = await office.caller("alice", http)
        first = await ask(wire, "connect_tickets")
        assert first["resultType"] == "input_required", first
        link = first["inputRequests"]["connect-tickets"]["params"]["url"]
        answers = {"connect-tickets": {"action": "accept"}}
        retry = {"requestState": first["requestState"], "inputResponses": answers}
        waiting = asyncio.create_task(ask(wire, "connect_tickets", **retry))
        await asyncio.to_thread(consent, office, browser, link)
        done = await waiting
        if done["resultType"] == "input_required":  # a slow machine: the person took longer than a call waits
            done = await ask(wire, "connect_tickets", **{**retry, "requestState": done["requestState"]})
        assert done["resultType"] == "complete" and not done.get("isError"), done
        assert (await ask(wire, "whoami"))["structuredContent"]["sub"] == "alice"
        assert browser.press("Your connections") == "Your connections"
        browser.shoot("own-connections")
        connections = f"{office.gateway.control}/api/connections"
        ended = await http.delete(f"{connections}/corp|alice/tickets")
        assert ended.json() == {"principal": "corp|alice", "upstream": "tickets", "revocation": "started"}
        assert (await ask(wire, "whoami"))["resultType"] == "input_required"
        await until("the revocation (RFC 7009)", lambda: bool(office.tickets.journal("/token/revocation")))
    for picture in browser.taken:
        assert picture.stat().st_size > 5_000
    assert "Content Security Policy" not in browser.console, "a page broke its own policy"


@pytest.mark.timeout(120)
async def test_the_link_of_an_attacker_is_refused(office: Office, browser: Chromium) -> None:
    """Mallory asks an agent and sends Bob the link: Bob's account would be Mallory's to use."""
    link = await link_for(office, "mallory")
    browser.open(link)
    sign_in(browser, "Corp", "bob")
    browser.until("This link was made for somebody else")
    browser.shoot("somebody-else")
    assert "mallory" not in browser.text and not browser.driver.find_elements("css selector", "form")


@pytest.mark.timeout(120)
async def test_the_authorization_address_of_an_attacker_is_refused_at_the_end(
    office: Office, browser: Chromium
) -> None:
    """Mallory consents to the own link, and sends Bob the address at the authorization server that follows."""
    address = await _consented(office, "mallory")
    browser.open(await link_for(office, "bob"))
    sign_in(browser, "Corp", "bob")
    browser.until("Connect your account at tickets")
    browser.driver.get(address)
    sign_in(browser, "Tickets", "bob")
    browser.press("Allow")
    browser.until("This link was made for somebody else")
    browser.shoot("not-this-browser")
    async with httpx.AsyncClient() as http:
        listed = (
            await http.get(f"{office.gateway.control}/api/connections", params={"principal": "corp|mallory"})
        ).json()
    assert listed == {"items": [], "next": None}


@pytest.mark.timeout(120)
async def test_a_foreign_page_can_neither_frame_nor_post(office: Office, browser: Chromium) -> None:
    link = await link_for(office, "bob")
    browser.open(link)
    sign_in(browser, "Corp", "bob")
    browser.until("Connect your account at tickets")
    token = browser.find("input[name=token]").get_attribute("value")
    hidden = f'<input type="hidden" name="token" value="{token}"><input type="hidden" name="decision" value="allow">'
    form = f'<form method="post" action="{escape(link)}">{hidden}<button>Win a prize</button></form>'
    frame = f'<iframe src="{office.gateway.data}/connect/nothing"></iframe>'
    with serving_page(f"<h1>Prizes</h1>{form}{frame}") as page:
        assert browser.open(page) == "Prizes"
        await until("the refusal to be framed", lambda: "frame-ancestors" in browser.console)
        browser.find("button").click()
        await until("the refusal of the form", lambda: "origin_not_allowed" in browser.driver.page_source)


async def _consented(office: Office, person: str) -> str:
    """The address at the authorization server to which a person is sent after consenting."""
    async with Walker(person) as walker:
        away = office.tickets.issuer
        page = await walker.walk(await link_for(office, person), until=lambda url: url.startswith(away))
    found = page.location or unescape(page.text.partition('<a href="')[2].partition('"')[0])
    assert found.startswith(away), page.text
    return found


@contextmanager
def serving_page(body: str) -> Iterator[str]:
    """A page of another site: `localhost` is one to a browser that knows the gateway as 127.0.0.1."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            raw = f"<!doctype html><title>Prizes</title>{body}".encode()
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *arguments: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
