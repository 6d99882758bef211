"""One's own connections: seen and ended by nobody else."""

from __future__ import annotations

from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.stores import Grant, GrantKey, Tokens
from tests.ingress.connect.rig import BASE, Browser, Rig

LIST = f"{BASE}/connect/"


async def stored(rig: Rig, principal: str, upstream: str) -> None:
    tokens = Tokens(access_token=Secret("canary"), scopes=("read",))
    grant = Grant(key=GrantKey(principal, upstream), kind="oauth", tokens=tokens, revocation_url="https://as/revoke")
    await rig.connections.store(grant)


async def signed_in(rig: Rig, name: str) -> Browser:
    browser = rig.browser()
    await browser.sign_in(await browser.get(LIST), name)
    return browser


async def test_a_person_sees_the_own_connections_only() -> None:
    rig = Rig()
    await stored(rig, "corp|alice", "tickets")
    await stored(rig, "corp|bob", "ledger")
    page = await (await signed_in(rig, "alice")).get(LIST)
    assert page.texts["h2"] == ["tickets"] and "canary" not in page.body
    assert "read" in page.text and "alice@example.com" in page.text


async def test_disconnecting_deletes_and_revokes() -> None:
    rig = Rig()
    await stored(rig, "corp|alice", "tickets")
    browser = await signed_in(rig, "alice")
    form = (await browser.get(LIST)).forms[0]
    assert (await browser.post(form.action, form.values)).status == 303
    assert rig.vault.rows == {}
    await rig.connections.close()
    assert [grant.key.upstream for grant in rig.revoked] == ["tickets"]
    assert (await browser.post(form.action, form.values)).status == 404


async def test_the_token_of_a_form_is_for_its_upstream_and_its_person() -> None:
    rig = Rig()
    for upstream in ("tickets", "ledger"):
        await stored(rig, "corp|alice", upstream)
        await stored(rig, "corp|bob", upstream)
    alice, bob = await signed_in(rig, "alice"), await signed_in(rig, "bob")
    (tickets,) = (form for form in (await alice.get(LIST)).forms if form.values["upstream"] == "tickets")
    assert (await alice.post(tickets.action, {**tickets.values, "upstream": "ledger"})).status == 403
    assert (await bob.post(tickets.action, tickets.values)).status == 403
    assert (await alice.post(tickets.action, tickets.values, site="cross-site")).status == 403
    assert (await rig.browser().post(tickets.action, tickets.values)).status == 403
    assert len(rig.vault.rows) == 4


async def test_of_several_issuers_one_is_chosen() -> None:
    rig = Rig(issuers=("corp", "partner"))
    browser = rig.browser()
    page = await browser.get(LIST)
    assert page.status == 200 and set(page.links) == {"Sign in with corp", "Sign in with partner"}
    assert (await browser.get(BASE + page.links["Sign in with partner"])).status == 303
    assert (await browser.get(f"{LIST}?issuer=nobody")).status == 404


async def test_a_gateway_on_loopback_shows_its_one_list() -> None:
    rig = Rig(anonymous=True, issuers=())
    await stored(rig, "anonymous", "tickets")
    browser = rig.browser()
    page = await browser.get(LIST)
    assert page.texts["h2"] == ["tickets"]
    assert (await browser.post(page.forms[0].action, page.forms[0].values)).status == 303
    assert rig.vault.rows == {}
    assert (await rig.browser("192.0.2.7").get(LIST)).status == 403


async def test_the_list_has_its_address_with_and_without_a_slash() -> None:
    rig = Rig(anonymous=True, issuers=())
    for url in (LIST, LIST.rstrip("/")):
        assert (await rig.browser().get(url)).title == "Your connections"
