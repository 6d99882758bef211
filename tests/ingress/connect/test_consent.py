"""Consent: who is asked what, what follows from the answer, and whom the pages refuse."""

from __future__ import annotations

import pytest

from mcp_gateway.core.errors import IdentityUnavailable, Rejected, Unreachable
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.identity.authorizing import AuthorizationFailed
from mcp_gateway.envelopes.identity.stores import GrantKey
from tests.ingress.connect.rig import AS, BASE, BOB, Page, Rig, state_of

KEY = GrantKey("corp|alice", "tickets")


async def test_a_person_signs_in_consents_and_is_connected() -> None:
    rig = Rig()
    browser = rig.browser()
    question = await browser.open(rig.link(scopes=("a", "b")), "alice")
    assert question.status == 200 and question.title == "Connect your account at tickets"
    for fact in ("auth.tickets.test", "a", "b", "Desk Helper", "agent-7", "desk", "alice@example.com"):
        assert fact in question.text
    onward = await browser.choose(question, "allow")
    assert onward.refresh == onward.links["Continue to auth.tickets.test"]
    assert onward.refresh.startswith(f"{AS}/authorize?state=")
    done = await browser.come_back(onward, code="c1", iss=AS)
    assert done.status == 200 and done.title == "Connected"
    grant = rig.vault.rows[KEY]
    assert grant.tokens.access_token is not None and grant.tokens.access_token.reveal() == "token for c1"
    assert grant.agent == "Desk Helper"
    assert rig.forgotten == [("corp|alice", "tickets")]


async def test_declining_stores_nothing() -> None:
    rig = Rig()
    browser = rig.browser()
    page = await browser.choose(await browser.open(rig.link(), "alice"), "decline")
    assert page.status == 200 and page.title == "Not connected"
    assert rig.vault.rows == {} and rig.flows.kept == {}


async def test_a_session_lasts_for_the_next_link() -> None:
    rig = Rig()
    browser = rig.browser()
    await browser.open(rig.link(), "alice")
    assert (await browser.get(rig.link())).title == "Connect your account at tickets"


async def test_the_link_of_another_is_refused_without_naming_anybody() -> None:
    """The attacker asks an agent, and sends the link to the victim, who would link an account to the attacker."""
    rig = Rig()
    victim = rig.browser()
    page = await victim.open(rig.link(BOB, scopes=("secret.scope",)), "alice")
    assert page.status == 403 and page.title == "This link was made for somebody else"
    for hidden in ("bob", "Desk Helper", "secret.scope", "auth.tickets.test"):
        assert hidden not in page.body
    assert page.forms == [] and len(rig.flows.kept) == 0


async def test_the_link_of_another_cannot_be_posted_to_either() -> None:
    rig = Rig()
    victim = rig.browser()
    mine = await victim.open(rig.link(), "alice")
    for token in (mine.forms[0].values["token"], ""):
        page = await victim.post(rig.link(BOB), {"token": token, "decision": "allow"})
        assert page.status == 403 and rig.flows.kept == {}


async def test_one_may_sign_in_as_somebody_else() -> None:
    rig = Rig()
    browser = rig.browser()
    page = await browser.open(rig.link(BOB), "alice")
    before = dict(browser.cookies)
    question = await browser.open(page.links["Sign in as somebody else"], "bob")
    assert question.title == "Connect your account at tickets"
    assert rig.login.again == [False, True]
    assert browser.cookies["__Host-mcp-gateway-session"] != before["__Host-mcp-gateway-session"]


async def test_the_authorization_url_of_the_attacker_is_of_no_use_in_the_victims_browser() -> None:
    """The attacker consents to the own link and lets the victim open what follows: the victim's code is not taken."""
    rig = Rig()
    attacker, victim = rig.browser(), rig.browser()
    await victim.open(rig.link(BOB), "bob")
    onward = await attacker.choose(await attacker.open(rig.link(), "alice"), "allow")
    page = await victim.come_back(onward, code="victims")
    assert page.status == 403 and page.title == "This link was made for somebody else"
    assert rig.authorizer.completed == [] and rig.vault.rows == {}


