"""Who asks. The only identity that later stages see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified identity.

    `id` is the stable name used in keys and records: ``<issuer name>|<sub>`` for people,
    ``anonymous`` on a loopback listener without authentication.
    """

    id: str
    subject: str
    issuer: str = ""
    email: str | None = None
    teams: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset()
    claims: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    client_id: str | None = None


ANONYMOUS: Final = Principal(id="anonymous", subject="anonymous")
"""The principal of an unauthenticated request on a loopback listener."""

GATEWAY: Final = Principal(id="gateway", subject="gateway")
"""The gateway itself, when it asks an upstream what it offers."""
