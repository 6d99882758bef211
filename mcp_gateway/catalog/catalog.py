"""The compiled catalog of one virtual server: immutable, swapped whole, read by every call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from types import MappingProxyType

from mcp_gateway.calls.inventory import CacheHint, Listing
from mcp_gateway.calls.kinds import PromptBinding, ResourceBinding, TemplateBinding, ToolBinding
from mcp_gateway.catalog.findings import Finding
from mcp_gateway.catalog.listing import Page, paginate
from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import Unreachable


@dataclass(frozen=True, slots=True)
class SourceReport:
    """How one source fares. Per list, `exposed` counts the upstream's bindings and `dropped` what was left out."""

    upstream: str
    available: bool
    error: str | None
    version: str
    exposed: Mapping[Listing, int]
    dropped: Mapping[Listing, int]


@dataclass(frozen=True, slots=True)
class Shelf:
    """One list as served: definitions in order, their prepared pages per era, the digest of what is listed.

    `encoded` and `downgraded` are the definitions as each era is sent them, `hint` what is said of their freshness.
    """

    entries: tuple[Json, ...]
    modern: tuple[Page, ...]
    legacy: tuple[Page, ...]
    digest: str
    encoded: tuple[bytes, ...]
    downgraded: tuple[bytes, ...]
    hint: CacheHint
    page_size: int

    def only(self, shown: Sequence[bool], modern: bool) -> tuple[Page, ...]:
        """The pages for a caller who sees those entries for which `shown` is true; never to be shared by callers."""
        entries = compress(self.encoded if modern else self.downgraded, shown)
        return paginate(entries, replace(self.hint, private=True), self.page_size)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Catalog:
    """What one virtual server offers.

    The mappings hold every binding, those of unavailable sources too, since a call may find these back; lists
    hold what is available. `digest` is a SHA-256 over everything composed. `unavailable` names sources that
    are down, `broken` the same where the specification does not tolerate it. `problems` are all findings.
    `quarantined` are tools that differ from what was accepted, by the names they would have: neither listed nor
    ever to be called.
    """

    server: str
    title: str | None
    instructions: str | None
    server_info: Json
    digest: str
    tools: Mapping[str, ToolBinding]
    prompts: Mapping[str, PromptBinding]
    resources: Mapping[str, ResourceBinding]
    templates: tuple[TemplateBinding, ...]
    shelves: Mapping[Listing, Shelf]
    modern_capabilities: Json
    legacy_capabilities: Json
    sources: tuple[SourceReport, ...]
    problems: tuple[Finding, ...]
    unavailable: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    quarantined: Mapping[str, ToolBinding] = field(default_factory=lambda: MappingProxyType({}))

    def capabilities(self, modern: bool) -> Json:
        """The ServerCapabilities object for clients of one era."""
        return self.modern_capabilities if modern else self.legacy_capabilities

    def listing(self, kind: Listing, modern: bool) -> tuple[Page, ...]:
        """The pages of a list, at least one. Raises `Unreachable` when a source that must be there is down."""
        if self.broken:
            names = ", ".join(self.broken)
            raise Unreachable(f"not available: {names}", sent=False, upstream=self.broken[0])
        shelf = self.shelves[kind]
        return shelf.modern if modern else shelf.legacy

    def entries(self, kind: Listing) -> tuple[Json, ...]:
        """The listed definitions in order, as the modern era sees them."""
        return self.shelves[kind].entries

    def resolve_resource(self, uri: str) -> ResourceBinding | TemplateBinding | None:
        """Who serves `uri`: the listed resource of exactly this URI, else the most specific template that admits it."""
        found = self.resources.get(uri)
        if found is not None:
            return found
        for template in self.templates:
            if template.matches(uri):
                return template
        return None
