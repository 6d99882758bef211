"""How the fields of MCP messages carry text. Pure.

The table is complete for the message types that pass a call (a test reads them off the protocol's own types). What it
does not name is looked at and rewritten like any text, so that nothing passes for being new.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final


class Handling(Enum):
    """What a field of the protocol is to guardrails."""

    TEXT = auto()
    """Looked at and rewritten; what is found in a list under it too."""

    FIXED = auto()
    """Looked at, never rewritten: an address, an identifier or a word of the protocol means something as it is."""

    BINARY = auto()
    """Base64: what it holds is looked at."""

    PARTS = auto()
    """An object of the protocol, or a list of them."""

    NAMED = auto()
    """An object whose keys the other side chose and whose values are objects of the protocol."""

    FREE = auto()
    """Anything: every key and every value below it is looked at."""


FIELDS: Final[Mapping[str, Handling]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("text", "message", "title", "description", "systemPrompt", "value", "values", "stopSequences"),
            Handling.TEXT,
        ),
        **dict.fromkeys(
            ("type", "role", "resultType", "mimeType", "cacheScope", "lastModified", "audience", "level", "logger"),
            Handling.FIXED,
        ),
        **dict.fromkeys(
            ("name", "uri", "url", "src", "sizes", "theme", "elicitationId", "id", "toolUseId", "progressToken"),
            Handling.FIXED,
        ),
        **dict.fromkeys(
            ("action", "mode", "method", "model", "stopReason", "includeContext", "taskSupport", "requestState"),
            Handling.FIXED,
        ),
        **dict.fromkeys(("blob",), Handling.BINARY),
        **dict.fromkeys(
            ("content", "contents", "messages", "resource", "annotations", "icons", "completion", "params", "ref"),
            Handling.PARTS,
        ),
        **dict.fromkeys(
            ("argument", "context", "roots", "tools", "toolChoice", "execution", "task", "modelPreferences", "hints"),
            Handling.PARTS,
        ),
        **dict.fromkeys(("inputRequests", "inputResponses"), Handling.NAMED),
        **dict.fromkeys(
            ("arguments", "structuredContent", "_meta", "data", "input", "metadata"),
            Handling.FREE,
        ),
        **dict.fromkeys(("requestedSchema", "inputSchema", "outputSchema"), Handling.FREE),
        # Numbers and flags, as long as nobody puts something else there.
        **dict.fromkeys(
            ("isError", "ttlMs", "ttl", "size", "hasMore", "total", "progress", "code", "priority", "temperature"),
            Handling.FREE,
        ),
        **dict.fromkeys(("maxTokens", "costPriority", "speedPriority", "intelligencePriority"), Handling.FREE),
    }
)
"""Field → how it carries text, wherever the protocol has it. `data` of an image or a sound is binary."""

LINK: Final = "resource_link"
"""The type of content whose `name` is for people: elsewhere a name finds something."""

BINARY_TYPES: Final = frozenset({"image", "audio"})
"""Types of content whose `data` is base64."""

OPAQUE: Final = frozenset({"requestState", "progressToken"})
"""Fields of a message itself, not of its parts, that are for the other end alone: given back as they came."""
