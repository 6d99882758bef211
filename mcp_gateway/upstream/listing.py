"""Reads one list of an upstream, all pages, and keeps what can be used. Bounded whatever the upstream sends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp_gateway.calls.inventory import CacheHint, Listing
from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.core.mcp_headers import find_invalid_x_mcp_header
from mcp_gateway.core.strictjson import dumps
from mcp_gateway.upstream.spec import Log
from mcp_gateway.upstream.wire import Conversation, Exchange

METHODS: Final = (
    (Listing.TOOLS, "tools/list", "tools"),
    (Listing.PROMPTS, "prompts/list", "prompts"),
    (Listing.RESOURCES, "resources/list", "resources"),
    (Listing.TEMPLATES, "resources/templates/list", "resources"),
)
"""Each list: the method that reads it and the server capability that promises it."""

MOST_PAGES: Final = 100
MOST_ENTRIES: Final = 10_000
MOST_BYTES: Final = 32 * 1024 * 1024
"""Of all pages of one list together."""

_IDENTITY: Final[Mapping[Listing, str]] = {
    Listing.TOOLS: "name",
    Listing.PROMPTS: "name",
    Listing.RESOURCES: "uri",
    Listing.TEMPLATES: "uriTemplate",
}


@dataclass(frozen=True, slots=True)
class ReadList:
    """The entries of one list as they came, and how fresh they are."""

    entries: tuple[Json, ...]
    hint: CacheHint


async def read_list(
    conversation: Conversation, listing: Listing, method: str, exchange: Exchange, log: Log
) -> ReadList:
    """All pages. An empty cursor is a cursor: only its absence ends the list.

    Raises `ProtocolViolation` for a list that is none, that goes in circles or beyond the bounds, otherwise
    what `Conversation.request` raises.
    """
    entries: list[Any] = []
    hints: list[CacheHint] = []
    seen: set[str] = set()
    params: Json = {}
    size = 0
    while True:
        page = await conversation.request(method, params, exchange)
        found, cursor = page.get(listing.value), page.get("nextCursor")
        if not isinstance(found, list) or not isinstance(cursor, str | None):
            raise ProtocolViolation(f"the upstream's answer to {method} is not a list")
        entries += found
        hints.append(_hint(page))
        size += len(dumps(found))
        endless = cursor is not None and len(hints) == MOST_PAGES
        if endless or len(entries) > MOST_ENTRIES or size > MOST_BYTES:
            raise ProtocolViolation(f"the upstream's answer to {method} is longer than the gateway accepts")
        if cursor is None:
            return ReadList(tuple(_usable(listing, entries, log)), _least(hints))
        if cursor in seen:
            raise ProtocolViolation(f"the upstream's pages of {method} go in circles")
        seen.add(cursor)
        params = {"cursor": cursor}


def _hint(page: Json) -> CacheHint:
    ttl = page.get("ttlMs")
    return CacheHint(max(ttl, 0) if type(ttl) is int else 0, page.get("cacheScope") != "public")


def _least(hints: list[CacheHint]) -> CacheHint:
    return CacheHint(min(hint.ttl_ms for hint in hints), any(hint.private for hint in hints))


def _usable(listing: Listing, entries: list[Any], log: Log) -> Iterator[Json]:
    """The entries that have an identity of their own; a tool with an invalid ``x-mcp-header`` is not offered.

    What is left out is reported by its position or its name, cut short: both are the upstream's words.
    """
    key = _IDENTITY[listing]
    seen: set[str] = set()
    for position, entry in enumerate(entries):
        identity = entry.get(key) if isinstance(entry, dict) else None
        if not isinstance(identity, str) or not identity:
            log.warning("entry_dropped", list=listing.value, position=position, why=f"it has no {key}")
            continue
        why = "it is listed twice" if identity in seen else None
        if why is None and listing is Listing.TOOLS:
            why = find_invalid_x_mcp_header(entry.get("inputSchema"))
        if why is not None:
            log.warning("entry_dropped", list=listing.value, entry=identity[:128], why=why[:256])
            continue
        seen.add(identity)
        yield entry
