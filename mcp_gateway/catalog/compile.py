"""A virtual server's specification and its upstreams' inventories, compiled to a catalog.

Pure: the same inputs give the same catalog, whatever the order of `inventories`. Entries come in the order of
sources, then in each upstream's own. What cannot be exposed is left out and reported; nothing raises.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from hashlib import sha256
from types import MappingProxyType

import orjson

from mcp_gateway.calls.inventory import CacheHint, Inventory, Listing
from mcp_gateway.calls.kinds import ToolBinding
from mcp_gateway.catalog.bounds import DEFAULT_LIMITS, Limits
from mcp_gateway.catalog.capabilities import compose
from mcp_gateway.catalog.catalog import Catalog, Shelf, SourceReport
from mcp_gateway.catalog.conflicts import exposable, settle
from mcp_gateway.catalog.draft import B, Draft
from mcp_gateway.catalog.findings import Finding
from mcp_gateway.catalog.gather import Gathered, gather, offered
from mcp_gateway.catalog.listing import PAGE_SIZE, joined, legacy, paginate
from mcp_gateway.catalog.schema import writable
from mcp_gateway.catalog.spec import ServerSpec, SourceSpec
from mcp_gateway.core.call import Json


def compile_catalog(
    spec: ServerSpec,
    inventories: Mapping[str, Inventory],
    *,
    server_version: str,
    limits: Limits = DEFAULT_LIMITS,
    page_size: int = PAGE_SIZE,
) -> Catalog:
    """Compile `spec`. A source without an inventory counts as never reached.

    `problems` of severity ``error`` are entries that the specification wants and that cannot be right:
    configuration errors when a gateway starts, a quarantine when an upstream changes later.
    """
    press = _Press(spec, inventories, page_size)
    gathered = Gathered()
    for source, inventory in press.held:
        gather(source, inventory, limits, gathered, spec.scopes)
    findings = gathered.findings
    named = settle(gathered.tools, spec.conflicts, Listing.TOOLS, findings)
    tools = press.bind(Listing.TOOLS, [(draft, name) for draft, name in named if not draft.quarantined])
    changed = [(draft, name) for draft, name in named if draft.quarantined]
    quarantined = press.set_apart(changed, gathered.unknown, {name for _, name in named})
    prompts = press.bind(Listing.PROMPTS, settle(gathered.prompts, spec.conflicts, Listing.PROMPTS, findings))
    resources = press.bind(Listing.RESOURCES, settle(gathered.resources, spec.conflicts, Listing.RESOURCES, findings))
    templates = press.bind(Listing.TEMPLATES, settle(gathered.templates, spec.conflicts, Listing.TEMPLATES, findings))
    inventories_held = [inventory for _, inventory in press.held]
    down = tuple(dict.fromkeys(i.upstream for i in inventories_held if not i.available and not i.waits_for_person))
    capabilities = [compose(inventories_held, press.wanted, modern=modern) for modern in (True, False)]
    instructions = _instructions(spec, inventories_held)
    info: Json = {"name": spec.name, "version": server_version}
    if spec.title is not None:
        info["title"] = spec.title
    heaviest = sorted(templates, key=lambda pair: -pair[0].weight)  # stable: ties keep the order of sources
    return Catalog(
        server=spec.name,
        title=spec.title,
        instructions=instructions,
        server_info=info,
        digest=press.digest([info, instructions, capabilities]),
        tools=MappingProxyType({binding.name: binding for _, binding in tools}),
        prompts=MappingProxyType({binding.name: binding for _, binding in prompts}),
        resources=MappingProxyType({binding.uri: binding for _, binding in resources}),
        templates=tuple(binding for _, binding in heaviest),
        shelves=MappingProxyType(press.shelves),
        modern_capabilities=capabilities[0],
        legacy_capabilities=capabilities[1],
        sources=press.reports(findings),
        problems=tuple(findings),
        unavailable=down,
        broken=() if spec.best_effort else down,
        quarantined=MappingProxyType(quarantined),
    )


def _wanted(sources: Sequence[SourceSpec]) -> Mapping[Listing, frozenset[str]]:
    return {
        Listing.TOOLS: frozenset(source.upstream for source in sources if source.enabled_tools),
        Listing.PROMPTS: frozenset(source.upstream for source in sources if source.enabled_prompts),
        Listing.RESOURCES: frozenset(source.upstream for source in sources if source.enabled_resources),
        Listing.TEMPLATES: frozenset(source.upstream for source in sources if source.enabled_resources),
    }


def _digest(definition: Json) -> bytes:
    return sha256(orjson.dumps(definition, option=orjson.OPT_SORT_KEYS)).digest()


def _instructions(spec: ServerSpec, inventories: Sequence[Inventory]) -> str | None:
    """The admin's own; a composition of several sources has no other."""
    if spec.instructions is not None or len(inventories) != 1:
        return spec.instructions
    return inventories[0].instructions if writable(inventories[0].instructions) else None


