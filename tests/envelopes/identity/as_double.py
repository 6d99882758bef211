"""A strict OAuth authorization server, with a protected resource beside it, over real sockets.

Codes and refresh tokens work once; a refresh token that comes a second time ends its family. PKCE, redirect URIs,
client authentication and resource indicators are checked. `seen` records every request. Switches make it misbehave.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from tests.core.egress_double import Peer, serve

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"

Answer = tuple[int, Mapping[str, Any]]


@dataclass(frozen=True)
class Seen:
    """One request: for the token endpoint `form` holds its parameters, for others those of the query or the JSON."""

    method: str
    path: str
    headers: Mapping[str, str]
    form: Mapping[str, str]


@dataclass
class Family:
    """The tokens of one consent: refresh tokens, newest last, and whether the family was ended."""

    scope: str
    resource: str
    refresh: list[str] = field(default_factory=list)
    ended: bool = False


@dataclass
class AuthorizationServer:
    """`origin` is its issuer. `metadata` and `prm` change its documents: a value of None leaves the member out."""

    origin: str = ""
    clients: dict[str, str | None] = field(default_factory=lambda: {"gateway": "s3cret"})
    metadata: dict[str, Any] = field(default_factory=dict)
    prm: dict[str, Any] | None = field(default_factory=dict)
    documents: dict[str, Answer | None] = field(default_factory=dict)
    expires_in: Any = 3600
    rotates: bool = True
    refreshes: bool = True
    token_answer: Callable[[Mapping[str, str]], Answer | bytes | None] = field(default=lambda form: None)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    seen: list[Seen] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    families: list[Family] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    reused: int = 0
    numbers: Any = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def resource(self) -> str:
        """The address of the protected resource."""
        return f"{self.origin}/mcp"

    def tokens(self, grant_type: str | None = None) -> list[Seen]:
        """The requests to the token endpoint."""
        return [s for s in self.seen if s.path == "/token" and grant_type in (None, s.form.get("grant_type"))]

    def consent(self, url: str, **changes: str) -> dict[str, str]:
        """What comes back to the redirect URI when a person agrees at `url`."""
        assert url.startswith(f"{self.origin}/authorize?"), url
        asked = dict(parse_qsl(urlsplit(url).query))
        assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
        assert asked["resource"] and asked["redirect_uri"] and asked["state"]
        assert asked["client_id"] in self.clients or asked["client_id"].startswith("https://")
        code = f"code-{next(self.numbers)}"
        self.codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.origin, **changes}

    # ------------------------------------------------------------------ endpoints

    async def answer(self, seen: Seen) -> Answer | bytes:
        if seen.path in self.documents:
            given = self.documents[seen.path]
            return (404, {}) if given is None else given
        match seen.path:
            case "/.well-known/oauth-protected-resource/mcp" if self.prm is not None:
                document = {"resource": self.resource, "authorization_servers": [self.origin], **self.prm}
                return 200, _without_none(document)
            case "/.well-known/oauth-authorization-server":
                return 200, self._document()
            case "/register":
                client = f"registered-{next(self.numbers)}"
                self.clients[client] = "registered-secret"
                return 201, {"client_id": client, "client_secret": "registered-secret", "client_secret_expires_at": 0}
            case "/token":
                await self.gate.wait()
                special = self.token_answer(seen.form)
                return self._token(seen) if special is None else special
            case "/revoke":
                self.revoked.append(seen.form["token"])
                return 200, {}
        return 404, {}

    def _document(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "issuer": self.origin,
            "authorization_endpoint": f"{self.origin}/authorize",
            "token_endpoint": f"{self.origin}/token",
            "registration_endpoint": f"{self.origin}/register",
            "revocation_endpoint": f"{self.origin}/revoke",
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return _without_none({**document, **self.metadata})

    def _token(self, seen: Seen) -> Answer:
        form = seen.form
        if not self._authenticated(seen):
            return 401, {"error": "invalid_client"}
        match form.get("grant_type"):
            case "authorization_code":
                return self._redeem_code(form)
            case "refresh_token":
                return self._redeem_refresh(form)
            case "client_credentials":
                return 200, self._issued(form.get("scope", ""), f"own-{next(self.numbers)}")
            case kind if kind == EXCHANGE:
                return self._exchange(form)
            case kind if kind == JWT_BEARER:
                if not form["assertion"].startswith("jag-"):
                    return 400, {"error": "invalid_grant"}
                return 200, self._issued(form.get("scope", ""), f"{form['assertion']}-at-{next(self.numbers)}")
        return 400, {"error": "unsupported_grant_type"}

    def _authenticated(self, seen: Seen) -> bool:
        basic = seen.headers.get("authorization", "")
        if basic.startswith("Basic "):
            pair = base64.b64decode(basic[6:]).decode().split(":", 1)
            name, secret = (unquote_plus(each) for each in pair)
            return self.clients.get(name) == secret
        name, given = seen.form.get("client_id", ""), seen.form.get("client_secret")
        if seen.form.get("client_assertion"):
            return name in self.clients
        return name.startswith("https://") or (name in self.clients and self.clients[name] == given)

    def _redeem_code(self, form: Mapping[str, str]) -> Answer:
        asked = self.codes.pop(form["code"], None)
        if asked is None:
            return 400, {"error": "invalid_grant"}
        digest = base64.urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        right = digest == asked["code_challenge"] and form["redirect_uri"] == asked["redirect_uri"]
        if not right or form["resource"] != asked["resource"]:
            return 400, {"error": "invalid_grant"}
        family = Family(asked.get("scope", ""), asked["resource"])
        self.families.append(family)
        return 200, self._family_tokens(family)

    def _redeem_refresh(self, form: Mapping[str, str]) -> Answer:
        token = form["refresh_token"]
        family = next((each for each in self.families if token in each.refresh), None)
        if family is None or family.ended or form.get("resource", family.resource) != family.resource:
            return 400, {"error": "invalid_grant"}
        if self.rotates and token != family.refresh[-1]:
            self.reused += 1
            family.ended = True
            return 400, {"error": "invalid_grant"}
        return 200, self._family_tokens(family)

    def _family_tokens(self, family: Family) -> dict[str, Any]:
        number = next(self.numbers)
        issued = self._issued(family.scope, f"at-{number}")
        if self.refreshes and (self.rotates or not family.refresh):
            family.refresh.append(f"rt-{number}")
            issued["refresh_token"] = family.refresh[-1]
        return issued

    def _exchange(self, form: Mapping[str, str]) -> Answer:
        if form["requested_token_type"].endswith(":id-jag"):
            kind, token = "N_A", f"jag-{form['subject_token']}-{next(self.numbers)}"
        else:
            kind, token = "Bearer", f"x-{form['subject_token']}-{next(self.numbers)}"
        issued = self._issued(form.get("scope", ""), token)
        return 200, {**issued, "token_type": kind, "issued_token_type": form["requested_token_type"]}

    def _issued(self, scope: str, token: str) -> dict[str, Any]:
        issued: dict[str, Any] = {"access_token": token, "token_type": "Bearer", "expires_in": self.expires_in}
        if scope:
            issued["scope"] = scope
        return _without_none(issued)


def _without_none(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value is not None}


def _read(raw: bytes) -> Seen:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    parts = urlsplit(target)
    if headers.get("content-type") == "application/json":
        form = json.loads(body)
    else:
        form = dict(parse_qsl(body.decode() or parts.query, keep_blank_values=True))
    return Seen(method, parts.path, headers, form)


def written(status: int, document: Mapping[str, Any]) -> bytes:
    """An answer on the wire."""
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def redirect(url: str, params: Mapping[str, str]) -> str:
    """`url` with `params` as its query."""
    return f"{url}?{urlencode(params)}"


@asynccontextmanager
async def authorization_server(
    server: AuthorizationServer | None = None,
    also: Callable[[Seen], Awaitable[Answer | bytes | None]] | None = None,
) -> AsyncIterator[AuthorizationServer]:
    """Run one. `also` answers before it does, None leaves a request to it; bytes are sent as they are, and the end."""
    double = server or AuthorizationServer()

    async def script(peer: Peer) -> None:
        while raw := await peer.request():
            seen = _read(raw)
            double.seen.append(seen)
            answer = await also(seen) if also is not None else None
            if answer is None:
                answer = await double.answer(seen)
            if isinstance(answer, bytes):
                peer.send(answer)
                return
            peer.send(written(*answer))

    async with serve(script) as running:
        double.origin = str(running.origin)
        yield double
