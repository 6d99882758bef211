"""Who asks. The only identity that later stages see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from mcp_gateway.core.secret import Secret

Kind = Literal["user", "virtual_account", "anonymous", "gateway"]


def _no_claims() -> Mapping[str, object]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified identity, and through which agent it acts.

    `id` is the stable name used in keys and records: ``<issuer name>|<sub>`` for people,
    ``virtual_account:<name>`` for keys, ``anonymous`` on a loopback listener without authentication.
    `issuer` is the issuer identifier as in the token's ``iss``. `client_id` is the agent's OAuth client;
    `actors` are the subjects of the token's ``act`` chain (RFC 8693 §4.1), the current actor first.
    `owner` is the id of the person who answers for a virtual account.
    `token` is the caller's own credential, kept for token exchange (RFC 8693) and nothing else.
    """

    id: str
    subject: str
    issuer: str = ""
    email: str | None = None
    teams: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset()
    claims: Mapping[str, object] = field(default_factory=_no_claims)
    client_id: str | None = None
    kind: Kind = "user"
    actors: tuple[str, ...] = ()
    owner: str | None = None
    token: Secret | None = field(default=None, repr=False, compare=False)

    @property
    def binding(self) -> str:
        """What state handles are bound to: the identity and the agent it acts through (session hijacking)."""
        return self.id if self.client_id is None else f"{self.id}\0{self.client_id}"


ANONYMOUS: Final = Principal(id="anonymous", subject="anonymous", kind="anonymous")
"""The principal of an unauthenticated request on a loopback listener."""

GATEWAY: Final = Principal(id="gateway", subject="gateway", kind="gateway")
"""The gateway itself, when it asks an upstream what it offers."""


def subjects_of(principal: Principal) -> frozenset[str]:
    """What rules of the configuration call `principal`: ``user:`` with the id, subject or e-mail address, ``team:``,
    ``virtual_account:``."""
    teams = {f"team:{team}" for team in principal.teams}
    if principal.kind == "virtual_account":
        return frozenset({principal.id, *teams})
    known = (principal.id, principal.subject, principal.email)
    return frozenset({f"user:{name}" for name in known if name is not None} | teams)


def claim_at(claims: Mapping[str, object], name: str) -> object:
    """The claim called `name`, else what the path `name` leads to through nested claims (``realm_access.roles``)."""
    if name in claims:
        return claims[name]
    value: object = claims
    for part in name.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value
