"""Consent to one connection: the question, the way to the authorization server, and the way back from it."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import orjson

from mcp_gateway.core.principal import ANONYMOUS
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.authorizing import AuthorizationFailed
from mcp_gateway.envelopes.identity.login import may_be_sent_to
from mcp_gateway.envelopes.identity.stores import Grant, Tokens
from mcp_gateway.envelopes.identity.tickets import BadTicket, ExpiredTicket, Ticket
from mcp_gateway.ingress.connect.browser import Session
from mcp_gateway.ingress.connect.http import Answer, BadForm, Request
from mcp_gateway.ingress.connect.pages import Asked
from mcp_gateway.ingress.connect.parts import FLOW_SECONDS, Parts, Reason, Refused, out_of_date, same_site
from mcp_gateway.ingress.connect.signing_in import SigningIn
from mcp_gateway.ingress.connect.targets import AccountTarget, HeadersTarget, Target

KIND: Final = "consent"
_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,4094}[\x21-\x7e])?")
"""A header field value without the bytes that readers disagree about (RFC 9110 §5.5)."""


class Consent:
    """The pages of one ticket, and the callback. Nobody but the ticket's person gets to see what it asks for."""

    __slots__ = ("_parts", "_root", "_signing_in")

    def __init__(self, parts: Parts, root: str, signing_in: SigningIn) -> None:
        self._parts = parts
        self._root = root
        self._signing_in = signing_in

    async def show(self, request: Request) -> Answer:
        """GET: the question, or first the sign-in."""
        ticket, target = self._read(request.rest)
        if request.query.get("sign-in") == "again" and ticket.issuer:
            return await self._signing_in.begin(ticket.issuer, request.rest, again=True)
        session = self._session(request, ticket)
        if session is None:
            return await self._signing_in.begin(ticket.issuer, request.rest)
        self._check_person(session, ticket, request)
        asked = await self._asked(ticket, target)
        return self._parts.begun(request, session, self._question(200, request.rest, asked, target, session))

    async def decide(self, request: Request) -> Answer:
        """POST: what the person decided."""
        same_site(request)
        ticket, target = self._read(request.rest)
        session = self._parts.browser.session(request.cookies)
        if session is None:
            raise out_of_date()
        if not ticket.issuer:
            self._parts.nobody(request)
        self._check_person(session, ticket, request)
        form = await request.form()
        asked = await self._asked(ticket, target)
        if not self._parts.browser.is_form_token(form.get("token", ""), session, asked.text):
            raise out_of_date()
        match form.get("decision"):
            case "allow" if isinstance(target, AccountTarget):
                answer = await self._go(request, target, asked, session)
            case "allow" if isinstance(target, HeadersTarget):
                answer = await self._save(request, target, asked, session, form)
            case "decline":
                told = {"principal": ticket.principal, "upstream": ticket.upstream, "request_id": request.id}
                self._parts.log.info("consent declined", **told)
                return Answer(200, self._parts.pages.declined(ticket.upstream))
            case _:
                raise BadForm
        return answer.plus(self._parts.browser.keep(session))

    async def finish(self, request: Request) -> Answer:
        """GET of the callback: the code is redeemed for the person who consented, in the browser where they did."""
        state = request.query.get("state", "")
        raw = await self._parts.flows.take(state) if state else None
        flow = orjson.loads(raw) if raw is not None else {}
        if flow.get("kind") != KIND:
            words = "This step was finished before, or took too long. Open the link once more."
            raise Refused(400, "step_over", "Nothing to finish", words)
        ticket = Ticket.load(base64.b64decode(flow["ticket"]))
        session = self._parts.browser.session(request.cookies)
        if session is None or session.digest != flow["browser"] or session.person != ticket.person:
            self._parts.log.warning("consent of another browser", upstream=ticket.upstream, request_id=request.id)
            raise _for_somebody_else("other_browser")
        if not ticket.issuer:
            self._parts.nobody(request)
        target = self._parts.targets.current.get(ticket.upstream)
        if not isinstance(target, AccountTarget):
            raise _gone()
        grant = await target.authorizer.complete(
            base64.b64decode(flow["pending"]), request.query, key=ticket.key, agent=ticket.agent or ticket.client_id
        )
        await self._parts.connections.store(grant)
        return Answer(200, self._parts.pages.connected(ticket.upstream))

    # ------------------------------------------------------------------ checks

    def _read(self, token: str) -> tuple[Ticket, Target]:
        try:
            ticket = self._parts.tickets.read(token)
        except ExpiredTicket:
            words = "Links work for ten minutes. Ask your agent again to get a new one."
            raise Refused(410, "link_expired", "This link has expired", words) from None
        except BadTicket:
            words = "Check that the whole address was copied."
            raise Refused(404, "link_unknown", "This is not a link of ours", words) from None
        target = self._parts.targets.current.get(ticket.upstream)
        if target is None:
            raise _gone()
        return ticket, target

    def _session(self, request: Request, ticket: Ticket) -> Session | None:
        if ticket.person == ANONYMOUS.id:
            return self._parts.nobody(request)
        session = self._parts.browser.session(request.cookies)
        return None if session is not None and session.person == ANONYMOUS.id else session

    def _check_person(self, session: Session, ticket: Ticket, request: Request) -> None:
        if session.person != ticket.person:
            told = {"principal": session.person, "upstream": ticket.upstream, "request_id": request.id}
            self._parts.log.warning("link of another person", **told)
            again = ("Sign in as somebody else", f"{self._root}/{request.rest}?sign-in=again")
            raise _for_somebody_else("link_of_another", *([again] if ticket.issuer else []))

    async def _asked(self, ticket: Ticket, target: Target) -> Asked:
        if isinstance(target, HeadersTarget):
            return Asked(ticket, urlsplit(target.url).netloc, None)
        described = await target.authorizer.describe(ticket.scopes)
        return Asked(ticket, described.server, tuple(described.scopes))

    # ------------------------------------------------------------------ steps

    def _question(
        self, status: int, path: str, asked: Asked, target: Target, session: Session, *, problem: str = ""
    ) -> Answer:
        pages, shown, action = self._parts.pages, session.shown, f"{self._root}/{path}"
        token = self._parts.browser.form_token(session, asked.text)
        if isinstance(target, AccountTarget):
            return Answer(status, pages.consent(asked, shown=shown, action=action, token=token))
        body = pages.fields(asked, target.names, shown=shown, action=action, token=token, problem=problem)
        return Answer(status, body)

    async def _go(self, request: Request, target: AccountTarget, asked: Asked, session: Session) -> Answer:
        state = secrets.token_urlsafe(32)
        begun = await target.authorizer.begin(
            state=state, redirect_uri=f"{self._parts.base_url}/connect/callback", scopes=asked.ticket.scopes
        )
        if not may_be_sent_to(begun.url):
            raise AuthorizationFailed("the address of the authorization server is not one to send people to")
        payload = {
            "kind": KIND,
            "browser": session.digest,
            "ticket": base64.b64encode(asked.ticket.dump()).decode(),
            "pending": base64.b64encode(begun.pending).decode(),
        }
        await self._parts.flows.put(state, orjson.dumps(payload), seconds=FLOW_SECONDS)
        self._parts.log.info(
            "consent given",
            principal=asked.ticket.principal,
            upstream=asked.ticket.upstream,
            scopes=list(asked.scopes or ()),
            client_id=asked.ticket.client_id,
            request_id=request.id,
        )
        return Answer(200, self._parts.pages.onward(begun.url, asked.server))

    async def _save(
        self, request: Request, target: HeadersTarget, asked: Asked, session: Session, form: Mapping[str, str]
    ) -> Answer:
        values = [form.get(f"value-{index}", "").strip() for index in range(len(target.names))]
        if not all(_VALUE.fullmatch(value) for value in values):
            problem = "Every field needs a value: one line of plain letters, digits and signs."
            return self._question(422, request.rest, asked, target, session, problem=problem)
        headers = {name.lower(): Secret(value) for name, value in zip(target.names, values, strict=True)}
        ticket = asked.ticket
        grant = Grant(
            key=ticket.key,
            kind="header",
            tokens=Tokens(headers=headers),
            resource=target.url,
            agent=ticket.agent or ticket.client_id,
        )
        await self._parts.connections.store(grant)
        return Answer(200, self._parts.pages.connected(ticket.upstream))


def _for_somebody_else(reason: Reason, *links: tuple[str, str]) -> Refused:
    return Refused(
        403,
        reason,
        "This link was made for somebody else",
        "Only the person who asked the agent can connect an account with it. If somebody sent you this link, do not "
        "go on: they would get to use your account.",
        *links,
    )


def _gone() -> Refused:
    words = "This upstream does not take accounts of people here any more."
    return Refused(404, "nothing_to_connect", "Nothing to connect", words)
