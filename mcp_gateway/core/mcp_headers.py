"""HTTP headers of MCP's Streamable HTTP transport: names, the value codec, and ``Mcp-Param-*`` mirroring.

Pure. Both legs use it: the ingress checks what clients send, the upstream leg derives what servers get.
It answers as the reference SDK's ``mcp.shared.inbound`` does, without importing the SDK.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

PROTOCOL_VERSION: Final = "mcp-protocol-version"
METHOD: Final = "mcp-method"
NAME: Final = "mcp-name"
SESSION_ID: Final = "mcp-session-id"
LAST_EVENT_ID: Final = "last-event-id"
PARAM_PREFIX: Final = "mcp-param-"

ROUTING_HEADERS: Final = frozenset({PROTOCOL_VERSION, METHOD, NAME})
"""Headers that must not occur twice: readers of the first and of the last copy would disagree."""

NAME_PARAM: Final[Mapping[str, str]] = MappingProxyType(
    {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
)
"""Method → the params key that ``Mcp-Name`` mirrors."""

X_MCP_HEADER: Final = "x-mcp-header"
"""The annotation in a property schema of a tool's `inputSchema`; its value is the token after ``Mcp-Param-``."""

_SENTINEL = re.compile(r"=\?base64\?(.*)\?=")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_TYPES: Final = frozenset({"string", "integer", "boolean"})

# The 2020-12 applicators by the shape of their value. `properties` stands apart: it alone keeps a
# position statically reachable. Data keywords (`default`, `enum`, …) and `$ref` are not entered.
_SCHEMA: Final = frozenset(
    {"items", "contains", "unevaluatedItems", "additionalProperties", "propertyNames", "unevaluatedProperties"}
    | {"not", "if", "then", "else", "contentSchema"}
)
_SCHEMA_LIST: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SCHEMA_MAP: Final = frozenset({"patternProperties", "dependentSchemas", "$defs", "definitions"})


def encode_header_value(value: str) -> str:
    """Wrap `value` as ``=?base64?…?=`` when it would not survive as a header field; else return it as it is."""
    plain = value.isascii() and value.isprintable() and value == value.strip()
    if plain and not (value.startswith("=?") and _SENTINEL.fullmatch(value)):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode('ascii')}?="


def decode_header_value(value: str) -> str | None:
    """Undo `encode_header_value`. None for a sentinel whose payload is not canonical base64 of UTF-8."""
    wrapped = _SENTINEL.fullmatch(value) if value.startswith("=?") else None
    if wrapped is None:
        return value
    payload = wrapped[1]
    try:
        decoded = base64.b64decode(payload, validate=True)
        # `validate` lets non-zero trailing bits pass, so that two headers would mean one value.
        if base64.b64encode(decoded).decode("ascii") != payload:
            return None
        return decoded.decode()
    except (binascii.Error, ValueError):
        return None


def find_invalid_x_mcp_header(schema: object) -> str | None:
    """Why an ``x-mcp-header`` annotation in a tool's input schema is invalid; None when all are fine.

    A client over HTTP, hence a gateway, drops a tool for which this returns a reason.
    """
    seen: dict[str, str] = {}
    for path, position in _positions(schema):
        if X_MCP_HEADER not in position:
            continue
        if not path:
            return f"{X_MCP_HEADER} at a position that no chain of `properties` reaches"
        where, token, kind = ".".join(path), position[X_MCP_HEADER], position.get("type")
        if not isinstance(token, str):
            return f"property {where!r}: {X_MCP_HEADER} must be a string, not {type(token).__name__}"
        if not _TOKEN.fullmatch(token):
            return f"property {where!r}: {X_MCP_HEADER} {token!r} is not an RFC 9110 token"
        if not isinstance(kind, str) or kind not in _TYPES:
            return f"property {where!r}: {X_MCP_HEADER} is only permitted on string, integer and boolean properties"
        if (other := seen.get(token.lower())) is not None:
            return f"property {where!r}: {X_MCP_HEADER} {token!r} is taken by property {other!r}"
        seen[token.lower()] = where
    return None


