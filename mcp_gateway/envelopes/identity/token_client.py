"""Asks token endpoints, and tells them when tokens are done with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.egress.fetch import Fetched, Fetcher, Trust
from mcp_gateway.core.egress.origin import BadUrl, parse_url
from mcp_gateway.core.errors import IdentityUnavailable, ProtocolViolation, Rejected, TimedOut, Unreachable
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.stores import ClientRegistration, Grant
from mcp_gateway.envelopes.identity.token_wire import Issued, Params, TokenError, build_request, read_answer

SECONDS: Final = 10.0
"""A token endpoint has this long to answer."""

_REFUSED: Final = 50200
_LONGEST_WAIT: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask, and which addresses that may lead to."""

    url: str
    trust: Trust = Trust.OPERATOR
    allowed: Allowed | None = None


class TokenClient:
    """One for all token endpoints. A request is sent at most once."""

    __slots__ = ("_clock", "_fetcher")

    def __init__(self, fetcher: Fetcher, *, clock: Callable[[], float] = time.time) -> None:
        self._fetcher = fetcher
        self._clock = clock

    async def ask(
        self,
        endpoint: Endpoint,
        client: ClientRegistration,
        params: Params,
        *,
        seconds: float = SECONDS,
        types: tuple[str, ...] = ("bearer",),
    ) -> Issued:
        """The answer to one token request. Raises `TokenError`."""
        now = self._clock()
        found = await self._post(endpoint, client, params, seconds)
        return read_answer(found.status, found.body, now=now, retry_after=_retry_after(found), types=types)

    async def revoke(self, grant: Grant, *, trust: Trust, allowed: Allowed | None = None) -> None:
        """Tell the authorization server that the tokens of `grant` are done with (RFC 7009), the refresh token first.

        Nothing happens where there is nobody to tell. Raises `IdentityUnavailable` where it is worth trying again.
        """
        if not grant.revocation_url or grant.client is None:
            return
        endpoint = Endpoint(grant.revocation_url, trust, allowed)
        for hint, token in (
            ("refresh_token", grant.tokens.refresh_token),
            ("access_token", grant.tokens.access_token),
        ):
            if token is not None:
                await self._revoke(endpoint, grant.client, token, hint)

    async def _revoke(self, endpoint: Endpoint, client: ClientRegistration, token: Secret, hint: str) -> None:
        try:
            found = await self._post(endpoint, client, [("token", token.reveal()), ("token_type_hint", hint)], SECONDS)
        except TokenError as error:
            if error.fatal:
                return
            raise IdentityUnavailable(error.message) from None
        if found.status == 429 or found.status >= 500:
            raise IdentityUnavailable(f"the authorization server answered HTTP {found.status}")

    async def _post(self, endpoint: Endpoint, client: ClientRegistration, params: Params, seconds: float) -> Fetched:
        try:
            parse_url(endpoint.url)
        except BadUrl as error:
            raise TokenError(f"the token endpoint cannot be called: {error}", fatal=True, sent=False) from None
        headers, body = build_request(client, endpoint.url, params, now=self._clock())
        try:
            return await self._fetcher.fetch(
                endpoint.url,
                trust=endpoint.trust,
                method="POST",
                headers=headers,
                body=body,
                seconds=seconds,
                allowed=endpoint.allowed,
            )
        except (Unreachable, TimedOut) as error:
            raise TokenError(
                f"the authorization server did not answer: {error.message}", fatal=False, sent=error.sent
            ) from None
        except ProtocolViolation as error:
            raise TokenError(
                f"the authorization server's answer cannot be read: {error.message}", fatal=False, sent=True
            ) from None


def as_refusal(error: TokenError) -> IdentityUnavailable | Rejected:
    """What a caller is told: to come back, or that it is of no use."""
    if error.fatal:
        return Rejected(_REFUSED, error.message)
    return IdentityUnavailable(error.message, retry_after=error.retry_after or 5.0)


def _retry_after(found: Fetched) -> float | None:
    value = found.headers.get(b"retry-after", b"")
    return min(float(value), _LONGEST_WAIT) if value.isdigit() and len(value) < 10 else None
