"""What the upstream of the bench offers, at which path, and what its answers must be at the other end. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

MODERN: Final = "2026-07-28"
HANDSHAKE: Final = "2025-11-25"

Era = Literal["new", "old"]
Shape = Literal["json", "sse"]

_PREFIX: Final = "io.modelcontextprotocol/"
META: Final[Mapping[str, object]] = {
    _PREFIX + "protocolVersion": MODERN,
    _PREFIX + "clientCapabilities": {},
    _PREFIX + "clientInfo": {"name": "bench", "version": "1.0.0"},
}
"""`_meta` of a modern request."""


@dataclass(frozen=True, slots=True)
class Site:
    """One MCP server: its era, and whether it answers calls by JSON or by a stream with one progress notification."""

    era: Era
    shape: Shape
    tools: int

    @property
    def name(self) -> str:
        return f"{self.era}-{self.shape}-{self.tools}"

    @property
    def path(self) -> str:
        return f"/{self.name}/mcp"

    @property
    def tool_names(self) -> list[str]:
        return [f"query_{number:03}" for number in range(self.tools)]


GUARDED: Final = "/guarded"
"""Before the path of a site: there, calls need a token of a person, everything else one of whomever."""

AUDIENCE: Final = "urn:bench"
PERSONS: Final = "persons-"
GATEWAYS_OWN: Final = "gateways-"
"""How the tokens for the upstream begin."""

SITES: Final = (
    Site("new", "json", 20),
    Site("new", "sse", 20),
    Site("old", "json", 20),
    Site("old", "sse", 20),
    Site("new", "json", 200),
)


def definition(name: str) -> dict[str, Any]:
    """A tool of ordinary size."""
    return {
        "name": name,
        "title": f"Query {name}",
        "description": "The entry of the ledger that was booked under a key, with its amount and its currency.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "key": {"type": "string", "minLength": 1, "description": "The key of the entry"},
                "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
            },
            "required": ["key"],
            "additionalProperties": False,
        },
        "annotations": {"readOnlyHint": True, "openWorldHint": False},
    }


def result(key: str) -> dict[str, Any]:
    """What a call with `key` is answered with, apart from `resultType`: every caller can tell its own answer."""
    return {
        "content": [{"type": "text", "text": f"entry {key}: 4711.00 EUR, booked"}],
        "structuredContent": {"key": key, "amount": "4711.00", "currency": "EUR"},
        "isError": False,
    }