async def test_without_a_session_a_callback_is_refused() -> None:
    rig = Rig()
    browser = rig.browser()
    onward = await browser.choose(await browser.open(rig.link(), "alice"), "allow")
    assert (await rig.browser().come_back(onward, code="c")).status == 403
    assert (await browser.come_back(onward, code="c")).status == 400, "the state was used up"
    assert rig.vault.rows == {}


async def test_the_same_person_in_another_browser_does_not_finish_it() -> None:
    rig = Rig()
    first, second = rig.browser(), rig.browser()
    await second.open(rig.link(), "alice")
    onward = await first.choose(await first.open(rig.link(), "alice"), "allow")
    assert (await second.come_back(onward, code="c")).status == 403


async def test_a_state_is_good_once() -> None:
    rig = Rig()
    browser = rig.browser()
    onward = await browser.choose(await browser.open(rig.link(), "alice"), "allow")
    assert (await browser.come_back(onward, code="c1")).title == "Connected"
    again = await browser.come_back(onward, code="c1")
    assert again.status == 400 and len(rig.authorizer.completed) == 1


@pytest.mark.parametrize("query", ["", "?state=", "?state=unknown&code=c", "?code=c", "?state=a&state=b", "?x=%ff"])
async def test_a_callback_that_nobody_began_is_refused(query: str) -> None:
    rig = Rig()
    browser = rig.browser()
    await browser.open(rig.link(), "alice")
    assert (await browser.get(f"{BASE}/connect/callback{query}")).status == 400


async def test_an_expired_flow_is_refused() -> None:
    rig = Rig()
    browser = rig.browser()
    onward = await browser.choose(await browser.open(rig.link(), "alice"), "allow")
    rig.flows.expire()
    assert (await browser.come_back(onward, code="c")).status == 400


async def test_the_state_of_a_sign_in_is_none_of_a_consent_and_the_other_way_round() -> None:
    rig = Rig()
    browser = rig.browser()
    to_idp = await browser.get(rig.link())
    assert (await browser.come_back(to_idp, code="code-alice")).status == 400
    question = await browser.open(rig.link(), "alice")
    onward = await browser.choose(question, "allow")
    page = await browser.get(f"{BASE}/connect/signed-in?state={state_of(onward)}&code=code-alice")
    assert page.status == 400


async def test_two_tabs_both_succeed() -> None:
    rig = Rig()
    browser = rig.browser()
    first, second = await browser.get(rig.link()), await browser.get(rig.link())
    one = await browser.sign_in(first, "alice")
    onward_one = await browser.choose(one, "allow")
    two = await browser.sign_in(second, "alice")
    onward_two = await browser.choose(two, "allow")
    assert (await browser.come_back(onward_two, code="two")).title == "Connected"
    assert (await browser.come_back(onward_one, code="one")).title == "Connected"


async def test_states_swapped_between_tabs_connect_what_their_state_says() -> None:
    rig = Rig()
    browser = rig.browser()
    tickets = await browser.choose(await browser.open(rig.link(), "alice"), "allow")
    rig.targets.swap({**rig.targets.current, "other": rig.targets.current["tickets"]})
    other = await browser.choose(await browser.get(rig.link(upstream="other")), "allow")
    await browser.come_back(other, code="o")
    await browser.come_back(tickets, code="t")
    found = {key.upstream: grant.tokens.access_token for key, grant in rig.vault.rows.items()}
    assert {name: token.reveal() for name, token in found.items() if token} == {
        "tickets": "token for t",
        "other": "token for o",
    }


# ---------------------------------------------------------------------- forms


