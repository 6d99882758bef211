"""What the vault and its neighbours keep, as values and protocols. No I/O, no database, no cipher here.

Every secret is a `Secret`; how it is sealed at rest is the implementation's (`vault.py`). Times are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

from mcp_gateway.core.secret import Secret


def _nothing() -> Mapping[str, Secret]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class GrantKey:
    """Whose connection, to which upstream. There is no way to ask for a grant without naming the principal."""

    principal: str
    upstream: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRegistration:
    """The gateway as an OAuth client at one authorization server: pre-registered, by metadata document, or DCR.

    `auth_method` is a value of ``token_endpoint_auth_method`` (RFC 7591): none, client_secret_basic,
    client_secret_post or private_key_jwt.
    """

    issuer: str
    client_id: str
    client_secret: Secret | None = None
    auth_method: str = "none"
    expires_at: float | None = None
    redirect_uri: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What an authorization server gave, or the header values that a user stored (`headers`, names in lower case)."""

    access_token: Secret | None = None
    refresh_token: Secret | None = None
    expires_at: float | None = None
    scopes: tuple[str, ...] = ()
    headers: Mapping[str, Secret] = field(default_factory=_nothing)


Status = Literal["active", "needs_consent"]
"""``needs_consent``: the grant can no longer be refreshed (or may not be, see `Vault.redeem`); a person must act."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One stored connection. `version` counts up with every change and is bound into the sealed text.

    `issuer`, `token_url` and `revocation_url` are those of the authorization server that gave the tokens, `resource`
    the resource indicator they are for. `asked` are the scopes that were asked for. `agent` says through which
    agent the person consented, for display only.
    """

    key: GrantKey
    kind: Literal["oauth", "header"]
    tokens: Tokens
    issuer: str = ""
    resource: str = ""
    token_url: str = ""
    revocation_url: str = ""
    client: ClientRegistration | None = None
    asked: tuple[str, ...] = ()
    agent: str = ""
    status: Status = "active"
    version: int = 0
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What may be shown of a grant: no secret in it."""

    principal: str
    upstream: str
    kind: str
    issuer: str
    resource: str
    scopes: tuple[str, ...]
    status: Status
    agent: str
    version: int
    created_at: float
    updated_at: float
    expires_at: float | None
    refreshable: bool


class Vault(Protocol):
    """Grants, sealed at rest. Every method raises `IdentityUnavailable` when the store cannot be asked."""

    async def read(self, key: GrantKey) -> Grant | None: ...

    async def version(self, key: GrantKey) -> tuple[int, Status] | None:
        """The stored version and status without unsealing; None if there is no grant (any more)."""
        ...

    async def store(self, grant: Grant) -> Grant:
        """Put a new grant in the place of whatever was there (a consent); returns it with its version and times."""
        ...

    async def redeem(self, key: GrantKey, version: int, *, seconds: float) -> Literal["mine", "theirs", "changed"]:
        """Claim the sole right to redeem the refresh token of `version`, durably, before it is sent.

        ``mine``: claimed. ``theirs``: another process has claimed it and may still answer, until `seconds` after
        its claim. ``changed``: the grant is no longer at `version` (read it again). A claim that ran out without
        being settled means that the token may have been redeemed and its answer lost: the grant becomes
        ``needs_consent``, which is ``changed`` as well. A refresh token is so redeemed at most once.
        """
        ...

    async def settle(self, key: GrantKey, version: int, tokens: Tokens) -> Grant | None:
        """Persist the outcome of a refresh over `version` (compare-and-set); None if somebody else changed it."""
        ...

    async def unclaim(self, key: GrantKey, version: int) -> None:
        """The refresh token was provably not redeemed (not sent, or the server said to try again)."""
        ...

    async def exhaust(self, key: GrantKey, version: int) -> None:
        """The authorization server refused the refresh token for good, or whether it took it is unknown."""
        ...

    async def connections(
        self,
        *,
        principal: str | None = None,
        upstream: str | None = None,
        after: GrantKey | None = None,
        most: int | None = None,
    ) -> Sequence[Connection]:
        """What is connected, for people, in the order of principals and upstreams; `most` of it, `after` a key."""
        ...

    async def delete(self, key: GrantKey) -> Grant | None:
        """Remove a grant and its data key; returns it so that its tokens can be revoked (RFC 7009)."""
        ...


class Registrations(Protocol):
    """Dynamic client registrations by (upstream, issuer): never used at another authorization server."""

    async def get(self, upstream: str, issuer: str) -> ClientRegistration | None: ...

    async def put(self, upstream: str, registration: ClientRegistration) -> None: ...

    async def drop(self, upstream: str, issuer: str) -> None: ...


class Flows(Protocol):
    """What waits for a browser to come back: sealed, for ten minutes at most, taken once.

    `id` is the value of ``state``; only its digest is stored. Shared by all replicas.
    """

    async def put(self, id: str, payload: bytes, *, seconds: float) -> None: ...

    async def take(self, id: str) -> bytes | None:
        """The payload, removed in the same step; None if it is unknown, expired or was taken before."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualAccount:
    """An identity for a program, proved by a key. Only digests of keys are stored."""

    name: str
    teams: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    owner: str | None = None
    created_at: float = 0.0
    expires_at: float | None = None
    revoked_at: float | None = None
    rotated_at: float | None = None


class Accounts(Protocol):
    """Virtual accounts. A key is ``mgk_<key id>_<secret>``."""

    async def find(self, key: Secret) -> VirtualAccount | None:
        """The account that `key` belongs to; None for an unknown, expired, revoked or replaced key."""
        ...

    async def create(self, account: VirtualAccount) -> Secret:
        """Store the account and return its key, which cannot be had again. Raises `AccountExists`."""
        ...

    async def rotate(self, name: str, *, grace: float = 0.0) -> Secret | None:
        """A new key; the old one works for `grace` seconds more. None if there is no such account."""
        ...

    async def revoke(self, name: str) -> bool:
        """False if there is no such account."""
        ...

    async def list(self) -> Sequence[VirtualAccount]: ...


class AccountExists(Exception):
    """A virtual account of that name exists."""
