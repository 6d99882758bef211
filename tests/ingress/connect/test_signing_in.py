"""Signing in: the state is single-use and belongs to one browser, and a session to one person."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from tests.ingress.connect.rig import BASE, IDP, Browser, Page, Rig, state_of

SESSION = "__Host-mcp-gateway-session"


async def back(page: Page, browser: Browser, **params: str) -> Page:
    """What `browser` gets when the identity provider sends it back with `params` after `page` sent it there."""
    return await browser.get(f"{BASE}/connect/signed-in?{urlencode({'state': state_of(page), **params})}")


async def test_a_link_leads_to_the_issuer_of_its_person() -> None:
    rig = Rig()
    page = await rig.browser().get(rig.link())
    assert page.status == 303 and page.headers["location"].startswith(f"{IDP}/authorize?")


async def test_one_comes_back_to_the_link_that_one_opened() -> None:
    rig = Rig()
    browser = rig.browser()
    link = rig.link()
    page = await back(await browser.get(link), browser, code="code-alice")
    assert page.status == 303 and BASE + page.headers["location"] == link


async def test_a_sign_in_that_another_browser_began_is_refused() -> None:
    """Login CSRF: the attacker's own sign-in, finished in the victim's browser, would make it the attacker's."""
    rig = Rig()
    attacker, victim = rig.browser(), rig.browser()
    begun = await attacker.get(rig.link())
    page = await back(begun, victim, code="code-mallory")
    assert page.status == 403 and SESSION not in victim.cookies
    assert (await back(begun, attacker, code="code-mallory")).status == 400, "the state was used up"


async def test_cookies_of_two_sign_ins_do_not_stand_for_each_other() -> None:
    rig = Rig()
    browser, other = rig.browser(), rig.browser()
    begun, foreign = await browser.get(rig.link()), await other.get(rig.link())
    value = next(iter(browser.cookies.values()))
    for name in tuple(other.cookies):
        browser.cookies[name] = value
    assert (await back(foreign, browser, code="code-alice")).status == 403
    assert (await back(begun, browser, code="code-alice")).status == 303


async def test_a_session_fixed_before_is_not_the_one_after() -> None:
    rig = Rig()
    attacker, victim = rig.browser(), rig.browser()
    await attacker.open(rig.link(), "mallory")
    fixed = attacker.cookies[SESSION]
    victim.cookies[SESSION] = fixed
    await victim.sign_in(await victim.get(f"{rig.link()}?sign-in=again"), "alice")
    assert victim.cookies[SESSION] != fixed
    onward = await victim.choose(await victim.get(rig.link()), "allow")
    attacker.cookies[SESSION] = fixed
    assert (await attacker.come_back(onward, code="c")).status == 403


@pytest.mark.parametrize("value", ["", "x", "A" * 300])
async def test_a_made_up_session_is_none(value: str) -> None:
    rig = Rig()
    browser = rig.browser()
    browser.cookies[SESSION] = value
    assert (await browser.get(rig.link())).headers["location"].startswith(IDP)


async def test_the_cookie_of_a_sign_in_is_taken_back() -> None:
    rig = Rig()
    browser = rig.browser()
    await browser.open(rig.link(), "alice")
    assert list(browser.cookies) == [SESSION]


async def test_a_sign_in_that_fails_leaves_nobody_signed_in() -> None:
    rig = Rig()
    browser = rig.browser()
    page = await back(await browser.get(rig.link()), browser, error="access_denied")
    assert page.status == 403 and page.title == "You are not signed in"
    assert SESSION not in browser.cookies
    assert page.links["Try again"].startswith("/connect/")


async def test_an_identity_provider_that_is_down_is_a_moment_to_wait() -> None:
    rig = Rig()
    rig.login.down = True
    page = await rig.browser().get(rig.link())
    assert page.status == 503 and rig.flows.kept == {}


@pytest.mark.parametrize("query", ["", "?state=x", "?state=x&state=y", "?code=c"])
async def test_a_sign_in_that_nobody_began_is_refused(query: str) -> None:
    page = await Rig().browser().get(f"{BASE}/connect/signed-in{query}")
    assert page.status == 400


async def test_what_waits_for_the_browser_is_not_its_cookie() -> None:
    rig = Rig()
    browser = rig.browser()
    await browser.get(rig.link())
    stored = b"".join(rig.flows.kept.values()).decode()
    assert all(value not in stored for value in browser.cookies.values())


async def test_the_way_back_may_lead_to_another_replica() -> None:
    one = Rig()
    two = Rig(beside=one)
    browser = one.browser()
    begun = await browser.get(one.link())
    browser.rig = two
    question = await browser.sign_in(begun, "alice")
    onward = await browser.choose(question, "allow")
    browser.rig = one
    assert (await browser.come_back(onward, code="c")).title == "Connected"


async def test_looking_at_pages_makes_no_session_longer() -> None:
    rig = Rig()
    browser = rig.browser()
    await browser.open(rig.link(), "alice")
    made = len(browser.set)
    for url in (rig.link(), rig.link(), f"{BASE}/connect/"):
        assert (await browser.get(url)).status == 200
    assert len(browser.set) == made
