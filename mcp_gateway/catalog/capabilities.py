"""What a virtual server says it can do, from what its sources can do and what it exposes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from mcp_gateway.calls.inventory import Inventory, Listing
from mcp_gateway.catalog.schema import writable
from mcp_gateway.core.call import Json

_LISTS: Final = ("tools", "prompts", "resources")
_NOT_PASSED_ON: Final = frozenset({"io.modelcontextprotocol/tasks"})


def compose(inventories: Sequence[Inventory], wanted: Mapping[Listing, frozenset[str]], *, modern: bool) -> Json:
    """A ServerCapabilities object.

    `wanted` names, per list, the upstreams that the specification takes something from. A list is offered when
    one of them offers it, or was never reached and may: a client asks only once. ``listChanged`` is true, for
    the gateway follows its sources and its own configuration. Extensions exist in the modern era only.
    """
    available = [inventory for inventory in inventories if inventory.available]
    capabilities: Json = {}
    for name in _LISTS:
        names = wanted.get(Listing(name), frozenset())
        offering = [i for i in inventories if i.upstream in names and (name in i.capabilities or not i.version)]
        if offering:
            capabilities[name] = {"listChanged": True}
            if name == "resources" and any(_subscribes(inventory) for inventory in offering):
                capabilities[name]["subscribe"] = True
    completable = wanted.get(Listing.PROMPTS, frozenset()) | wanted.get(Listing.RESOURCES, frozenset())
    if any("completions" in inventory.capabilities and inventory.upstream in completable for inventory in available):
        capabilities["completions"] = {}
    if any("logging" in inventory.capabilities for inventory in available):
        capabilities["logging"] = {}
    extensions = _extensions(available)
    if modern and extensions:
        capabilities["extensions"] = extensions
    return capabilities


def _subscribes(inventory: Inventory) -> bool:
    resources = inventory.capabilities.get("resources")
    return isinstance(resources, dict) and resources.get("subscribe") is True


def _extensions(available: Sequence[Inventory]) -> Json:
    extensions: Json = {}
    for inventory in available:
        own = inventory.capabilities.get("extensions")
        for name, settings in own.items() if isinstance(own, dict) else ():
            if name not in _NOT_PASSED_ON and writable({name: settings}):
                extensions.setdefault(name, settings)
    return extensions
