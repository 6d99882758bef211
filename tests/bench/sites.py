"""What the upstream of the bench offers, and at which path. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

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
    """One MCP server: its era, and whether it answers calls by JSON or by a stream with one progress notification.

    `full`: calls carry a kilobyte, and their results two.
    """

    era: Era
    shape: Shape
    tools: int
    full: bool = False

    @property
    def name(self) -> str:
        return f"{self.era}-{self.shape}-{self.tools}{'-full' if self.full else ''}"

    @property
    def path(self) -> str:
        return f"/{self.name}/mcp"

    @property
    def tool_names(self) -> list[str]:
        return [f"query_{number:03}" for number in range(self.tools)]


SIGNED: Final = "/signed"
"""Before the path of a site: there, calls need a token of a person, everything else one of whomever."""

AUDIENCE: Final = "urn:bench"
PERSONS: Final = "persons-"
GATEWAYS_OWN: Final = "gateways-"
"""How the tokens for the upstream begin."""

FULL: Final = Site("new", "json", 20, full=True)
SITES: Final = (
    Site("new", "json", 20),
    Site("new", "sse", 20),
    Site("old", "json", 20),
    Site("old", "sse", 20),
    Site("new", "json", 200),
    FULL,
)