class _Press:
    """Turns drafts into bindings and prints their lists; keeps what the digest and the reports need."""

    def __init__(self, spec: ServerSpec, inventories: Mapping[str, Inventory], page_size: int) -> None:
        self._spec = spec
        self._page_size = page_size
        self.wanted = _wanted(spec.sources)
        self.held = [
            (source, inventories.get(source.upstream) or Inventory(source.upstream, error="not reached yet"))
            for source in spec.sources
        ]
        self.shelves: dict[Listing, Shelf] = {}
        self._records: list[object] = []
        self._exposed: dict[Listing, Counter[str]] = {}

    def bind(self, kind: Listing, settled: Sequence[tuple[Draft[B], str]]) -> list[tuple[Draft[B], B]]:
        """Make the bindings of drafts whose names are settled, print the list."""
        bound = [(draft, draft.make(name)) for draft, name in settled]
        digests = [_digest(binding.definition) for _, binding in bound]
        for (draft, name), digest in zip(settled, digests, strict=True):
            self._records.append(
                [kind, name, draft.upstream, draft.upstream_name, draft.available, draft.facts, digest.hex()]
            )
        self._exposed[kind] = Counter(draft.upstream for draft, _ in bound)
        listed = [index for index, (draft, _) in enumerate(bound) if draft.available]
        entries = [bound[index][1].definition for index in listed]
        encoded = [orjson.dumps(entry) for entry in entries]
        older = [legacy(kind, entry) for entry in entries]
        pairs = zip(entries, older, encoded, strict=True)
        downgraded = [text if old is entry else orjson.dumps(old) for entry, old, text in pairs]
        hint = self._hint(kind, [bound[index][0] for index in listed])
        self.shelves[kind] = Shelf(
            entries=tuple(entries),
            modern=paginate(encoded, hint, self._page_size),
            legacy=paginate(downgraded, hint, self._page_size),
            digest=sha256(b"".join(digests[index] for index in listed)).hexdigest(),
            encoded=tuple(encoded),
            downgraded=tuple(downgraded),
            hint=hint,
            page_size=self._page_size,
        )
        return bound

    def set_apart(
        self,
        changed: Sequence[tuple[Draft[ToolBinding], str]],
        unknown: Sequence[Draft[ToolBinding]],
        taken: Set[str],
    ) -> dict[str, ToolBinding]:
        """The quarantined tools by name: the `changed` ones, and those `unknown` ones whose name nobody has."""
        found = {name: draft.make(name) for draft, name in changed}
        for draft in unknown:
            name = exposable(draft)
            if name not in taken:
                found.setdefault(name, draft.make(name))
        self._records.append([[name, _digest(found[name].definition).hex()] for name in sorted(found)])
        return found

    def _hint(self, kind: Listing, drafts: Sequence[Draft[B]]) -> CacheHint:
        names: dict[str, set[str]] = {}
        for draft in drafts:
            names.setdefault(draft.upstream, set()).add(draft.upstream_name)
        filtered = any(draft.hiding for draft in drafts)
        hints: list[CacheHint] = []
        for _, inventory in self.held:
            shown = names.get(inventory.upstream)
            if shown:
                hints.append(inventory.hints.get(kind, CacheHint()))
                filtered = filtered or len(shown) < len(offered(inventory, kind))
        wanted = self.wanted[kind]
        incomplete = any(inventory.upstream in wanted and not inventory.available for _, inventory in self.held)
        return joined(hints, filtered=filtered, incomplete=incomplete)

    def digest(self, head: object) -> str:
        """SHA-256 over everything composed. Not orjson: values an admin wrote may be beyond its numbers."""
        return sha256(json.dumps([head, self._records], sort_keys=True).encode()).hexdigest()

    def reports(self, findings: Sequence[Finding]) -> tuple[SourceReport, ...]:
        """One report per source."""
        dropped = Counter((finding.upstream, finding.kind) for finding in findings if finding.left_out)
        return tuple(
            SourceReport(
                upstream=inventory.upstream,
                available=inventory.available,
                error=inventory.error,
                version=inventory.version,
                exposed={kind: self._exposed[kind][inventory.upstream] for kind in Listing},
                dropped={kind: dropped[inventory.upstream, kind] for kind in Listing},
            )
            for _, inventory in self.held
        )
