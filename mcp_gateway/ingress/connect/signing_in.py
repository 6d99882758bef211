"""Signing in: from a page that needs a person, to the issuer, and back to that page."""

from __future__ import annotations

import secrets

import orjson

from mcp_gateway.envelopes.identity.login import SignInFailed, may_be_sent_to
from mcp_gateway.ingress.connect.http import Answer, Request, redirect
from mcp_gateway.ingress.connect.parts import FLOW_SECONDS, Parts, Refused

KIND = "sign-in"


class SigningIn:
    """Begins and ends sign-ins. The state is taken once, within ten minutes, in the browser in which it was made."""

    __slots__ = ("_parts", "_root")

    def __init__(self, parts: Parts, root: str) -> None:
        self._parts = parts
        self._root = root

    async def begin(self, issuer: str, back: str, *, again: bool = False) -> Answer:
        """Send the browser to `issuer` (its name); `back` is the path below `/connect/` to return to."""
        login = self._parts.logins.current.get(issuer)
        if login is None:
            raise _nowhere()
        state = secrets.token_urlsafe(32)
        url, pending = await login.begin(state, again=again)
        if not may_be_sent_to(url):
            raise SignInFailed("the identity provider's address is not one to send people to")
        cookie, remembered = self._parts.browser.begin_flow(state)
        payload = {"kind": KIND, "issuer": issuer, "browser": remembered, "back": back, "pending": pending.dump()}
        await self._parts.flows.put(state, orjson.dumps(payload), seconds=FLOW_SECONDS)
        return redirect(url).plus(cookie)

    async def end(self, request: Request) -> Answer:
        """The way back from the issuer: the session begins, and the browser goes on where it wanted to."""
        state = request.query.get("state", "")
        raw = await self._parts.flows.take(state) if state else None
        flow = orjson.loads(raw) if raw is not None else {}
        if flow.get("kind") != KIND:
            raise Refused(400, "step_over", "Sign in again", "This sign-in was finished before, or took too long.")
        if not self._parts.browser.began_flow(request.cookies, state, flow["browser"]):
            raise Refused(
                403,
                "other_browser",
                "Sign in again",
                "This sign-in was begun in another browser, or your browser does not accept cookies from this page.",
            )
        login = self._parts.logins.current.get(flow["issuer"])
        if login is None:
            raise _nowhere()
        browser = self._parts.browser
        try:
            person = await login.complete(request.query, flow["pending"])
        except SignInFailed as error:
            self._parts.log.warning("sign-in failed", issuer=flow["issuer"], why=error.message, request_id=request.id)
            back = f"{self._root}/{flow['back']}"
            words = f"It did not work: {error.message}."
            raise Refused(403, "sign_in_failed", "You are not signed in", words, ("Try again", back)) from None
        session = browser.begin(person.id, person.shown, browser.session(request.cookies))
        self._parts.log.info("signed in", principal=person.id, request_id=request.id)
        return redirect(f"{self._root}/{flow['back']}").plus(browser.keep(session), browser.end_flow(state))


def _nowhere() -> Refused:
    words = "People of this issuer cannot sign in: ask your administrator."
    return Refused(404, "sign_in_unknown", "No sign-in here", words)
