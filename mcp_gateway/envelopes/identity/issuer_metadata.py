"""Where an issuer's endpoints are: its metadata (RFC 8414, OpenID Connect Discovery), kept for an hour."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from mcp_gateway.core import strictjson
from mcp_gateway.core.egress.fetch import Fetched, Fetcher, Trust
from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.core.strictjson import JsonError
from mcp_gateway.envelopes.identity.metadata import trust_in

SECONDS: Final = 5.0
"""For one document or answer: callers wait for it."""

_KEEP: Final = 3600.0
_OAUTH: Final = "/.well-known/oauth-authorization-server"
_OPENID: Final = "/.well-known/openid-configuration"


def metadata_urls(issuer: str) -> tuple[str, ...]:
    """Where the metadata of `issuer` may be, in the order in which to look (RFC 8414 §3, §5; OIDC Discovery §4)."""
    parts = urlsplit(issuer)
    origin = f"{parts.scheme}://{parts.netloc}"
    path = parts.path.rstrip("/")
    if not path:
        return (origin + _OAUTH, origin + _OPENID)
    return (origin + _OAUTH + path, origin + _OPENID + path, origin + path + _OPENID)


class IssuerMetadata:
    """The metadata of an issuer that an operator named.

    What it points to at the issuer's own origin is as trusted as the issuer; anything else was merely learned, and
    must be public.
    """

    def __init__(self, issuer: str, fetcher: Fetcher, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._fetcher = fetcher
        self._clock = clock
        self._document: Mapping[str, object] | None = None
        self._until = float("-inf")

    async def endpoint(self, name: str) -> tuple[str, Trust]:
        """The URL under `name`. Raises `UpstreamError` where it cannot be had."""
        document = await self._current()
        url = document.get(name)
        if not isinstance(url, str):
            raise ProtocolViolation(f"the issuer's metadata names no {name}")
        return url, trust_in(url, (self._issuer,))

    def forget(self) -> None:
        """Look again next time: what the document named does not work."""
        self._until = float("-inf")

    async def _current(self) -> Mapping[str, object]:
        now = self._clock()
        if self._document is None or now >= self._until:
            self._document = await self._found()
            self._until = now + _KEEP
        return self._document

    async def _found(self) -> Mapping[str, object]:
        problem = "the issuer has no metadata"
        for url in metadata_urls(self._issuer):
            answer = await self._fetcher.fetch(url, trust=Trust.OPERATOR, seconds=SECONDS)
            if answer.status != 200:
                problem = f"the issuer's metadata was answered with status {answer.status}"
                continue
            try:
                document = json_object(answer)
            except ProtocolViolation as error:
                problem = error.message
                continue
            if document.get("issuer") == self._issuer:
                return document
            problem = "the metadata is that of another issuer"
        raise ProtocolViolation(problem)


def json_object(answer: Fetched) -> dict[str, object]:
    """The object that an answer holds. Raises `ProtocolViolation` for anything else."""
    try:
        document = strictjson.loads(answer.body)
    except JsonError as error:
        raise ProtocolViolation(f"not a JSON document: {error.message}") from None
    if not isinstance(document, dict):
        raise ProtocolViolation("not a JSON object")
    return document
