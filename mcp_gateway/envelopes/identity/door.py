"""The door: from a request to the principal who makes it. Both planes have the same one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256
from typing import Any, Final

import structlog

from mcp_gateway.core.allowance import Allowance
from mcp_gateway.core.asgi.types import REQUEST_ID
from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import IdentityUnavailable, InsufficientScope, Unauthenticated
from mcp_gateway.core.flights import Flights, Interrupted
from mcp_gateway.core.principal import ANONYMOUS, Principal
from mcp_gateway.envelopes.identity.anonymous import on_loopback
from mcp_gateway.envelopes.identity.protected import ProtectedResource
from mcp_gateway.envelopes.identity.verified import TokenRefused, Tokens, Verified
from mcp_gateway.envelopes.identity.verify import Verify

LOGGED_PER_MINUTE: Final = 3000
"""Lines about refused tokens, of one address the tenth part: whoever sends them decides how many there would be."""

_LONGEST: Final = 16 * 1024
_BEARER: Final = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*)")
_IN_QUERY: Final = re.compile(rb"(?:^|[&;])access_token(?:=|&|;|$)")
_BAD_TOKEN: Final = "the access token is not valid for this resource"


class Door:
    """Lets principals in.

    Two steps, so that a known caller costs one look-up and no turn of the loop: `recall`, and where it finds
    nothing, `verify`. What was verified is remembered by the full digest of what was presented, and its audience
    and scopes are compared with the resource at hand every time.
    """

    __slots__ = ("_anonymous", "_clock", "_flights", "_lines", "_log", "_tokens", "_verify", "_wall", "refused")

    def __init__(
        self,
        verify: Verify,
        *,
        anonymous: bool,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """With `anonymous`, callers on loopback may come without credentials."""
        self._verify = verify
        self._anonymous = anonymous
        self._wall = wall
        self._clock = clock
        self._tokens = Tokens()
        self._flights: Flights[bytes, Verified] = Flights()
        self._log = structlog.get_logger("identity")
        self._lines = Allowance(LOGGED_PER_MINUTE, clock=clock)
        self.refused = 0
        """Tokens that were presented and not accepted."""

    def recall(self, scope: Mapping[str, Any], resource: ProtectedResource) -> Principal | None:
        """The principal, if it is known already that the request may pass; None where `verify` has to decide."""
        presented: bytes | None = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                if presented is not None:
                    return None
                presented = value
        if scope["query_string"]:
            return None
        if presented is None:
            return ANONYMOUS if self._anonymous and not resource.scopes and on_loopback(scope) else None
        found = self._tokens.find(sha256(presented).digest(), self._wall(), self._clock())
        if found is None or not (found.everywhere or resource.uri in found.audiences):
            return None
        principal = found.principal
        return principal if not resource.scopes or principal.scopes.issuperset(resource.scopes) else None

    async def verify(self, scope: Mapping[str, Any], resource: ProtectedResource) -> Principal:
        """The principal of a request for `resource`.

        Raises:
            Unauthenticated: no credentials, or none that are accepted; which of them is all the client learns.
            InsufficientScope: the token is valid and grants too little.
            IdentityUnavailable: whether the token is valid cannot be known now.
        """
        try:
            presented = _presented(scope)
            if presented is None:
                return self._without(scope, resource)
            verified = await self._verified(presented)
            if not verified.admits(resource.uri):
                raise TokenRefused("audience")
        except TokenRefused as refused:
            self.refused += 1
            if self._lines.take(scope.get("client", ("",))[0]):
                identifier = scope.get(REQUEST_ID)
                self._log.info("token refused", reason=refused.reason, resource=resource.uri, request_id=identifier)
            raise Unauthenticated(_BAD_TOKEN, challenge=resource.bad_token_challenge, why=refused.reason) from None
        principal = verified.principal
        if not principal.scopes.issuperset(resource.scopes):
            self._log.info(
                "scopes missing", principal=principal.id, resource=resource.uri, request_id=scope.get(REQUEST_ID)
            )
            message = "the access token lacks scopes that this resource needs"
            raise InsufficientScope(message, challenge=resource.scope_challenge(), principal=principal.id)
        return principal

    def document(self, resource: ProtectedResource) -> Json | None:
        """The protected resource metadata; None where there is no issuer that it could name (RFC 9728)."""
        issuers = self._verify.issuers
        return resource.document(issuers) if issuers else None

    async def close(self) -> None:
        """End what is under way."""
        await self._flights.close()
        await self._verify.close()

    def _without(self, scope: Mapping[str, Any], resource: ProtectedResource) -> Principal:
        if self._anonymous and not resource.scopes and on_loopback(scope):
            return ANONYMOUS
        raise Unauthenticated("an access token is needed", challenge=resource.challenge)

    async def _verified(self, presented: bytes) -> Verified:
        token = _BEARER.fullmatch(presented) if len(presented) <= _LONGEST else None
        if token is None:
            raise TokenRefused("not_a_bearer_token")
        digest = sha256(presented).digest()
        now = self._clock()
        found = self._tokens.find(digest, self._wall(), now)
        if found is not None:
            return found
        reason = self._tokens.refusal(digest, now)
        if reason is not None:
            raise TokenRefused(reason)
        try:
            return await self._flights.join(digest, partial(self._asked, digest, token[1].decode("ascii")))
        except Interrupted:
            raise IdentityUnavailable("the configuration of identity is changing", retry_after=1.0) from None

    async def _asked(self, digest: bytes, token: str) -> Verified:
        try:
            verified = await self._verify(token)
        except TokenRefused as refused:
            if refused.keep:
                self._tokens.remember_refusal(digest, refused.reason, self._clock() + refused.keep)
            raise
        self._tokens.remember(digest, verified)
        return verified


def _presented(scope: Mapping[str, Any]) -> bytes | None:
    """The Authorization header; None if there is none. Raises `TokenRefused` for several, or a token in the URL."""
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(given) > 1:
        raise TokenRefused("several_credentials")
    if _IN_QUERY.search(scope["query_string"]):
        raise TokenRefused("token_in_query")
    return given[0] if given else None
