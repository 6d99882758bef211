"""Header values of a user's own: typed in once, sent with that user's calls only."""

from __future__ import annotations

import pytest

from mcp_gateway.core.principal import ANONYMOUS
from mcp_gateway.envelopes.identity.stores import GrantKey
from tests.ingress.connect.rig import ALICE, BOB, Rig

KEY = GrantKey("corp|alice", "maps")


async def test_values_are_asked_for_by_name_and_stored() -> None:
    rig = Rig()
    browser = rig.browser()
    page = await browser.open(rig.link(upstream="maps"), "alice")
    assert page.labels == {"value-0": "X-Api-Key", "value-1": "X-Team"}
    assert all(each["type"] in ("password", "hidden") for each in page.forms[0].inputs)
    done = await browser.choose(page, "allow", **{"value-0": " canary-1\n", "value-1": "blue"})
    assert done.title == "Connected"
    grant = rig.vault.rows[KEY]
    assert grant.kind == "header"
    assert {name: value.reveal() for name, value in grant.tokens.headers.items()} == {
        "x-api-key": "canary-1",
        "x-team": "blue",
    }
    assert "canary-1" not in repr(rig.log.events) + done.body


@pytest.mark.parametrize("value", ["", " ", "a\r\nx-evil: 1", "a\nb", "a\0b", "ü", "a\x7f", "x" * 4097])
async def test_a_value_that_is_none_is_asked_for_again_and_not_shown(value: str) -> None:
    rig = Rig()
    browser = rig.browser()
    page = await browser.open(rig.link(upstream="maps"), "alice")
    again = await browser.choose(page, "allow", **{"value-0": "canary-1", "value-1": value})
    assert again.status == 422 and "Every field needs a value" in again.text
    assert "canary-1" not in again.body and rig.vault.rows == {}
    assert (await browser.choose(again, "allow", **{"value-0": "a", "value-1": "b"})).title == "Connected"


async def test_another_persons_values_are_not_taken() -> None:
    rig = Rig()
    browser = rig.browser()
    mine = await browser.open(rig.link(upstream="maps"), "alice")
    typed = {**mine.forms[0].values, "decision": "allow", "value-0": "a", "value-1": "b"}
    assert (await browser.post(rig.link(BOB, "maps"), typed)).status == 403
    assert rig.vault.rows == {}


async def test_an_anonymous_gateway_needs_no_sign_in_on_loopback() -> None:
    rig = Rig(anonymous=True, issuers=())
    browser = rig.browser()
    page = await browser.get(rig.anonymous_link())
    assert page.status == 200 and "Sign in as somebody else" not in page.links
    onward = await browser.choose(page, "allow")
    assert (await browser.come_back(onward, code="c")).title == "Connected"
    assert set(rig.vault.rows) == {GrantKey(ANONYMOUS.id, "tickets")}


async def test_the_anonymous_pages_open_on_loopback_only() -> None:
    rig = Rig(anonymous=True, issuers=())
    here, away = rig.browser(), rig.browser("192.0.2.7")
    assert (await away.get(rig.anonymous_link())).status == 403
    onward = await here.choose(await here.get(rig.anonymous_link()), "allow")
    away.cookies = dict(here.cookies)
    form = (await here.get(rig.anonymous_link())).forms[0]
    assert (await away.post(form.action, {**form.values, "decision": "allow"})).status == 403
    assert (await away.come_back(onward, code="c")).status == 403
    assert rig.vault.rows == {}


async def test_a_gateway_that_serves_nobody_anonymous_has_no_anonymous_pages() -> None:
    assert (await Rig().browser().get(Rig().anonymous_link())).status == 403


async def test_who_was_anonymous_signs_in_for_a_link_of_ones_own() -> None:
    rig = Rig(anonymous=True)
    browser = rig.browser()
    await browser.get(rig.anonymous_link())
    assert (await browser.open(rig.link(ALICE), "alice")).title == "Connect your account at tickets"
