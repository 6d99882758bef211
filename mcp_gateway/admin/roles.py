"""Who may do what on the control plane: the table of its routes, and the role of a principal.

A role includes those before it. A route that is not in the table is not served: `check_table` says so at start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final, Protocol

from mcp_gateway.core.principal import Principal, claim_at


class Role(IntEnum):
    """From the least to the most."""

    READER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """As it is written in the configuration."""
        return self.name.lower()


Route = tuple[str, str]
"""A method and a path as the routes have it."""

METRICS: Final[Route] = ("GET", "/metrics")

PROBES: Final = frozenset({("GET", "/healthz"), ("GET", "/readyz")})
"""Asked by what starts and stops the gateway; they tell nothing else."""

TABLE: Final[Mapping[Route, Role | None]] = MappingProxyType(
    {
        ("GET", "/healthz"): None,
        ("GET", "/readyz"): None,
        METRICS: Role.READER,
        ("GET", "/docs"): Role.READER,
        ("GET", "/openapi.json"): Role.READER,
        ("GET", "/api/servers"): Role.READER,
        ("GET", "/api/servers/{name}"): Role.READER,
        ("GET", "/api/upstreams"): Role.READER,
        ("GET", "/api/upstreams/{name}/definitions"): Role.READER,
        ("GET", "/api/snapshot"): Role.READER,
        ("GET", "/api/identities"): Role.READER,
        ("GET", "/api/access"): Role.READER,
        ("GET", "/api/connections"): Role.READER,
        ("GET", "/api/usage"): Role.READER,
        ("GET", "/api/refusals"): Role.READER,
        # One's own only, without bodies; see `decisions.py`.
        ("GET", "/api/decisions"): Role.READER,
        ("GET", "/api/decisions/{request_id}"): Role.READER,
        ("POST", "/reload"): Role.OPERATOR,
        ("DELETE", "/api/connections/{principal:path}/{upstream}"): Role.OPERATOR,
    }
)
"""The least role that may use a route; None where nobody is asked who they are."""

SEES_ALL: Final = Role.ADMIN
"""Sees everybody's decisions, and the bodies where some are recorded."""


class Roles(Protocol):
    """Who has which role: ``<issuer name>|<sub>``, ``team:``, ``virtual_account:`` or ``claim:<name>=<value>``."""

    @property
    def reader(self) -> Sequence[str]: ...

    @property
    def operator(self) -> Sequence[str]: ...

    @property
    def admin(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks the control plane. `principal` is empty for a process of this machine that nobody asked who it is."""

    principal: str
    role: Role

    @property
    def sees_all(self) -> bool:
        return self.role >= SEES_ALL


HERE: Final = Caller("", Role.ADMIN)
"""Whoever asks on loopback, where no credential is wanted."""


def role_of(principal: Principal, roles: Roles) -> Role | None:
    """The highest role of `principal`, None if it has none."""
    named = {principal.id, *(f"team:{team}" for team in principal.teams)}
    for role, holders in ((Role.ADMIN, roles.admin), (Role.OPERATOR, roles.operator), (Role.READER, roles.reader)):
        if any(holder in named or _has_claim(principal, holder) for holder in holders):
            return role
    return None


def check_table(routes: Iterable[Route]) -> None:
    """Raises `RuntimeError` for a route without a role: it would be open to everybody, or to nobody."""
    unknown = [route for route in routes if route not in TABLE]
    if unknown:
        raise RuntimeError(f"no role is given for {unknown}")


def _has_claim(principal: Principal, holder: str) -> bool:
    if not holder.startswith("claim:") or principal.kind != "user":
        return False
    name, _, wanted = holder.removeprefix("claim:").partition("=")
    value = claim_at(principal.claims, name)
    if isinstance(value, str):
        return value == wanted
    # A list of strings, as tokens have it; a claim that is no text is nobody's role.
    return isinstance(value, list | tuple) and wanted in [each for each in value if isinstance(each, str)]
