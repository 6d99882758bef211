"""What one virtual server has for a caller. What a caller may not use is not there: the two look alike.

`Everything` is the offer of a configuration without policies, `ByPolicy` that of one with them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from mcp_gateway.calls.inventory import Listing
from mcp_gateway.calls.kinds import PromptBinding, ResourceBinding, TemplateBinding, ToolBinding
from mcp_gateway.calls.subjects import Subjects
from mcp_gateway.catalog.catalog import Catalog
from mcp_gateway.catalog.listing import Page
from mcp_gateway.core.call import Call
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.policy.cedar.model import Subject
from mcp_gateway.envelopes.policy.cedar.visibility import Visibility

MAX_LISTS: Final = 128
"""Most different lists kept ready; people of the same teams share one."""

Source = ResourceBinding | TemplateBinding


@dataclass(frozen=True, slots=True)
class Listed:
    """One list for one caller: its pages, at least one, and a digest that names what is in it."""

    pages: tuple[Page, ...]
    digest: str


class Offer(Protocol):
    """One virtual server for one caller after the other. Each look-up is None where there is nothing to be seen."""

    def tool(self, name: str, call: Call) -> ToolBinding | None: ...

    def quarantined(self, name: str, call: Call) -> bool:
        """Whether the caller would see a tool of this name, were it the one that was accepted."""
        ...

    def prompt(self, name: str, call: Call) -> PromptBinding | None: ...

    def resource(self, uri: str, call: Call) -> Source | None:
        """Who serves `uri`, listed or as an expansion of a template."""
        ...

    def template(self, template: str, call: Call) -> TemplateBinding | None:
        """The template of exactly this text, whose variables are to be completed."""
        ...

    def followed(self, uri: str, call: Call) -> Source | None:
        """Who serves `uri`, if the caller may read it now and so may be told of its changes."""
        ...

    async def listed(self, kind: Listing, call: Call) -> Listed:
        """Raises `Unreachable` when a source that must be there is down."""
        ...


class Everything:
    """All of a catalog, for everybody."""

    __slots__ = ("_catalog", "_templates")

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._templates = {binding.template: binding for binding in catalog.templates}

    def tool(self, name: str, call: Call) -> ToolBinding | None:
        return self._catalog.tools.get(name)

    def quarantined(self, name: str, call: Call) -> bool:
        return name in self._catalog.quarantined

    def prompt(self, name: str, call: Call) -> PromptBinding | None:
        return self._catalog.prompts.get(name)

    def resource(self, uri: str, call: Call) -> Source | None:
        return self._catalog.resolve_resource(uri)

    def template(self, template: str, call: Call) -> TemplateBinding | None:
        return self._templates.get(template)

    def followed(self, uri: str, call: Call) -> Source | None:
        return self._catalog.resolve_resource(uri)

    async def listed(self, kind: Listing, call: Call) -> Listed:
        return Listed(self._catalog.listing(kind, call.client.modern), self._catalog.digest)


class ByPolicy:
    """That part of a catalog which policies could let a caller use. The door decides on each call all the same."""

    def __init__(
        self,
        catalog: Catalog,
        subjects: Subjects,
        visibility: Visibility,
        may_read: Callable[[Call, str, str], bool],
    ) -> None:
        """`may_read` decides in full on a call's principal, an upstream and a URI."""
        self._catalog = catalog
        self._subjects = subjects
        self._visibility = visibility
        self._may_read = may_read
        self._templates = {binding.template: binding for binding in catalog.templates}
        self._entries = {kind: self._listable(kind) for kind in Listing}
        self._lists: OrderedDict[tuple[Listing, bool, frozenset[Hashable]], Listed] = OrderedDict()

    def tool(self, name: str, call: Call) -> ToolBinding | None:
        binding = self._catalog.tools.get(name)
        if binding is None:
            return None
        return binding if self._sees(call.principal, ("tool", name), lambda: self._subjects.tools[name]) else None

    def quarantined(self, name: str, call: Call) -> bool:
        if name not in self._catalog.quarantined:
            return False
        return self._sees(call.principal, ("quarantined", name), lambda: self._subjects.tools[name])

    def prompt(self, name: str, call: Call) -> PromptBinding | None:
        binding = self._catalog.prompts.get(name)
        if binding is None:
            return None
        return binding if self._sees(call.principal, ("prompt", name), lambda: self._prompt(binding)) else None

    def resource(self, uri: str, call: Call) -> Source | None:
        binding = self._catalog.resolve_resource(uri)
        if binding is None:
            return None
        seen = self._sees(call.principal, ("resource", uri), lambda: self._subjects.resource(binding.upstream, uri))
        return binding if seen else None

    def template(self, template: str, call: Call) -> TemplateBinding | None:
        binding = self._templates.get(template)
        if binding is None:
            return None
        return binding if self._sees(call.principal, ("template", template), lambda: self._template(binding)) else None

    def followed(self, uri: str, call: Call) -> Source | None:
        binding = self.resource(uri, call)
        return binding if binding is not None and self._may_read(call, binding.upstream, uri) else None

    async def listed(self, kind: Listing, call: Call) -> Listed:
        modern = call.client.modern
        self._catalog.listing(kind, modern)  # raises where a source that must be there is down
        shown = await self._visibility.visible(call.principal, self._entries[kind])
        key = (kind, modern, shown)
        listed = self._lists.get(key)
        if listed is None:
            shelf = self._catalog.shelves[kind]
            flags = [entry in shown for entry in self._entries[kind]]
            digest = sha256(repr((self._catalog.digest, flags)).encode()).hexdigest()
            listed = self._lists[key] = Listed(shelf.only(flags, modern), digest)
            if len(self._lists) > MAX_LISTS:
                self._lists.popitem(last=False)
        return listed

    def _sees(self, principal: Principal, key: Hashable, subject: Callable[[], Subject]) -> bool:
        return self._visibility.sees(principal, key, subject)

    def _prompt(self, binding: PromptBinding) -> Subject:
        return self._subjects.prompts[binding.upstream, binding.upstream_name]

    def _template(self, binding: TemplateBinding) -> Subject:
        return self._subjects.resource(binding.upstream, binding.template)

    def _listable(self, kind: Listing) -> Mapping[Hashable, Subject]:
        """What is asked about for each entry of a list, in the order of its entries."""
        entries = self._catalog.entries(kind)
        catalog = self._catalog
        match kind:
            case Listing.TOOLS:
                return {("tool", entry["name"]): self._subjects.tools[entry["name"]] for entry in entries}
            case Listing.PROMPTS:
                prompts = catalog.prompts
                return {("prompt", entry["name"]): self._prompt(prompts[entry["name"]]) for entry in entries}
            case Listing.RESOURCES:
                uris = [entry["uri"] for entry in entries]
                return {
                    ("resource", uri): self._subjects.resource(catalog.resources[uri].upstream, uri) for uri in uris
                }
            case Listing.TEMPLATES:
                texts = [entry["uriTemplate"] for entry in entries]
                return {("template", text): self._template(self._templates[text]) for text in texts}
