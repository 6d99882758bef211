"""Which of a client's capabilities are declared to an upstream: only what can be relayed. Pure.

Never more than the client declared: an upstream that sees `sampling` will use it. Across the eras nothing is
declared, since questions of one era are not put to clients of the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import orjson

from mcp_gateway.core.call import Json

TASKS: Final = "io.modelcontextprotocol/tasks"

FAMILIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sampling/createMessage": "sampling",
        "elicitation/create": "elicitation",
        "roots/list": "roots",
    }
)
"""Each question an upstream may ask and the capability that allows it."""

_RELAYED: Final = frozenset({"roots", "sampling", "elicitation"})
_RELAYED_WITH_EXTENSIONS: Final = frozenset({"roots", "sampling", "elicitation", "extensions"})


def for_modern(declared: Json) -> Json:
    """What a modern client's request declares to a modern upstream: no tasks, nothing experimental."""
    if not declared.keys() - _RELAYED:
        return declared
    kept = {key: value for key, value in declared.items() if key in _RELAYED_WITH_EXTENSIONS}
    extensions = kept.get("extensions")
    if isinstance(extensions, dict) and TASKS in extensions:
        kept["extensions"] = {name: value for name, value in extensions.items() if name != TASKS}
    return kept


def for_handshake(declared: Json) -> Json:
    """What a handshake-era client's session declares to a handshake-era upstream.

    Changes of the client's roots are not relayed, so `listChanged` is not declared.
    """
    kept = {key: value for key, value in declared.items() if key in _RELAYED and isinstance(value, dict)}
    if "roots" in kept:
        kept["roots"] = {key: value for key, value in kept["roots"].items() if key != "listChanged"}
    return kept


def fingerprint(capabilities: Json) -> bytes:
    """The same bytes for the same capabilities in whatever order; empty for none."""
    return orjson.dumps(capabilities, option=orjson.OPT_SORT_KEYS) if capabilities else b""
