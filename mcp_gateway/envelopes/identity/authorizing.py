"""What the consent page asks of an upstream's authorization: described, begun, completed. Values and protocols only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from mcp_gateway.core.errors import GatewayError
from mcp_gateway.envelopes.identity.stores import Grant, GrantKey


class AuthorizationFailed(GatewayError):
    """An authorization did not come about. The message is public and never the authorization server's own words."""

    reason = "authorization_failed"


class Described(Protocol):
    """What a person is told before consenting: the authorization server's host, its issuer, the scopes."""

    @property
    def server(self) -> str: ...

    @property
    def issuer(self) -> str: ...

    @property
    def scopes(self) -> tuple[str, ...]: ...


class Begun(Protocol):
    """Where to send the person, and what has to be remembered until they come back. Keep `pending` sealed."""

    @property
    def url(self) -> str: ...

    @property
    def pending(self) -> bytes: ...


class Authorizer(Protocol):
    """The authorization code flow for one upstream.

    Every method raises `AuthorizationFailed` or `UpstreamError` where the upstream's side does not work out, and
    `IdentityUnavailable` where the gateway's own stores do not.
    """

    async def describe(self, scopes: Sequence[str]) -> Described: ...

    async def begin(self, *, state: str, redirect_uri: str, scopes: Sequence[str]) -> Begun: ...

    async def complete(self, pending: bytes, params: Mapping[str, str], *, key: GrantKey, agent: str) -> Grant: ...
