"""Which lists differ between two catalogs of one virtual server."""

from __future__ import annotations

from typing import Final

from mcp_gateway.calls.inventory import Change, Listing
from mcp_gateway.catalog.catalog import Catalog

_CHANGES: Final = (
    (Listing.TOOLS, Change.TOOLS),
    (Listing.PROMPTS, Change.PROMPTS),
    (Listing.RESOURCES, Change.RESOURCES),
    (Listing.TEMPLATES, Change.RESOURCES),
)


def changes(old: Catalog, new: Catalog) -> frozenset[Change]:
    """What a client of both would see differ, in content or order."""
    return frozenset(change for kind, change in _CHANGES if old.shelves[kind].digest != new.shelves[kind].digest)
