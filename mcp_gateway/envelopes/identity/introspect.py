"""Opaque tokens: the issuer is asked about each (RFC 7662), and its answer kept for a moment."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import quote_plus, urlencode

from mcp_gateway.core.egress.fetch import Fetched, Fetcher, Trust
from mcp_gateway.core.errors import IdentityUnavailable, ProtocolViolation, UpstreamError
from mcp_gateway.envelopes.identity import jwt
from mcp_gateway.envelopes.identity.claims import ReadClaims, audiences
from mcp_gateway.envelopes.identity.issuer_metadata import SECONDS, IssuerMetadata, json_object
from mcp_gateway.envelopes.identity.keyset import RETRY, Report
from mcp_gateway.envelopes.identity.spec import IntrospectionSpec
from mcp_gateway.envelopes.identity.verified import TokenRefused, Verified

ACCEPTED_SECONDS: Final = 30.0
"""How long a revoked opaque token may still work."""

REFUSED_SECONDS: Final = 10.0
_AT_ONCE: Final = 16
"""Questions under way: a flood of made-up tokens is no flood at the issuer."""


class Introspect:
    """Asks one issuer about tokens, as a client with a secret (client_secret_basic)."""

    def __init__(
        self,
        spec: IntrospectionSpec,
        *,
        metadata: IssuerMetadata,
        principal: ReadClaims,
        everywhere: frozenset[str],
        fetcher: Fetcher,
        report: Report,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`everywhere` are audiences that are good for every resource of the gateway."""
        self._url = spec.url
        self._metadata = metadata
        self._principal = principal
        self._everywhere = everywhere
        self._fetcher = fetcher
        self._report = report
        self._wall = wall
        self._clock = clock
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._retry_at = float("-inf")
        pair = f"{quote_plus(spec.client_id)}:{quote_plus(spec.client_secret.reveal())}"
        self._headers = (
            (b"authorization", b"Basic " + base64.b64encode(pair.encode())),
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"accept", b"application/json"),
        )

    async def __call__(self, token: str) -> Verified:
        """What the issuer says of `token`. Raises `TokenRefused`, and `IdentityUnavailable` when it does not answer."""
        async with self._room:
            if self._clock() < self._retry_at:
                raise self._unavailable()
            try:
                claims = await self._asked(token)
            except UpstreamError as error:
                self._retry_at = self._clock() + RETRY
                self._report(error.message)
                raise self._unavailable() from None
        try:
            return self._judged(claims, token)
        except TokenRefused as refused:
            raise TokenRefused(refused.reason, keep=REFUSED_SECONDS) from None

    async def _asked(self, token: str) -> dict[str, object]:
        url, trust = (self._url, Trust.OPERATOR) if self._url else await self._metadata.endpoint(_ENDPOINT)
        body = urlencode({"token": token, "token_type_hint": "access_token"}).encode()
        answer: Fetched = await self._fetcher.fetch(
            url, trust=trust, method="POST", headers=self._headers, body=body, seconds=SECONDS
        )
        if answer.status != 200:
            self._metadata.forget()
            raise ProtocolViolation(f"introspection was answered with status {answer.status}")
        return json_object(answer)

    def _judged(self, claims: dict[str, object], token: str) -> Verified:
        if claims.get("active") is not True:
            raise TokenRefused("inactive")
        if claims.get("iss", self._principal.issuer) != self._principal.issuer:
            raise TokenRefused("unknown_issuer")
        jwt.require_access_token(claims)
        wall, now = self._wall(), self._clock()
        ends = jwt.expiry(claims, wall) if "exp" in claims else wall + ACCEPTED_SECONDS
        meant = audiences(claims)
        return Verified(
            principal=self._principal(claims, token),
            audiences=meant,
            everywhere=not meant.isdisjoint(self._everywhere),
            expires=ends,
            until=now + ACCEPTED_SECONDS,
        )

    def _unavailable(self) -> IdentityUnavailable:
        return IdentityUnavailable("the issuer of the token cannot be asked about it", retry_after=RETRY)


_ENDPOINT: Final = "introspection_endpoint"
