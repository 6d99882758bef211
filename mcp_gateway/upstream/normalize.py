"""Results in the 2026-07-28 shape, whatever era the upstream speaks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from mcp_gateway.calls.kinds import Kind, Result
from mcp_gateway.core.call import Json

_UNCACHED: Final[Mapping[str, Any]] = MappingProxyType({"ttlMs": 0, "cacheScope": "private"})


def from_modern(result: Json) -> Result:
    """As it came; `resultType` is added where the upstream left it out, which means complete."""
    return result if "resultType" in result else {"resultType": "complete", **result}


def from_handshake(kind: Kind, result: Json) -> Result:
    """A handshake-era result is always complete, and what is read must not be cached unless it says otherwise.

    A `resultType` in it is not the protocol's (the era has none) and must not be taken for it.
    """
    if kind is Kind.RESOURCE:
        return {**_UNCACHED, **result, "resultType": "complete"}
    return {**result, "resultType": "complete"}
