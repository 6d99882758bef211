"""One issuer: its keys, its rules, and the judgement of its tokens."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog

from mcp_gateway.core.egress.fetch import Fetcher, Trust
from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.envelopes.identity import jwt
from mcp_gateway.envelopes.identity.claims import ReadClaims, audiences
from mcp_gateway.envelopes.identity.introspect import Introspect
from mcp_gateway.envelopes.identity.issuer_metadata import SECONDS, IssuerMetadata
from mcp_gateway.envelopes.identity.jwt import Jwt
from mcp_gateway.envelopes.identity.keys import FITS, Keys, read_keys
from mcp_gateway.envelopes.identity.keyset import KeySet
from mcp_gateway.envelopes.identity.spec import IssuerSpec
from mcp_gateway.envelopes.identity.verified import TokenRefused, Verified

_ACCEPT: Final = ((b"accept", b"application/jwk-set+json, application/json"),)


class Issuer:
    """Verifies the signed tokens of one authorization server, and asks it about opaque ones if it may be asked."""

    def __init__(
        self,
        spec: IssuerSpec,
        fetcher: Fetcher,
        *,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = spec.name
        self.identifier = spec.issuer
        self._algorithms = frozenset(spec.algorithms) & FITS.keys()
        self._everywhere = frozenset(spec.audiences)
        self._jwks_uri = spec.jwks_uri
        self._fetcher = fetcher
        self._wall = wall
        self._log = structlog.get_logger("identity")
        self._principal = ReadClaims(spec)
        self._metadata = IssuerMetadata(spec.issuer, fetcher, clock=clock)
        self.keys = KeySet(self._load, max_stale=spec.max_stale, report=self._report, clock=clock)
        self.introspect: Introspect | None = None
        if spec.introspection is not None:
            self.introspect = Introspect(
                spec.introspection,
                metadata=self._metadata,
                principal=self._principal,
                everywhere=self._everywhere,
                fetcher=fetcher,
                report=self._report,
                wall=wall,
                clock=clock,
            )

    async def verify(self, given: Jwt, token: str) -> Verified:
        """What `token`, taken apart as `given`, proves. Its audience is left to whoever knows the resource.

        Raises:
            TokenRefused: the token is not acceptable.
            IdentityUnavailable: whether it is cannot be known now.
        """
        if given.algorithm not in self._algorithms:
            raise TokenRefused("algorithm")
        # What needs no key comes first: what is wrong anyway makes nobody ask for keys.
        jwt.require_access_token(given.claims)
        meant = audiences(given.claims)
        expires = jwt.expiry(given.claims, self._wall())
        candidates = await self.keys.find(given.kid, given.algorithm)
        if not candidates:
            raise TokenRefused("unknown_key")
        if not any(key.verifies(given.algorithm, given.signed, given.signature) for key in candidates):
            raise TokenRefused("signature")
        return Verified(
            principal=self._principal(given.claims, token),
            audiences=meant,
            everywhere=not meant.isdisjoint(self._everywhere),
            expires=expires,
            keys=self.keys,
            version=self.keys.version,
        )

    async def close(self) -> None:
        await self.keys.close()

    async def _load(self) -> Keys:
        discovered = self._jwks_uri is None
        if self._jwks_uri is None:
            url, trust = await self._metadata.endpoint("jwks_uri")
        else:
            url, trust = self._jwks_uri, Trust.OPERATOR
        try:
            answer = await self._fetcher.fetch(url, trust=trust, headers=_ACCEPT, seconds=SECONDS)
            if answer.status != 200:
                raise ProtocolViolation(f"the key set was answered with status {answer.status}")
            return read_keys(answer.body)
        except ProtocolViolation:
            if discovered:
                self._metadata.forget()
            raise

    def _report(self, problem: str) -> None:
        self._log.warning("issuer not available", issuer=self.name, problem=problem)
