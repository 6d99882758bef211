"""Pages as browsers and people get them: no script, strict headers, readable by everybody, nothing unescaped."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.identity.tickets import Ticket
from mcp_gateway.ingress.connect.markup import document, tag
from mcp_gateway.ingress.connect.pages import Asked, Pages
from mcp_gateway.ingress.connect.style import STYLE
from tests.ingress.connect.rig import BASE, BOB, Page, Rig

CSP = {"default-src 'none'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"}

Visit = Callable[[Rig], Awaitable[Page]]


async def question(rig: Rig) -> Page:
    return await rig.browser().open(rig.link(scopes=("a", "b")), "alice")


async def fields(rig: Rig) -> Page:
    return await rig.browser().open(rig.link(upstream="maps"), "alice")


async def onward(rig: Rig) -> Page:
    browser = rig.browser()
    return await browser.choose(await browser.open(rig.link(), "alice"), "allow")


async def connected(rig: Rig) -> Page:
    browser = rig.browser()
    return await browser.come_back(await browser.choose(await browser.open(rig.link(), "alice"), "allow"), code="c")


async def declined(rig: Rig) -> Page:
    browser = rig.browser()
    return await browser.choose(await browser.open(rig.link(), "alice"), "decline")


async def foreign(rig: Rig) -> Page:
    return await rig.browser().open(rig.link(BOB), "alice")


async def unknown(rig: Rig) -> Page:
    return await rig.browser().get(f"{BASE}/connect/nothing")


async def mine(rig: Rig) -> Page:
    browser = rig.browser()
    await browser.come_back(await browser.choose(await browser.open(rig.link(), "alice"), "allow"), code="c")
    return await browser.get(f"{BASE}/connect/")


VISITS: list[Visit] = [question, fields, onward, connected, declined, foreign, unknown, mine]


@pytest.mark.parametrize("visit", VISITS)
async def test_every_page_has_the_strict_headers(visit: Visit) -> None:
    headers = (await visit(Rig())).headers
    assert {part.strip() for part in headers["content-security-policy"].split(";")} == CSP
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("visit", VISITS)
async def test_every_page_can_be_read_by_everybody(visit: Visit) -> None:
    page = await visit(Rig())
    assert page.lang == "en" and page.active == []
    assert page.tags.count("h1") == 1 and page.tags.count("main") == 1 and page.texts["title"] == [page.title]
    for form in page.forms:
        assert form.method == "post" and form.action.startswith("/connect/")
        assert all(button["type"] == "submit" for button in form.buttons)
        for shown in form.inputs:
            assert shown["type"] == "hidden" or str(shown["id"]) in page.labels
    assert 'name="viewport"' in page.body
    assert [name for name in page.tags if name == "link"] == ["link"]


async def test_allow_comes_before_decline_and_neither_is_the_default_of_a_link() -> None:
    page = await question(Rig())
    assert [button["value"] for button in page.forms[0].buttons] == ["allow", "decline"]
    assert "decline" in page.text


async def test_the_style_sheet_is_the_only_thing_that_is_loaded() -> None:
    rig = Rig()
    page = await rig.browser().get(f"{BASE}/connect/style.css")
    assert page.status == 200 and page.headers["content-type"].startswith("text/css")
    assert b"url(" not in STYLE and b"@import" not in STYLE


async def test_the_client_document_is_served() -> None:
    page = await Rig().browser().get(f"{BASE}/connect/client.json")
    assert page.headers["content-type"] == "application/json"
    assert page.body == '{"client_id":"https://gw.test/connect/client.json"}'


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS"])
async def test_other_methods_are_not_allowed(method: str) -> None:
    rig = Rig()
    page = await rig.browser()._request(method, rig.link(), [], site=None)
    assert page.status == 405 and page.headers["allow"] == "GET, POST"


async def test_behind_a_prefix_every_address_has_it() -> None:
    rig = Rig(base_url="https://gw.test/tools")
    page = await rig.browser().get("https://gw.test/connect/x")
    assert 'href="/tools/connect/style.css"' in page.body


@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_cookies_are_as_strict_as_the_scheme_lets_them_be(scheme: str) -> None:
    rig = Rig(base_url=f"{scheme}://127.0.0.1:8080")
    browser = rig.browser()
    await browser.sign_in(await browser.get(rig.link()), "alice")
    assert len(browser.set) >= 3
    for cookie in browser.set:
        attributes = cookie.split("; ")[1:]
        assert {"Path=/", "HttpOnly", "SameSite=Lax"} <= set(attributes)
        assert ("Secure" in attributes) == cookie.startswith("__Host-") == (scheme == "https")
        assert not any(attribute.startswith("Domain") for attribute in attributes)


TEXT = st.text(min_size=1, max_size=40)


@given(TEXT, TEXT)
def test_text_and_attributes_are_escaped_whatever_they_are(text: str, value: str) -> None:
    made = str(tag("p", text, title=value))
    assert made.count("<") == 2 and made.count(">") == 2 and made.count('"') == 2
    assert "'" not in made


@given(TEXT, TEXT, st.lists(TEXT, max_size=3), TEXT, TEXT)
def test_nothing_that_others_say_becomes_markup(
    agent: str, client: str, scopes: list[str], server: str, shown: str
) -> None:
    ticket = Ticket(principal="p", person="p", upstream="up", server="desk", client_id=client, agent=agent, issued_at=1)
    pages = Pages("/connect")
    asked = Asked(ticket, server, tuple(scopes))
    plain = Asked(Ticket(principal="p", person="p", upstream="up", server="desk", client_id="c", agent="a"), "s", ())
    bodies = (
        (pages.consent(asked, shown=shown, action="/a", token="t"), pages.consent(
            plain, shown="x", action="/a", token="t")),
        (pages.onward(f"https://x/{server}", server), pages.onward("https://x/", "s")),
        (pages.problem(server, agent, "r", (shown, client)), pages.problem("s", "a", "r", ("x", "c"))),
    )  # fmt: skip
    for body, usual in bodies:
        found, expected = (re.findall(r"<[a-z!/]+", each.decode()) for each in (body, usual))
        assert [part for part in found if part not in ("<li", "</li", "<ul", "</ul", "<code", "</code")] == [
            part for part in expected if part not in ("<li", "</li", "<ul", "</ul", "<code", "</code")
        ]


def test_a_document_is_utf_8_and_says_so_first() -> None:
    page = document("ünï", "/s", tag("h1", "ünï")).decode()
    assert page.startswith('<!doctype html>\n<html lang="en"><head><meta charset="utf-8">')


async def test_an_agents_own_words_are_short_and_cannot_rearrange_the_page() -> None:
    rig = Rig()
    eve = Principal(id="corp|alice", subject="alice", client_id="c" * 500)
    link = rig.tickets.link(eve, upstream="tickets", server="desk", agent="Trusted \u202egateway\n\x00" + "x" * 500)
    page = await rig.browser().open(link, "alice")
    assert "“Trusted gateway" in page.text and "\u202e" not in page.body and "c" * 65 not in page.body
