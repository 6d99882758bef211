"""Reads what an upstream offers into an `Inventory`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from mcp_gateway.calls.inventory import CacheHint, Change, Inventory, Listing
from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import Rejected
from mcp_gateway.upstream.listing import METHODS, ReadList, read_list
from mcp_gateway.upstream.spec import Log
from mcp_gateway.upstream.streamable import METHOD_NOT_FOUND
from mcp_gateway.upstream.wire import MODERN, Conversation, Exchange

EVERYTHING: Final = frozenset(Listing)

LISTINGS: Final[Mapping[Change, frozenset[Listing]]] = MappingProxyType(
    {
        Change.TOOLS: frozenset({Listing.TOOLS}),
        Change.PROMPTS: frozenset({Listing.PROMPTS}),
        Change.RESOURCES: frozenset({Listing.RESOURCES, Listing.TEMPLATES}),
    }
)
"""What has to be read again when an upstream announces a change."""

FIELDS: Final[Mapping[Listing, str]] = MappingProxyType(
    {
        Listing.TOOLS: "tools",
        Listing.PROMPTS: "prompts",
        Listing.RESOURCES: "resources",
        Listing.TEMPLATES: "templates",
    }
)


async def read_inventory(
    conversation: Conversation,
    last: Inventory,
    listings: frozenset[Listing],
    exchange: Callable[[], Exchange],
    log: Log,
) -> Inventory:
    """`last` with `listings` read anew. `exchange` makes what accompanies each request.

    Only lists that the upstream's capabilities promise are asked for; one of a modern upstream that promises
    none is asked for its tools nevertheless. A list that the upstream refuses keeps what was last known of it,
    except the tools, without which an upstream is of no use. Raises `UpstreamError`.
    """
    capabilities = conversation.capabilities
    silent = conversation.version == MODERN and not any(name in capabilities for _, _, name in METHODS)
    fields: dict[str, tuple[Json, ...]] = {}
    hints: dict[Listing, CacheHint] = dict(last.hints)
    for listing, method, capability in METHODS:
        if listing not in listings:
            continue
        found: ReadList | None = None
        if capability in capabilities or (silent and listing is Listing.TOOLS):
            try:
                found = await read_list(conversation, listing, method, exchange(), log)
            except Rejected as error:
                if not conversation.alive or (listing is Listing.TOOLS and error.code != METHOD_NOT_FOUND):
                    raise
                if error.code != METHOD_NOT_FOUND:
                    log.warning("list_refused", list=listing.value, code=error.code)
                    continue
        fields[FIELDS[listing]] = found.entries if found is not None else ()
        hints.pop(listing, None)
        if found is not None:
            hints[listing] = found.hint
    return replace(
        last,
        tools=fields.get("tools", last.tools),
        prompts=fields.get("prompts", last.prompts),
        resources=fields.get("resources", last.resources),
        templates=fields.get("templates", last.templates),
        capabilities=capabilities,
        server_info=conversation.server_info,
        instructions=conversation.instructions,
        hints=MappingProxyType(hints),
        version=conversation.version,
        available=True,
        error=None,
    )
