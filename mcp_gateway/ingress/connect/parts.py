"""What the steps of the pages are made of, and how a step says that it does not go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mcp_gateway.core.live import Live
from mcp_gateway.core.principal import ANONYMOUS
from mcp_gateway.envelopes.identity.connections import Connections, Log
from mcp_gateway.envelopes.identity.login import Login
from mcp_gateway.envelopes.identity.stores import Flows
from mcp_gateway.envelopes.identity.tickets import Tickets
from mcp_gateway.ingress.connect.browser import Browser, Session
from mcp_gateway.ingress.connect.http import Answer, Request
from mcp_gateway.ingress.connect.pages import Pages
from mcp_gateway.ingress.connect.targets import Target

FLOW_SECONDS = 600
"""How long a person may be away at an identity provider or an authorization server."""


Reason = Literal[
    "body_too_large",
    "internal_error",
    "invalid_request",
    "link_expired",
    "link_of_another",
    "link_unknown",
    "method_not_allowed",
    "not_found",
    "not_on_loopback",
    "nothing_to_connect",
    "other_browser",
    "page_out_of_date",
    "sign_in_failed",
    "sign_in_unknown",
    "step_over",
    "unknown_connection",
]
"""Why a page does not go on, for machines: nobody outside adds a word to it."""


class Refused(Exception):
    """A page that says why it does not go on: HTTP status, reason, title, text, links (text, address) to go on by."""

    def __init__(self, status: int, reason: Reason, title: str, words: str, *links: tuple[str, str]) -> None:
        super().__init__(title)
        self.status = status
        self.reason = reason
        self.title = title
        self.words = words
        self.links = links


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Shared by all steps. `base_url` is the public one; `anonymous` whether callers on loopback need no sign-in."""

    base_url: str
    pages: Pages
    browser: Browser
    tickets: Tickets
    targets: Live[Mapping[str, Target]]
    logins: Live[Mapping[str, Login]]
    flows: Flows
    connections: Connections
    anonymous: bool
    log: Log

    def nobody(self, request: Request) -> Session:
        """The session of a person who needs no sign-in: on loopback, of a gateway that serves anonymous callers."""
        if not self.anonymous or not request.loopback:
            words = "This page opens on the machine of the gateway only."
            raise Refused(403, "not_on_loopback", "Not from here", words)
        session = self.browser.session(request.cookies)
        return self.browser.begin(ANONYMOUS.id, "", session)

    def begun(self, request: Request, session: Session, answer: Answer) -> Answer:
        """`answer` with the cookie of a session that begins with it. Looking at a page makes no session longer."""
        if self.browser.session(request.cookies) == session:
            return answer
        return answer.plus(self.browser.keep(session))


def same_site(request: Request) -> None:
    """A form comes from our own page. Browsers say so (Fetch Metadata, Origin); otherwise its token decides."""
    if request.site not in (None, "same-origin") or (request.site is None and request.nowhere):
        raise out_of_date()


def out_of_date() -> Refused:
    words = "It was opened in another browser, or too long ago. Open the link once more."
    return Refused(403, "page_out_of_date", "This page is out of date", words)
