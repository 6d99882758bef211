"""What one upstream offers, as last read: the raw definitions and what may be done with them.

The upstream room makes these values, the catalog composes them; neither knows the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from mcp_gateway.core.call import Json


class Listing(StrEnum):
    """The four lists of MCP, by the key under which the list result carries its entries."""

    TOOLS = "tools"
    PROMPTS = "prompts"
    RESOURCES = "resources"
    TEMPLATES = "resourceTemplates"


@dataclass(frozen=True, slots=True)
class CacheHint:
    """Freshness of a list (2026-07-28 caching). `ttl_ms` ≥ 0; `private` when it may differ by credential.

    An upstream that gives no hint is taken as ``CacheHint(0, True)``.
    """

    ttl_ms: int = 0
    private: bool = True


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A tool that differs from the definition which was accepted: not to be offered, never to be called.

    `definition` is the accepted one; of a `new` tool, of which none was accepted, the one received.
    """

    definition: Json
    new: bool


@dataclass(frozen=True, slots=True)
class Inventory:
    """One upstream's offer.

    Entries are definitions exactly as the upstream sent them (order, unknown fields and all), without
    tools whose ``x-mcp-header`` annotations are invalid. `version` is the negotiated protocol version,
    "" while the upstream was never reached. With `available=False` the entries are the last known ones
    and `error` says why (public text). With `waits_for_person` the lists were never read, because the upstream
    shows them to people's accounts only: nothing is wrong, somebody has to connect one. `quarantined` tools are
    not among `tools`.
    """

    upstream: str
    tools: tuple[Json, ...] = ()
    prompts: tuple[Json, ...] = ()
    resources: tuple[Json, ...] = ()
    templates: tuple[Json, ...] = ()
    capabilities: Json = field(default_factory=dict)
    server_info: Json = field(default_factory=dict)
    instructions: str | None = None
    hints: Mapping[Listing, CacheHint] = field(default_factory=lambda: MappingProxyType({}))
    version: str = ""
    available: bool = False
    error: str | None = None
    waits_for_person: bool = False
    quarantined: tuple[Quarantined, ...] = ()

    @property
    def modern(self) -> bool:
        """True when the upstream speaks 2026-07-28 or later."""
        return self.version >= "2026-07-28"


class Change(StrEnum):
    """What an upstream announced to have changed."""

    TOOLS = "tools"
    PROMPTS = "prompts"
    RESOURCES = "resources"


@dataclass(frozen=True, slots=True)
class InventoryChanged:
    """A new inventory was read. `announced` are the changes the upstream itself announced (may be empty)."""

    inventory: Inventory
    announced: frozenset[Change] = frozenset()
