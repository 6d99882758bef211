"""Where a JSON Schema holds further schemas. One table for everything that walks schemas here.

Values under ``const``, ``enum``, ``default`` and ``examples`` are data and are never entered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mcp_gateway.core.call import Json

IN_PLACE: Final = frozenset(
    {"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies"}
)
"""Keywords whose subschemas apply to the same instance as the schema that holds them."""

_PARTS: Final = frozenset(
    {"additionalProperties", "unevaluatedProperties", "propertyNames", "contentSchema"}
    | {"items", "additionalItems", "unevaluatedItems", "contains"}
)
_ONE: Final = _PARTS | frozenset({"not", "if", "then", "else"})
_MANY: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems", "items"})
_NAMED: Final = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
)

STORES: Final = frozenset(("$defs", "definitions"))
"""Keywords whose subschemas apply only where something refers to them."""

REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")


@dataclass(frozen=True, slots=True)
class Child:
    """A subschema (an object; boolean schemas hold nothing), the keyword it stands under, its key or index there."""

    keyword: str
    key: str | int | None
    schema: Json


def children(schema: Json) -> Iterator[Child]:
    """The direct subschemas of `schema`, in its own order. Values of the wrong type are passed over."""
    for keyword, value in schema.items():
        if isinstance(value, dict):
            if keyword in _NAMED:
                for key, child in value.items():
                    if isinstance(child, dict):
                        yield Child(keyword, key, child)
            elif keyword in _ONE:
                yield Child(keyword, None, value)
        elif isinstance(value, list) and keyword in _MANY:
            for index, child in enumerate(value):
                if isinstance(child, dict):
                    yield Child(keyword, index, child)


def header_map(schema: Json) -> dict[tuple[str, ...], str]:
    """Property path → token of each ``x-mcp-header`` annotation reachable through ``properties`` alone.

    Call it on schemas whose annotations are valid (protocol section "x-mcp-header").
    """
    found: dict[tuple[str, ...], str] = {}
    pending: list[tuple[tuple[str, ...], Json]] = [((), schema)]
    while pending:
        path, node = pending.pop()
        token = node.get("x-mcp-header")
        if path and isinstance(token, str):
            found[path] = token
        properties = node.get("properties")
        if isinstance(properties, dict):
            pending.extend(
                ((*path, name), child) for name, child in reversed(properties.items()) if isinstance(child, dict)
            )
    return found
