"""From the sources' inventories to drafts, list by list: shapes checked, globs applied, misses reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from mcp_gateway.calls.inventory import Inventory, Listing
from mcp_gateway.calls.kinds import PromptBinding, ResourceBinding, TemplateBinding, ToolBinding
from mcp_gateway.catalog.bounds import Limits
from mcp_gateway.catalog.connect import draft_connect
from mcp_gateway.catalog.draft import B, Draft
from mcp_gateway.catalog.findings import Finding, LeftOut, Severity, clip, nearest
from mcp_gateway.catalog.globs import Globs
from mcp_gateway.catalog.others import draft_prompt, draft_resource, draft_template
from mcp_gateway.catalog.shapes import IDENTITY, identity, require_shape
from mcp_gateway.catalog.spec import SourceSpec
from mcp_gateway.catalog.tools import draft_tool
from mcp_gateway.catalog.uris import comparable
from mcp_gateway.core.call import Json

_LISTS: Final[Mapping[Listing, Callable[[Inventory], Sequence[Json]]]] = {
    Listing.TOOLS: lambda inventory: inventory.tools,
    Listing.PROMPTS: lambda inventory: inventory.prompts,
    Listing.RESOURCES: lambda inventory: inventory.resources,
    Listing.TEMPLATES: lambda inventory: inventory.templates,
}


def offered(inventory: Inventory, kind: Listing) -> Sequence[Json]:
    """The raw entries of one list."""
    return _LISTS[kind](inventory)


@dataclass(slots=True)
class Gathered:
    """Everything drafted so far, in order of sources and then of their lists. `unknown` are tools never accepted."""

    tools: list[Draft[ToolBinding]] = field(default_factory=list)
    unknown: list[Draft[ToolBinding]] = field(default_factory=list)
    prompts: list[Draft[PromptBinding]] = field(default_factory=list)
    resources: list[Draft[ResourceBinding]] = field(default_factory=list)
    templates: list[Draft[TemplateBinding]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def gather(
    source: SourceSpec, inventory: Inventory, limits: Limits, into: Gathered, scopes: Sequence[str] = ()
) -> None:
    """Draft what `source` takes of `inventory`; `scopes` are those that the server needs for everything.

    Of an inventory that waits for a person there is only the tool to connect an account.
    """
    if inventory.waits_for_person:
        if source.enabled_tools:
            into.tools.append(draft_connect(source))
        return
    desk = _Desk(source, inventory, limits, into.findings)
    up = inventory.available
    tools = Globs(source.enabled_tools, source.disabled_tools)
    prompts, resources = Globs(source.enabled_prompts), Globs(source.enabled_resources)

    def draft(entry: Json) -> Draft[ToolBinding]:
        return draft_tool(entry, source, up, limits, scopes)

    def locked(entry: Json) -> Draft[ToolBinding]:
        return replace(draft(entry), quarantined=True)

    desk.draft(Listing.TOOLS, tools, inventory.tools, draft, into.tools)
    desk.draft(Listing.TOOLS, tools, _quarantined(inventory, new=False), locked, into.tools)
    desk.draft(Listing.TOOLS, tools, _quarantined(inventory, new=True), locked, into.unknown)
    desk.draft(Listing.PROMPTS, prompts, inventory.prompts, lambda entry: draft_prompt(entry, source, up), into.prompts)
    desk.draft(
        Listing.RESOURCES,
        resources,
        inventory.resources,
        lambda entry: draft_resource(entry, source, up),
        into.resources,
    )
    excluded = _excluded(inventory, resources)
    desk.draft(
        Listing.TEMPLATES,
        resources,
        inventory.templates,
        lambda entry: draft_template(entry, source, up, excluded),
        into.templates,
    )
    if inventory.version:
        desk.report_misses(tools, prompts, resources)


def _quarantined(inventory: Inventory, *, new: bool) -> Sequence[Json]:
    return [each.definition for each in inventory.quarantined if each.new is new]


def _excluded(inventory: Inventory, globs: Globs) -> frozenset[str]:
    uris = (identity(Listing.RESOURCES, entry) for entry in inventory.resources)
    return frozenset(comparable(uri) for uri in uris if uri and not globs.admit(uri))


class _Desk:
    """Drafts the lists of one source."""

    def __init__(self, source: SourceSpec, inventory: Inventory, limits: Limits, findings: list[Finding]) -> None:
        self._source = source
        self._inventory = inventory
        self._limits = limits
        self._findings = findings

    def draft(
        self,
        kind: Listing,
        globs: Globs,
        entries: Sequence[Json],
        make: Callable[[Json], Draft[B]],
        into: list[Draft[B]],
    ) -> None:
        if not globs:
            return
        seen: set[str] = set()
        for entry in entries:
            name = identity(kind, entry)
            if name and not globs.admit(name):
                continue
            try:
                require_shape(kind, entry, self._limits)
                if name in seen:
                    raise LeftOut(f"its {IDENTITY[kind]} was listed before by the same upstream")
                seen.add(name)
                draft = make(entry)
            except LeftOut as error:
                self._report(error.severity, kind, name, f"left out: {error.message}", left_out=True)
                continue
            for warning in draft.warnings:
                self._report(Severity.WARNING, kind, name, warning)
            into.append(draft)

    def report_misses(self, tools: Globs, prompts: Globs, resources: Globs) -> None:
        """Globs and changes that concern nothing the upstream offers."""
        names = {kind: list(self._names(kind)) for kind in Listing}
        for kind, globs, known in (
            (Listing.TOOLS, tools, names[Listing.TOOLS]),
            (Listing.PROMPTS, prompts, names[Listing.PROMPTS]),
            (Listing.RESOURCES, resources, names[Listing.RESOURCES] + names[Listing.TEMPLATES]),
        ):
            for glob in globs.idle(known):
                self._report(Severity.WARNING, kind, "", f"{glob!r} matches nothing{nearest(glob, known)}")
        for name in self._source.tools:
            known = names[Listing.TOOLS]
            if name not in known:
                message = f"changes are configured for the tool {name!r}, which does not exist{nearest(name, known)}"
                self._report(Severity.WARNING, Listing.TOOLS, "", message)
            elif not tools.admit(name):
                message = "changes are configured for it, but it is not enabled"
                self._report(Severity.WARNING, Listing.TOOLS, name, message)

    def _names(self, kind: Listing) -> Iterator[str]:
        locked = self._inventory.quarantined if kind is Listing.TOOLS else ()
        for entry in (*offered(self._inventory, kind), *(each.definition for each in locked)):
            name = identity(kind, entry)
            if name:
                yield name

    def _report(self, severity: Severity, kind: Listing, item: str, message: str, left_out: bool = False) -> None:
        self._findings.append(Finding(severity, self._source.upstream, kind, clip(item), message, left_out))
