"""A person's own connections, with a button to end each."""

from __future__ import annotations

from mcp_gateway.core.principal import ANONYMOUS
from mcp_gateway.envelopes.identity.stores import GrantKey
from mcp_gateway.ingress.connect.browser import Session
from mcp_gateway.ingress.connect.http import Answer, Request, redirect
from mcp_gateway.ingress.connect.parts import Parts, Refused, out_of_date, same_site
from mcp_gateway.ingress.connect.signing_in import SigningIn


class Mine:
    """The list at `/connect/`."""

    __slots__ = ("_parts", "_root", "_signing_in")

    def __init__(self, parts: Parts, root: str, signing_in: SigningIn) -> None:
        self._parts = parts
        self._root = root
        self._signing_in = signing_in

    async def show(self, request: Request) -> Answer:
        """GET: the list, or first the sign-in."""
        session = self._parts.browser.session(request.cookies)
        if session is None:
            names = sorted(self._parts.logins.current)
            issuer = request.query.get("issuer", names[0] if len(names) == 1 else "")
            if issuer:
                return await self._signing_in.begin(issuer, "")
            if names:
                return Answer(200, self._parts.pages.issuers(names))
            session = self._parts.nobody(request)
        self._check(request, session)
        found = await self._parts.connections.list(principal=session.person)
        tokens = [self._parts.browser.form_token(session, _about(each.upstream)) for each in found]
        page = self._parts.pages.mine(list(zip(found, tokens, strict=True)), session.shown)
        return self._parts.begun(request, session, Answer(200, page))

    async def disconnect(self, request: Request) -> Answer:
        """POST: end one connection."""
        same_site(request)
        session = self._parts.browser.session(request.cookies)
        if session is None:
            raise out_of_date()
        self._check(request, session)
        form = await request.form()
        upstream = form.get("upstream", "")
        if not self._parts.browser.is_form_token(form.get("token", ""), session, _about(upstream)):
            raise out_of_date()
        if await self._parts.connections.disconnect(GrantKey(session.person, upstream)) is None:
            words = "This account is not connected any more."
            raise Refused(404, "unknown_connection", "Nothing to disconnect", words)
        return redirect(f"{self._root}/")

    def _check(self, request: Request, session: Session) -> None:
        if session.person == ANONYMOUS.id:
            self._parts.nobody(request)


def _about(upstream: str) -> str:
    return f"disconnect\0{upstream}"
