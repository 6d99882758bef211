"""How the fields of MCP messages carry text. Pure.

The table is complete for the message types that pass a call (a test reads them off the protocol's own types). What it
does not name is looked at and rewritten like any text, so that nothing passes for being new.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from mcp_gateway.envelopes.safety.grammar import Grammar, Handling

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

MCP: Final = Grammar(
    FIELDS,
    typed=MappingProxyType(
        {
            "data": MappingProxyType(dict.fromkeys(("image", "audio"), Handling.BINARY)),
            # The name of a link is for people: elsewhere a name finds something.
            "name": MappingProxyType({"resource_link": Handling.TEXT}),
        }
    ),
    opaque=frozenset({"requestState", "progressToken"}),
)
