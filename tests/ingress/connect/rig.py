"""The connect pages with scripted neighbours, and a browser that keeps cookies, reads forms and runs no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from mcp_gateway.core.asgi.types import REQUEST_ID
from mcp_gateway.core.errors import IdentityUnavailable
from mcp_gateway.core.live import Live
from mcp_gateway.core.principal import ANONYMOUS, Principal
from mcp_gateway.core.seal import Sealer
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.authorizing import AuthorizationFailed
from mcp_gateway.envelopes.identity.connections import Connections
from mcp_gateway.envelopes.identity.login import Person, SignInFailed
from mcp_gateway.envelopes.identity.stores import Grant, GrantKey, Tokens
from mcp_gateway.envelopes.identity.tickets import Tickets
from mcp_gateway.envelopes.observability.lines import MemoryLines
from mcp_gateway.envelopes.observability.metrics.measures import Measures
from mcp_gateway.envelopes.observability.refusals import Refusals
from mcp_gateway.ingress.connect.app import ConnectApp
from mcp_gateway.ingress.connect.targets import AccountTarget, HeadersTarget, Target
from tests.envelopes.identity.memory import MemoryFlows, MemoryVault
from tests.ingress.asgi import Exchange, scope

BASE = "https://gw.test"
KEYS = (b"k" * 32,)
ALICE = Principal(id="corp|alice", subject="alice", client_id="agent-7")
BOB = Principal(id="corp|bob", subject="bob")
IDP = "https://login.test"
AS = "https://auth.tickets.test"


@dataclass(frozen=True)
class Remembered:
    """A `Pending` of the scripted login."""

    nonce: str

    def dump(self) -> dict[str, str]:
        return {"nonce": self.nonce}


class ScriptedLogin:
    """Whoever comes back with the code `code-NAME` is NAME. Implements what the pages use of `login.Login`."""

    def __init__(self, name: str = "corp") -> None:
        self.name = name
        self.again: list[bool] = []
        self.down = False

    async def begin(self, state: str, *, again: bool = False) -> tuple[str, Remembered]:
        if self.down:
            raise IdentityUnavailable("the identity provider cannot be reached")
        self.again.append(again)
        return f"{IDP}/authorize?{urlencode({'state': state})}", Remembered(f"nonce of {state}")

    async def complete(self, params: Mapping[str, str], pending: Mapping[str, str]) -> Person:
        assert pending == {"nonce": f"nonce of {params['state']}"}
        if "code" not in params:
            raise SignInFailed("the sign-in was cancelled")
        name = params["code"].removeprefix("code-")
        return Person(f"{self.name}|{name}", f"{name}@example.com")


@dataclass(frozen=True)
class Facts:
    """Implements `Described`."""

    server: str
    issuer: str
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Start:
    """Implements `Begun`."""

    url: str
    pending: bytes


@dataclass
class ScriptedAuthorizer:
    """Implements `authorizing.Authorizer`; `url` and `failure` change what it does."""

    url: str = f"{AS}/authorize"
    server: str = "auth.tickets.test"
    scopes: tuple[str, ...] = ("tickets.write",)
    failure: Exception | None = None
    completed: list[dict[str, str]] = field(default_factory=list)

    async def describe(self, scopes: Sequence[str]) -> Facts:
        if self.failure is not None:
            raise self.failure
        return Facts(self.server, AS, tuple(scopes) or self.scopes)

    async def begin(self, *, state: str, redirect_uri: str, scopes: Sequence[str]) -> Start:
        assert redirect_uri.endswith("/connect/callback")
        return Start(f"{self.url}?{urlencode({'state': state})}", f"verifier of {state}".encode())

    async def complete(self, pending: bytes, params: Mapping[str, str], *, key: GrantKey, agent: str) -> Grant:
        assert pending == f"verifier of {params['state']}".encode()
        if "error" in params:
            raise AuthorizationFailed("access was declined at the authorization server")
        self.completed.append(dict(params))
        tokens = Tokens(access_token=Secret(f"token for {params['code']}"), scopes=self.scopes)
        return Grant(key=key, kind="oauth", tokens=tokens, issuer=AS, agent=agent)


class Lines:
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, /, **facts: object) -> None:
        self.events.append((event, facts))

    warning = info


class Rig:
    """The app and all that it stands on."""

    def __init__(
        self,
        *,
        base_url: str = BASE,
        anonymous: bool = False,
        issuers: Sequence[str] = ("corp",),
        beside: Rig | None = None,
    ) -> None:
        """`beside` is another replica: of the same keys, over the same stores."""
        self.base_url = base_url
        self.now = 1_000_000.0
        self.vault: MemoryVault = beside.vault if beside is not None else MemoryVault()
        self.flows: MemoryFlows = beside.flows if beside is not None else MemoryFlows()
        self.log = Lines()
        self.revoked: list[Grant] = []
        self.forgotten: list[tuple[str, str]] = []
        self.defects: list[Exception] = []
        self.login = ScriptedLogin()
        self.authorizer = ScriptedAuthorizer()
        self.logins: Live[Mapping[str, Any]] = Live(dict.fromkeys(issuers, self.login))
        self.targets: Live[Mapping[str, Target]] = Live(
            {
                "tickets": AccountTarget(self.authorizer),
                "maps": HeadersTarget("https://maps.test/mcp", ("X-Api-Key", "X-Team")),
            }
        )
        self.connections = Connections(
            self.vault,
            forget=lambda principal, upstream: self.forgotten.append((principal, upstream)),
            revoke=self._revoke,
            log=self.log,
        )
        self.tickets = Tickets(
            Sealer(KEYS, "connect"),
            base_url,
            login=lambda: self.logins.current,
            anonymous=anonymous,
            clock=lambda: self.now,
        )
        self.lines, self.measures = MemoryLines(), Measures()
        self.app = ConnectApp(
            base_url=base_url,
            keys=KEYS,
            tickets=self.tickets,
            targets=self.targets,
            logins=self.logins,
            flows=self.flows,
            connections=self.connections,
            anonymous=anonymous,
            log=self.log,
            report=lambda request_id, error: self.defects.append(error),
            refused=Refusals(self.lines, self.measures),
            client_document={"client_id": f"{base_url}/connect/client.json"},
        )

    async def _revoke(self, grant: Grant) -> None:
        self.revoked.append(grant)

    def link(self, principal: Principal = ALICE, upstream: str = "tickets", **facts: Any) -> str:
        return self.tickets.link(principal, upstream=upstream, server="desk", agent="Desk Helper", **facts)

    def anonymous_link(self, upstream: str = "tickets") -> str:
        return self.link(ANONYMOUS, upstream)

    def browser(self, peer: str = "127.0.0.1") -> Browser:
        return Browser(self, peer)


@dataclass
class Form:
    """A form as it stands in a page."""

    action: str
    method: str = "get"
    values: dict[str, str] = field(default_factory=dict)
    inputs: list[dict[str, str | None]] = field(default_factory=list)
    buttons: list[dict[str, str | None]] = field(default_factory=list)


class Page(HTMLParser):
    """What there is in a page. Refuses scripts and handlers by existing: a test asks for `active`."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__()
        self.status = status
        self.headers = headers
        self.body = body.decode()
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self.active: list[str] = []
        self.tags: list[str] = []
        self.labels: dict[str, str] = {}
        self.refresh = ""
        self.lang: str | None = None
        self.texts: dict[str, list[str]] = {}
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(self.body)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.active += [tag] if tag in ("script", "iframe", "object", "embed", "base", "style") else []
        self.active += [name for name in given if name.startswith("on") or name == "style"]
        if tag == "html":
            self.lang = given.get("lang")
        elif tag == "form":
            self.forms.append(Form(str(given["action"]), str(given["method"])))
        elif tag == "input":
            self.forms[-1].inputs.append(given)
            self.forms[-1].values[str(given["name"])] = given.get("value") or ""
        elif tag == "button":
            self.forms[-1].buttons.append(given)
        elif tag == "meta" and given.get("http-equiv") == "refresh":
            self.refresh = str(given["content"]).partition("url=")[2]
        if tag not in ("input", "meta", "link"):
            self._open.append((tag, given))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag, "elements are not nested as they should be"

    def handle_data(self, data: str) -> None:
        if not self._open:
            return
        tag, given = self._open[-1]
        self.texts.setdefault(tag, []).append(data)
        if tag == "a":
            self.links[data] = str(given["href"])
        elif tag == "label":
            self.labels[str(given["for"])] = data

    @property
    def title(self) -> str:
        return "".join(self.texts["h1"])

    @property
    def text(self) -> str:
        return " ".join("".join(texts) for tag, texts in self.texts.items() if tag != "title")