async def forged(rig: Rig, **changes: str) -> tuple[Page, Page]:
    """A good question and what comes of posting its form with changed values."""
    browser = rig.browser()
    question = await browser.open(rig.link(), "alice")
    form = question.forms[0]
    values = {**form.values, "decision": "allow", **changes}
    return question, await browser.post(form.action, {name: value for name, value in values.items() if value})


@pytest.mark.parametrize("token", ["", "x", "A" * 80])
async def test_a_form_without_its_token_is_refused(token: str) -> None:
    rig = Rig()
    _, page = await forged(rig, token=token)
    assert page.status == 403 and rig.flows.kept == {}


async def test_the_token_of_another_ticket_or_browser_is_refused() -> None:
    rig = Rig()
    browser, other = rig.browser(), rig.browser()
    one = await browser.open(rig.link(), "alice")
    rig.now += 1
    two = await browser.get(rig.link(scopes=("admin",)))
    foreign = await other.open(rig.link(), "alice")
    for token in (one.forms[0].values["token"], foreign.forms[0].values["token"]):
        page = await browser.post(two.forms[0].action, {"token": token, "decision": "allow"})
        assert page.status == 403
    assert rig.flows.kept == {}


async def test_consent_to_what_was_not_shown_is_refused() -> None:
    rig = Rig()
    browser = rig.browser()
    question = await browser.open(rig.link(), "alice")
    rig.authorizer.scopes = ("tickets.write", "admin")
    assert (await browser.choose(question, "allow")).status == 403
    rig.authorizer.scopes, rig.authorizer.server = ("tickets.write",), "evil.test"
    assert (await browser.choose(question, "allow")).status == 403
    assert rig.flows.kept == {}


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", ""])
async def test_a_form_from_another_site_is_refused(site: str) -> None:
    rig = Rig()
    browser = rig.browser()
    form = (await browser.open(rig.link(), "alice")).forms[0]
    page = await browser.post(form.action, {**form.values, "decision": "allow"}, site=site)
    assert page.status == 403 and rig.flows.kept == {}


async def test_a_browser_that_does_not_say_where_a_form_is_from_is_judged_by_token_and_origin() -> None:
    rig = Rig()
    browser = rig.browser()
    form = (await browser.open(rig.link(), "alice")).forms[0]
    values = {**form.values, "decision": "allow"}
    assert (await browser.post(form.action, values, site=None, origin="null")).status == 403
    assert (await browser.post(form.action, values, site=None)).status == 200


@pytest.mark.parametrize("decision", ["", "yes", "Allow"])
async def test_an_answer_that_is_no_answer_is_refused(decision: str) -> None:
    rig = Rig()
    _, page = await forged(rig, decision=decision)
    assert page.status == 400 and rig.flows.kept == {}


async def test_what_is_no_form_is_refused() -> None:
    rig = Rig()
    browser = rig.browser()
    action = (await browser.open(rig.link(), "alice")).forms[0].action
    assert (await browser.post(action, {"token": "x"}, content_type="application/json")).status == 400
    assert (await browser.post(action, {"token": "x" * 40_000})).status == 413
    assert (await browser.post(action, {f"f{index}": "" for index in range(100)})).status == 400


# ---------------------------------------------------------------------- links


async def test_a_link_works_for_ten_minutes() -> None:
    rig = Rig()
    link = rig.link()
    rig.now += 599
    assert (await rig.browser().get(link)).status == 303
    rig.now += 2
    page = await rig.browser().get(link)
    assert page.status == 410 and page.title == "This link has expired"


@pytest.mark.parametrize("rest", ["x", "A" * 200, "%2e%2e", "a/b", "ü"])
async def test_a_made_up_link_is_no_link(rest: str) -> None:
    page = await Rig().browser().get(f"{BASE}/connect/{rest}")
    assert page.status == 404


async def test_an_upstream_that_is_gone_has_nothing_to_connect() -> None:
    rig = Rig()
    browser = rig.browser()
    onward = await browser.choose(await browser.open(rig.link(), "alice"), "allow")
    rig.targets.swap({})
    assert (await browser.come_back(onward, code="c")).status == 404
    assert (await browser.get(rig.link())).status == 404


