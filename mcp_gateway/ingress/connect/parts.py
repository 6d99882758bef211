"""What the steps of the pages are made of, and how a step says that it does not go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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


class Refused(Exception):
    """A page that says why it does not go on: HTTP status, title, text, and links (text, address) to go on by."""

    def __init__(self, status: int, title: str, words: str, *links: tuple[str, str]) -> None:
        super().__init__(title)
        self.status = status
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
            raise Refused(403, "Not from here", "This page opens on the machine of the gateway only.")
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
    return Refused(
        403, "This page is out of date", "It was opened in another browser, or too long ago. Open the link once more."
    )
