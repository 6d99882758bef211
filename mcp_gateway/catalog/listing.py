"""List results, encoded once when the catalog is compiled, so that serving a list costs no encoding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from mcp_gateway.calls.inventory import CacheHint, Listing
from mcp_gateway.core.call import Json

PAGE_SIZE: Final = 1000
PAGE_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """One page of a list. `entries` is a JSON array of `count` definitions, ready for `orjson.dumps`."""

    entries: orjson.Fragment
    count: int
    ttl_ms: int
    private: bool


def legacy(kind: Listing, definition: Json) -> Json:
    """The handshake-era form: an ``outputSchema`` that is not of type object does not exist there."""
    if kind is Listing.TOOLS and "outputSchema" in definition and definition["outputSchema"].get("type") != "object":
        return {key: value for key, value in definition.items() if key != "outputSchema"}
    return definition


def paginate(entries: Iterable[bytes], hint: CacheHint, page_size: int = PAGE_SIZE) -> tuple[Page, ...]:
    """Pages of encoded entries, at least one, each of at most `page_size` entries and about four MiB."""
    pages: list[Page] = []
    held: list[bytes] = []
    size = 0
    for entry in entries:
        if held and (len(held) >= page_size or size + len(entry) > PAGE_BYTES):
            pages.append(_page(held, hint))
            held, size = [], 0
        held.append(entry)
        size += len(entry) + 1
    if held or not pages:
        pages.append(_page(held, hint))
    return tuple(pages)


def _page(entries: Sequence[bytes], hint: CacheHint) -> Page:
    return Page(orjson.Fragment(b"[" + b",".join(entries) + b"]"), len(entries), hint.ttl_ms, hint.private)


def joined(hints: Sequence[CacheHint], *, filtered: bool, incomplete: bool) -> CacheHint:
    """The hint of an aggregated list: the shortest life, private if any part is or anything is kept from it.

    A list that lacks a source for now lives for no time, as does one that nobody contributes to.
    """
    ttl_ms = 0 if incomplete or not hints else max(0, min(hint.ttl_ms for hint in hints))
    return CacheHint(ttl_ms, filtered or not hints or any(hint.private for hint in hints))