async def test_an_issuer_without_sign_in_is_named_as_the_reason() -> None:
    rig = Rig()
    page = await rig.browser().get(rig.link(Principal(id="other|eve", subject="eve")))
    assert page.status == 404 and page.title == "No sign-in here"


async def test_a_virtual_account_is_connected_by_its_owner_only() -> None:
    rig = Rig()
    program = Principal(id="virtual_account:nightly", subject="nightly", kind="virtual_account", owner="corp|alice")
    assert (await rig.browser().open(rig.link(program), "bob")).status == 403
    browser = rig.browser()
    onward = await browser.choose(await browser.open(rig.link(program), "alice"), "allow")
    await browser.come_back(onward, code="c")
    assert set(rig.vault.rows) == {GrantKey("virtual_account:nightly", "tickets")}


# ---------------------------------------------------------------------- what others do wrong


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)//", "http://evil.test/a", "file:///etc/passwd", "-oProxyCommand=x", "https://a@evil.test/",
     "https://evil.test/\r\nset-cookie: a=b", "https://evil.test/$(id)<>\"", "https://evil.test/#f", "//evil.test/a"],
)  # fmt: skip
async def test_an_address_that_is_none_is_not_sent_to(url: str) -> None:
    rig = Rig()
    rig.authorizer.url = url
    browser = rig.browser()
    page = await browser.choose(await browser.open(rig.link(), "alice"), "allow")
    if page.status == 200:  # odd and harmless: https, and escaped
        assert page.refresh.startswith('https://evil.test/$(id)<>"')
    else:
        assert page.status == 400 and "evil" not in page.body and page.refresh == ""
        assert rig.flows.kept == {}


@pytest.mark.parametrize(
    ("failure", "status", "words"),
    [
        (AuthorizationFailed("the server does not support PKCE"), 400, "does not support PKCE."),
        (Unreachable("the address is not one that is called", sent=False), 502, "is not one that is called."),
        (Rejected(1, "canary"), 502, "did not answer as it should"),
        (IdentityUnavailable("canary"), 503, "cannot be reached"),
        (RuntimeError("canary"), 500, "a fault of the gateway"),
    ],
)
async def test_what_fails_becomes_a_page_with_the_request_id(failure: Exception, status: int, words: str) -> None:
    rig = Rig()
    rig.authorizer.failure = failure
    page = await rig.browser().open(rig.link(), "alice")
    assert page.status == status and "r-1" in page.text and words in page.text
    assert "canary" not in page.body
    assert (status == 500) == (rig.defects == [failure])


async def test_declining_at_the_authorization_server_is_told_in_our_words() -> None:
    rig = Rig()
    browser = rig.browser()
    onward = await browser.choose(await browser.open(rig.link(), "alice"), "allow")
    page = await browser.come_back(onward, error="access_denied", error_description="<b>Call 0900-SCAM</b>")
    assert page.status == 400 and "SCAM" not in page.body
    assert rig.vault.rows == {}


async def test_a_vault_that_is_down_is_a_moment_to_wait() -> None:
    rig = Rig()
    browser = rig.browser()
    onward = await browser.choose(await browser.open(rig.link(), "alice"), "allow")
    rig.vault.down = True
    page = await browser.come_back(onward, code="c")
    assert page.status == 503 and page.headers["retry-after"] == "5"


async def test_no_secret_is_in_the_log() -> None:
    rig = Rig()
    browser = rig.browser()
    onward = await browser.choose(await browser.open(rig.link(), "alice"), "allow")
    await browser.come_back(onward, code="c-canary")
    told = repr(rig.log.events)
    assert "consent given" in told and "connection stored" in told
    for secret in ("c-canary", "token for", "verifier", state_of(onward), *browser.cookies.values()):
        assert secret not in told
