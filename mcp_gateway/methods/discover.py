"""server/discover, from which the handshake era's `initialize` is answered too."""

from __future__ import annotations

from mcp_gateway.calls.kinds import Result
from mcp_gateway.catalog.catalog import Catalog
from mcp_gateway.core.call import Call
from mcp_gateway.core.versions import HANDSHAKE, MODERN


class Discover:
    """Says what the virtual server is and can do."""

    __slots__ = ("_catalog",)

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def __call__(self, call: Call) -> Result:
        catalog = self._catalog
        result: Result = {
            "resultType": "complete",
            "supportedVersions": [*MODERN, *HANDSHAKE],
            "capabilities": catalog.capabilities(call.client.modern),
            "ttlMs": min(page.ttl_ms for shelf in catalog.shelves.values() for page in shelf.modern),
            "cacheScope": "private",
        }
        if catalog.instructions:
            result["instructions"] = catalog.instructions
        return result
