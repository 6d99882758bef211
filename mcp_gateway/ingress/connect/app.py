"""The ASGI app of everything below `/connect/`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from mcp_gateway.core import strictjson
from mcp_gateway.core.asgi.body import BodyTooLarge, ClientDisconnected
from mcp_gateway.core.asgi.types import REQUEST_ID, Receive, Scope, Send
from mcp_gateway.core.errors import GatewayError, IdentityUnavailable, Rejected, UpstreamError
from mcp_gateway.core.live import Live
from mcp_gateway.envelopes.identity.connections import Connections, Log
from mcp_gateway.envelopes.identity.login import Login
from mcp_gateway.envelopes.identity.stores import Flows
from mcp_gateway.envelopes.identity.tickets import Tickets
from mcp_gateway.envelopes.observability.refusals import CONNECT, Refusals
from mcp_gateway.ingress.connect.browser import Browser
from mcp_gateway.ingress.connect.consent import Consent
from mcp_gateway.ingress.connect.http import Answer, BadForm, Request
from mcp_gateway.ingress.connect.mine import Mine
from mcp_gateway.ingress.connect.pages import Pages
from mcp_gateway.ingress.connect.parts import Parts, Reason, Refused
from mcp_gateway.ingress.connect.signing_in import SigningIn
from mcp_gateway.ingress.connect.style import STYLE
from mcp_gateway.ingress.connect.targets import Target
from mcp_gateway.ingress.exchange import Report

_PREFIX: Final = "/connect"
_LONGEST_REST: Final = 8192
_Step = Callable[[Request], Awaitable[Answer]]


class ConnectApp:
    """Routes, and turns whatever goes wrong into a page with the id of the request, which the data plane gave it.

    `targets` and `logins` are by upstream and by issuer name and may change while the app runs. `client_document`
    is the gateway's OAuth client metadata (CIMD), served where the gateway has an https address. `refused` is told of
    every page that says no.
    """

    def __init__(
        self,
        *,
        base_url: str,
        keys: Sequence[bytes],
        tickets: Tickets,
        targets: Live[Mapping[str, Target]],
        logins: Live[Mapping[str, Login]],
        flows: Flows,
        connections: Connections,
        anonymous: bool,
        log: Log,
        report: Report,
        refused: Refusals,
        client_document: Mapping[str, object] | None = None,
    ) -> None:
        address = urlsplit(base_url)
        root = address.path.rstrip("/") + _PREFIX
        self._pages = Pages(root)
        parts = Parts(
            base_url=base_url,
            pages=self._pages,
            browser=Browser(keys, secure=address.scheme == "https"),
            tickets=tickets,
            targets=targets,
            logins=logins,
            flows=flows,
            connections=connections,
            anonymous=anonymous,
            log=log,
        )
        signing_in = SigningIn(parts, root)
        consent, mine = Consent(parts, root, signing_in), Mine(parts, root, signing_in)
        self._log = log
        self._report = report
        self._refused = refused
        self._browser = parts.browser
        self._document = None if client_document is None else strictjson.dumps(dict(client_document))
        self._routes: Mapping[str, Mapping[str, _Step]] = {
            "": {"GET": mine.show, "POST": mine.disconnect},
            "style.css": {"GET": self._style},
            "client.json": {"GET": self._client},
            "signed-in": {"GET": signing_in.end},
            "callback": {"GET": consent.finish},
        }
        self._ticket: Mapping[str, _Step] = {"GET": consent.show, "POST": consent.decide}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            answer = await self._answer(scope, receive)
        except ClientDisconnected:
            return
        await answer.send(send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        identifier: str = scope.get(REQUEST_ID, "")
        request: Request | None = None
        try:
            rest = scope["path"].removeprefix(_PREFIX).removeprefix("/")
            request = Request.read(scope, receive, id=identifier, rest=rest)
            if "/" in rest or len(rest) > _LONGEST_REST:
                raise Refused(404, "not_found", "There is no such page", "Check that the whole address was copied.")
            steps = self._routes.get(rest, self._ticket)
            step = steps.get(request.method)
            if step is not None:
                return await step(request)
            why: GatewayError | Reason = "method_not_allowed"
            allow = (b"allow", ", ".join(steps).encode())
            answer = self._problem(405, "Not like that", "This page is opened by a link.", identifier).plus(allow)
        except ClientDisconnected:
            raise
        except Exception as error:
            why, answer = self._failed(error, identifier)
        session = None if request is None else self._browser.session(request.cookies)
        who = None if session is None else session.person
        self._refused(CONNECT, scope, identifier, why, answer.status, principal=who)
        return answer

    def _failed(self, error: Exception, identifier: str) -> tuple[GatewayError | Reason, Answer]:
        """Why a page does not go on, for the record, and what the person is told."""
        match error:
            case Refused():
                page = self._problem(error.status, error.title, error.words, identifier, *error.links)
                return error.reason, page
            case BadForm():
                words = "The request is not one of this page's."
                return "invalid_request", self._problem(400, "That did not work", words, identifier)
            case BodyTooLarge():
                page = self._problem(413, "That did not work", "What was sent is too long.", identifier)
                return "body_too_large", page
            case IdentityUnavailable():
                words = "Something that is needed for this cannot be reached. Try again in a moment."
                retry = (b"retry-after", b"%d" % max(1, round(error.retry_after)))
                self._log.warning("connect page unavailable", why=error.message, request_id=identifier)
                return error, self._problem(503, "Not possible just now", words, identifier).plus(retry)
            case Rejected():  # in the other side's words, which are not shown
                self._log.warning("connect page failed", why=error.reason, request_id=identifier)
                words = "The authorization server did not answer as it should. Try again later."
                return error, self._problem(502, "Not connected", words, identifier)
            case GatewayError():
                self._log.warning("connect page failed", why=error.message, request_id=identifier)
                status = 502 if isinstance(error, UpstreamError) else 400
                words = f"It did not work: {error.message}."
                return error, self._problem(status, "Not connected", words, identifier)
        self._report(identifier, error)
        page = self._problem(500, "Something is wrong here", "This is a fault of the gateway.", identifier)
        return "internal_error", page

    def _problem(self, status: int, title: str, words: str, identifier: str, *links: tuple[str, str]) -> Answer:
        return Answer(status, self._pages.problem(title, words, identifier, *links))

    async def _style(self, request: Request) -> Answer:
        del request
        return Answer(200, STYLE, b"text/css; charset=utf-8", ((b"cache-control", b"public, max-age=300"),))

    async def _client(self, request: Request) -> Answer:
        del request
        if self._document is None:
            raise Refused(404, "not_found", "There is no such page", "This gateway has no public address.")
        return Answer(200, self._document, b"application/json", ((b"cache-control", b"public, max-age=300"),))