def x_mcp_header_map(schema: object) -> dict[tuple[str, ...], str]:
    """Property path → token for every reachable annotation of a schema that `find_invalid_x_mcp_header` accepts."""
    return {
        path: token
        for path, position in _positions(schema)
        if path and isinstance(token := position.get(X_MCP_HEADER), str)
    }


def param_headers(mapped: Mapping[tuple[str, ...], str], arguments: Mapping[str, Any]) -> dict[str, str]:
    """The ``Mcp-Param-*`` headers that mirror `arguments`; what is absent, null or no scalar has none."""
    return {
        f"Mcp-Param-{token}": encode_header_value(text)
        for path, token in mapped.items()
        if (text := _render(_at(arguments, path))) is not None
    }


def validate_param_headers(
    mapped: Mapping[tuple[str, ...], str],
    arguments: Mapping[str, Any],
    headers: Mapping[str, tuple[str, ...]],
) -> str | None:
    """Why the ``Mcp-Param-*`` headers contradict `arguments`; None when they agree.

    `headers` has lower-case names and all values of each. Header and argument must be present together
    and equal, or absent together; null counts as absent. Whole numbers compare numerically (42 = 42.0).
    """
    for path, token in mapped.items():
        values = headers.get(PARAM_PREFIX + token.lower(), ())
        argument = _at(arguments, path)
        text = _render(argument)
        if not values:
            if text is not None:
                return f"Mcp-Param-{token} is missing but the body has the argument {'.'.join(path)!r}"
            continue
        if len(values) > 1:
            return f"Mcp-Param-{token} appears more than once"
        if text is None:
            return f"Mcp-Param-{token} is present but the body has no such value at {'.'.join(path)!r}"
        decoded = decode_header_value(values[0])
        if decoded is None:
            return f"Mcp-Param-{token} holds malformed base64"
        if not _agree(argument, text, decoded):
            return f"Mcp-Param-{token} differs from the body's argument {'.'.join(path)!r}"
    return None


def _positions(root: object) -> Iterator[tuple[tuple[str, ...] | None, dict[str, Any]]]:
    """Every schema position with its chain of `properties` keys, None once another applicator was crossed.

    Iterative, so that no depth of a hostile schema exhausts the interpreter's stack.
    """
    stack: list[tuple[tuple[str, ...] | None, object]] = [((), root)]
    while stack:
        path, node = stack.pop()
        if not isinstance(node, dict):
            continue
        yield path, node
        for keyword, value in node.items():
            if keyword == "properties" and isinstance(value, dict):
                stack.extend((None if path is None else (*path, name), sub) for name, sub in value.items())
            elif keyword in _SCHEMA:
                stack.append((None, value))
            elif keyword in _SCHEMA_LIST and isinstance(value, list):
                stack.extend((None, sub) for sub in value)
            elif keyword in _SCHEMA_MAP and isinstance(value, dict):
                stack.extend((None, sub) for sub in value.values())


def _at(arguments: Mapping[str, Any], path: tuple[str, ...]) -> object:
    node: object = arguments
    for key in path:
        if not isinstance(node, Mapping):
            return None
        node = node.get(key)
    return node


def _render(value: object) -> str | None:
    """A scalar as a header carries it; None for null, for containers, and for what has no rendering."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        return None
    try:
        return str(value)
    except ValueError:  # an integer beyond the interpreter's limit of digits
        return None


def _agree(argument: object, text: str, decoded: str) -> bool:
    if decoded == text:
        return True
    whole = (isinstance(argument, int) and not isinstance(argument, bool)) or (
        isinstance(argument, float) and argument.is_integer()
    )
    if not whole or not isinstance(argument, int | float) or not _DECIMAL.fullmatch(decoded):
        return False
    digits, _, fraction = decoded.partition(".")
    try:
        return not fraction.strip("0") and int(digits) == int(argument)
    except ValueError:
        return False