class Browser:
    """Cookies and history of one browser. `site` is what it says in Sec-Fetch-Site, None for one that does not."""

    def __init__(self, rig: Rig, peer: str) -> None:
        self.rig = rig
        self._peer = peer
        self.cookies: dict[str, str] = {}
        self.set: list[str] = []

    async def get(self, url: str, *, site: str | None = "none") -> Page:
        return await self._request("GET", url, [], site=site)

    async def post(self, url: str, form: Mapping[str, str], *, site: str | None = "same-origin", **more: str) -> Page:
        """`more` are further header fields, with underscores for hyphens; they come first."""
        headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]
        if "content_type" not in more:
            headers.append((b"content-type", b"application/x-www-form-urlencoded"))
        return await self._request("POST", url, headers, urlencode(form).encode(), site=site)

    async def _request(
        self, method: str, url: str, headers: list[tuple[bytes, bytes]], body: bytes = b"", *, site: str | None
    ) -> Page:
        parts = urlsplit(url)
        if self.cookies:
            headers.append((b"cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()).encode()))
        if site is not None:
            headers.append((b"sec-fetch-site", site.encode()))
        asgi = scope(method, parts.path, headers, (self._peer, 5))
        asgi["query_string"] = parts.query.encode()
        asgi[REQUEST_ID] = "r-1"
        exchange = await Exchange(self.rig.app, asgi, [body]).done()
        for name, value in exchange.headers:
            if name == b"set-cookie":
                self._take(value.decode())
        found = {name.decode(): value.decode() for name, value in exchange.headers if name != b"set-cookie"}
        return Page(exchange.status, found, exchange.body)

    def _take(self, cookie: str) -> None:
        self.set.append(cookie)
        pair, *attributes = cookie.split("; ")
        name, _, value = pair.partition("=")
        if "Max-Age=0" in attributes:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value

    # ------------------------------------------------------------------ what people do

    async def sign_in(self, at: Page, name: str) -> Page:
        """From the redirect to the identity provider, signed in as `name`, to where that leads."""
        assert at.status == 303 and at.headers["location"].startswith(IDP), (at.status, at.title)
        back = await self.get(f"{BASE}/connect/signed-in?{urlencode({'state': state_of(at), 'code': f'code-{name}'})}")
        return await self.get(back.headers["location"]) if back.status == 303 else back

    async def open(self, link: str, name: str) -> Page:
        """Open a link, signing in as `name` on the way."""
        return await self.sign_in(await self.get(link), name)

    async def choose(self, page: Page, decision: str, **typed: str) -> Page:
        """Press a button of a page's form after typing."""
        form = page.forms[0]
        return await self.post(form.action, {**form.values, **typed, "decision": decision})

    async def come_back(self, onward: Page, **params: str) -> Page:
        """From the authorization server, with a code unless told otherwise."""
        return await self.get(f"{BASE}/connect/callback?{urlencode({'state': state_of(onward), **params})}")


def state_of(page: Page) -> str:
    """The `state` in the address to which a page sends the browser."""
    return dict(parse_qsl(urlsplit(page.refresh or page.headers["location"]).query))["state"]
