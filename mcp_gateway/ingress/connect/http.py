"""One request of a browser and the answer to it, as values; reading and sending them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from mcp_gateway.core.asgi import respond
from mcp_gateway.core.asgi.body import read_body
from mcp_gateway.core.asgi.types import Receive, Scope, Send

_MOST_FIELDS: Final = 32
_LONGEST_QUERY: Final = 16 * 1024
_LONGEST_FORM: Final = 32 * 1024
_FORM: Final = b"application/x-www-form-urlencoded"
_SAFE: Final = (
    # `form-action 'self'` holds for redirects after a form too, so no form is ever answered with one to elsewhere.
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    # Not no-referrer: with it browsers send `Origin: null` with our own forms (Fetch, append a request Origin header).
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"cache-control", b"no-store"),
)


class BadForm(Exception):
    """Query or form is not one that our pages send."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request below `/connect/`. `rest` is the path after that; `loopback` tells where the peer is.

    `site` is `Sec-Fetch-Site`, None from browsers (and programs) that do not send it. `nowhere` is true for the
    Origin `null`, which a page of ours does not have.
    """

    id: str
    method: str
    rest: str
    query: Mapping[str, str]
    cookies: Mapping[str, str]
    loopback: bool
    site: str | None
    nowhere: bool
    form_encoded: bool
    receive: Receive

    @classmethod
    def read(cls, scope: Scope, receive: Receive, *, id: str, rest: str) -> Request:
        """The request of an ASGI scope; raises `BadForm`."""
        cookies: dict[str, str] = {}
        site, form, nowhere = None, False, False
        for name, value in scope["headers"]:
            if name == b"cookie":
                for pair in value.decode("latin-1").split(";"):
                    key, _, content = pair.strip().partition("=")
                    cookies.setdefault(key, content)
            elif name == b"sec-fetch-site":
                site = value.decode("latin-1")
            elif name == b"origin":
                nowhere = nowhere or value == b"null"
            elif name == b"content-type":
                form = value.partition(b";")[0].strip().lower() == _FORM
        return cls(
            id=id,
            method=scope["method"],
            rest=rest,
            query=_fields(scope.get("query_string", b""), _LONGEST_QUERY),
            cookies=cookies,
            loopback=_on_loopback(scope.get("client")),
            site=site,
            nowhere=nowhere,
            form_encoded=form,
            receive=receive,
        )

    async def form(self) -> Mapping[str, str]:
        """The fields of the form in the body; raises `BadForm`, and what `read_body` raises."""
        if not self.form_encoded:
            raise BadForm
        return _fields(await read_body(self.receive, _LONGEST_FORM), _LONGEST_FORM)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response. `headers` are its own, beside those that all have."""

    status: int
    body: bytes = b""
    media: bytes = b"text/html; charset=utf-8"
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def plus(self, *headers: tuple[bytes, bytes]) -> Answer:
        return Answer(self.status, self.body, self.media, (*self.headers, *headers))

    async def send(self, send: Send) -> None:
        own = {name for name, _ in self.headers}
        safe = (field for field in _SAFE if field[0] not in own)
        await respond.respond(send, self.status, self.body, (*safe, (b"content-type", self.media), *self.headers))


def redirect(url: str) -> Answer:
    """See Other (RFC 9110 §15.4.4): what was posted is not posted again. `url` holds visible ASCII only."""
    return Answer(303, headers=((b"location", url.encode("ascii")),))


def _fields(raw: bytes, longest: int) -> Mapping[str, str]:
    if len(raw) > longest:
        raise BadForm
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict", separator="&"
        )
    except ValueError:
        raise BadForm from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadForm  # RFC 6749 §3.1: no parameter more than once; which of two would count is anybody's guess
    return found


def _on_loopback(client: tuple[str, int] | None) -> bool:
    return client is not None and (client[0].startswith("127.") or client[0] == "::1")
