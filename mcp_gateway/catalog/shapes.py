"""The outer shape of definitions. One that breaks it would make typed clients reject a whole list."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from mcp_gateway.calls.inventory import Listing
from mcp_gateway.catalog.bounds import Limits
from mcp_gateway.catalog.findings import LeftOut
from mcp_gateway.catalog.schema import encoded_size
from mcp_gateway.core.call import Json

IDENTITY: Final[Mapping[Listing, str]] = MappingProxyType(
    {Listing.TOOLS: "name", Listing.PROMPTS: "name", Listing.RESOURCES: "uri", Listing.TEMPLATES: "uriTemplate"}
)
"""The field by which each kind of entry is known to its upstream."""

_REQUIRED: Final[Mapping[Listing, tuple[tuple[str, type], ...]]] = MappingProxyType(
    {
        Listing.TOOLS: (("name", str), ("inputSchema", dict)),
        Listing.PROMPTS: (("name", str),),
        Listing.RESOURCES: (("uri", str), ("name", str)),
        Listing.TEMPLATES: (("uriTemplate", str), ("name", str)),
    }
)
_OPTIONAL: Final[tuple[tuple[str, type], ...]] = (
    ("title", str),
    ("description", str),
    ("annotations", dict),
    ("outputSchema", dict),
    ("mimeType", str),
    ("icons", list),
    ("_meta", dict),
)
_WORDS: Final[Mapping[type, str]] = MappingProxyType({str: "a string", dict: "an object", list: "an array"})


def identity(kind: Listing, definition: object) -> str:
    """What the upstream calls this entry, empty if it does not say."""
    found = definition.get(IDENTITY[kind]) if isinstance(definition, dict) else None
    return found if isinstance(found, str) else ""


def require_shape(kind: Listing, definition: Json, limits: Limits) -> None:
    """Raises `LeftOut` unless the fields of `definition` have the types of the protocol and its size is bearable."""
    if not isinstance(definition, dict):
        raise LeftOut("it is not an object")
    for key, wanted in _REQUIRED[kind]:
        if not isinstance(definition.get(key), wanted):
            raise LeftOut(f"its {key} is not {_WORDS[wanted]}")
    if not definition[IDENTITY[kind]]:
        raise LeftOut(f"its {IDENTITY[kind]} is empty")
    for key, wanted in _OPTIONAL:
        if key in definition and not isinstance(definition[key], wanted):
            raise LeftOut(f"its {key} is not {_WORDS[wanted]}")
    if kind is Listing.PROMPTS:
        _require_arguments(definition)
    if encoded_size(definition) > limits.definition:
        raise LeftOut(f"its definition is larger than {limits.definition} bytes")


def _require_arguments(definition: Json) -> None:
    arguments = definition.get("arguments", [])
    if not isinstance(arguments, list):
        raise LeftOut("its arguments are not an array")
    if not all(isinstance(argument, dict) and isinstance(argument.get("name"), str) for argument in arguments):
        raise LeftOut("one of its arguments has no name")
