"""Each page that says no is counted and recorded once, under a word of the gateway's own, and without its ticket."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final, get_args
from urllib.parse import urlencode

import pytest

from mcp_gateway.admin.explain.story import lines, tell
from mcp_gateway.core.errors import IdentityUnavailable, Rejected, Unreachable
from mcp_gateway.envelopes.identity.authorizing import AuthorizationFailed
from mcp_gateway.ingress.connect.parts import Reason
from tests.ingress import rig as plane
from tests.ingress.asgi import scope
from tests.ingress.connect.rig import BASE, BOB, Browser, Page, Rig

CALLBACK: Final = f"{BASE}/connect/callback"
SIGNED_IN: Final = f"{BASE}/connect/signed-in"
MINE: Final = f"{BASE}/connect/"
CANARY: Final = "canary-31c7"

Step = Callable[[Rig, Browser], Awaitable[Page]]


async def expired(rig: Rig, browser: Browser) -> Page:
    link = rig.link()
    rig.now += 601
    return await browser.get(link)


async def gone(rig: Rig, browser: Browser) -> Page:
    link = rig.link()
    rig.targets.swap({})
    return await browser.get(link)


async def nobody_signs_in(rig: Rig, browser: Browser) -> Page:
    link = rig.link()
    rig.logins.swap({})
    return await browser.get(link)


async def elsewhere(rig: Rig, browser: Browser) -> Page:
    onward = await browser.choose(await browser.open(rig.link(), "alice"), "allow")
    return await rig.browser().come_back(onward, code=CANARY)


async def begun_elsewhere(rig: Rig, browser: Browser) -> Page:
    return await rig.browser().sign_in(await browser.get(rig.link()), "alice")


async def cancelled(rig: Rig, browser: Browser) -> Page:
    begun = await browser.get(rig.link())
    state = begun.headers["location"].partition("state=")[2]
    return await browser.get(f"{SIGNED_IN}?state={state}&error=access_denied&error_description={CANARY}")


async def old_form(rig: Rig, browser: Browser) -> Page:
    await browser.open(rig.link(), "alice")
    return await browser.post(rig.link(), {"token": CANARY, "decision": "allow"})


async def disconnected(rig: Rig, browser: Browser) -> Page:
    page = await browser.open(rig.link(), "alice")
    assert page.status == 200
    session = rig.app._browser.session(browser.cookies)
    assert session is not None
    token = rig.app._browser.form_token(session, "disconnect\0tickets")
    return await browser.post(MINE, {"upstream": "tickets", "token": token})


def failing(error: Exception) -> Step:
    async def step(rig: Rig, browser: Browser) -> Page:
        rig.authorizer.failure = error
        return await browser.open(rig.link(), "alice")

    return step


REFUSED: Final[tuple[tuple[str, int, str | None, Step], ...]] = (
    ("not_found", 404, None, lambda rig, browser: browser.get(f"{BASE}/connect/a/{CANARY}")),
    ("method_not_allowed", 405, None, lambda rig, browser: browser.post(CALLBACK, {"state": CANARY})),
    ("link_unknown", 404, None, lambda rig, browser: browser.get(f"{rig.link()}{CANARY}")),
    ("link_expired", 410, None, expired),
    ("link_of_another", 403, "corp|alice", lambda rig, browser: browser.open(rig.link(BOB), "alice")),
    ("nothing_to_connect", 404, None, gone),
    ("sign_in_unknown", 404, None, nobody_signs_in),
    ("other_browser", 403, None, elsewhere),
    ("other_browser", 403, None, begun_elsewhere),
    ("sign_in_failed", 403, None, cancelled),
    ("step_over", 400, None, lambda rig, browser: browser.get(f"{CALLBACK}?state={CANARY}&code={CANARY}")),
    ("step_over", 400, None, lambda rig, browser: browser.get(f"{SIGNED_IN}?{urlencode({'state': CANARY})}")),
    ("page_out_of_date", 403, "corp|alice", old_form),
    ("page_out_of_date", 403, None, lambda rig, browser: browser.post(rig.link(), {}, site="cross-site")),
    ("unknown_connection", 404, "corp|alice", disconnected),
    ("not_on_loopback", 403, None, lambda rig, browser: rig.browser("192.0.2.7").get(rig.anonymous_link())),
    ("invalid_request", 400, None, lambda rig, browser: browser.get(f"{rig.link()}?a={CANARY}&a=2")),
    ("identity_unavailable", 503, "corp|alice", failing(IdentityUnavailable(f"down: {CANARY}"))),
    ("upstream_rejected", 502, "corp|alice", failing(Rejected(-32000, CANARY))),
    ("upstream_unavailable", 502, "corp|alice", failing(Unreachable(CANARY, sent=False))),
    ("authorization_failed", 400, "corp|alice", failing(AuthorizationFailed(CANARY))),
    ("internal_error", 500, "corp|alice", failing(RuntimeError(CANARY))),
)


@pytest.mark.parametrize(("reason", "status", "principal", "step"), REFUSED)
async def test_each_leaves_one_record(reason: str, status: int, principal: str | None, step: Step) -> None:
    rig = Rig(anonymous=True)
    page = await step(rig, rig.browser())
    assert page.status == status, page.title
    (record,) = rig.lines.records
    about = tuple(record[name] for name in ("event", "plane", "reason", "status", "principal", "request_id"))
    assert about == ("refused", "connect", reason, status, principal, "r-1")
    failed = reason in ("internal_error", "upstream_rejected", "upstream_unavailable")
    assert record["outcome"] == ("failed" if failed else "refused")
    assert record["path"] in ("/connect/", "/connect/callback", "/connect/signed-in", "/connect/…")
    assert rig.measures.refusals.counts == {("connect", reason): 1}
    story = "\n".join(lines(tell("r-1", [{**record, "chain": "c", "seq": 1}])))
    assert f"{record['outcome']}: {reason} (" in story and "policies" not in story
    assert CANARY not in json.dumps(record) + story + rig.measures.text()


async def test_a_form_that_is_too_long_is_one() -> None:
    rig = Rig()
    browser = rig.browser()
    form = (await browser.open(rig.link(), "alice")).forms[0]
    assert (await browser.post(form.action, {"token": "x" * 40_000})).status == 413
    assert [(each["reason"], each["principal"]) for each in rig.lines.records] == [("body_too_large", "corp|alice")]


@pytest.mark.parametrize("decision", ["allow", "decline"])
async def test_what_goes_well_leaves_none(decision: str) -> None:
    rig = Rig()
    browser = rig.browser()
    page = await browser.choose(await browser.open(rig.link(), "alice"), decision)
    if decision == "allow":
        assert (await browser.come_back(page, code="c")).title == "Connected"
    assert (await browser.get(MINE)).status == 200 and (await browser.get(f"{BASE}/connect/style.css")).status == 200
    assert rig.lines.records == [] and rig.measures.refusals.counts == {}


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_word_is_explained(reason: str) -> None:
    record: dict[str, Any] = {"event": "refused", "plane": "connect", "outcome": "refused", "reason": reason}
    outcome = tell("r", [record]).steps[0][1]
    assert outcome.startswith(f"refused: {reason} (") and outcome.endswith(")")


def test_every_word_is_met_by_a_test() -> None:
    assert set(get_args(Reason)) <= {each[0] for each in REFUSED} | {"body_too_large"}


@pytest.mark.parametrize(
    ("status", "headers", "method"),
    [
        (421, [(b"host", b"evil.test")], "GET"),
        (403, [(b"origin", b"https://evil.test")], "POST"),
    ],
)
async def test_a_link_that_never_reaches_the_pages_is_recorded_without_its_ticket(
    status: int, headers: list[tuple[bytes, bytes]], method: str
) -> None:
    pages = Rig(base_url="http://gw.test")
    rig = plane.Rig(connect=pages.app)
    link = pages.link().removeprefix("http://gw.test")
    answer = await rig.send(scope(method, link, headers)).done()
    assert answer.status == status
    (record,) = [each for each in rig.lines.records if each["event"] == "refused"]
    assert (record["plane"], record["path"]) == ("connect", "/connect/…")


async def test_a_link_below_a_prefix_that_no_proxy_took_off_is_recorded_without_its_ticket() -> None:
    pages = Rig(base_url="http://gw.test/behind")
    rig = plane.Rig(connect=pages.app)
    answer = await rig.send(scope("GET", pages.link().removeprefix("http://gw.test"), [])).done()
    assert answer.status == 404
    (record,) = [each for each in rig.lines.records if each["event"] == "refused"]
    assert (record["plane"], record["path"]) == ("mcp", "/behind/connect/…")
