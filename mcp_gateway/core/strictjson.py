"""Strict JSON: what this module accepts, every other JSON parser reads the same way.

A gateway that checks one reading of a text and forwards another is no gateway. So a text on which parsers
are known to differ is refused: duplicate keys (RFC 8259 §4), a byte order mark, anything but UTF-8 (§8.1), lone
surrogates (§8.2), NaN and infinities, a number that only becomes infinite when read (`1e999`), an integer that
fits neither signed nor unsigned 64 bits (§6), trailing data. Depth and size are capped besides.

The parser is jiter (bytes in, duplicate keys found in one pass, depth capped at 200, no recursion of ours). One walk
over the finished tree does the rest. Bounds that would let small texts skip that walk were measured and dropped:
on a call of 400 bytes a sound test of the raw bytes costs more (3 µs) than the walk itself (2 µs), because any quote
may hide an escape and any `e` may be an exponent. What must not wait for the walk, because building the tree is
itself the cost, is the number of nodes: it is counted on the raw bytes first when the text is long enough to matter.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import jiter
import orjson

from mcp_gateway.core.errors import GatewayError

_INTEGER_END: Final = 2**64
_INFINITY: Final = float("inf")
_LINES_SOUGHT: Final = 1000
_JITER_DEPTH: Final = "recursion limit exceeded"
_JITER_NUMBER: Final = "number out of range"
_JITER_DUPLICATE: Final = "Detected duplicate key"


class JsonError(GatewayError):
    """The text is not strict JSON. The message never quotes the text; `offset` is a byte offset where one is known."""

    reason = "invalid_json"

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message if offset is None else f"{message} at byte {offset}")
        self.offset = offset


class JsonLimitError(JsonError):
    """The text may be JSON but is more of it than the limits allow."""

    reason = "json_limit_exceeded"


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """Caps on one text. `string` and `key` count UTF-8 bytes, `nodes` counts values, not keys; a scalar has depth 0."""

    depth: int = 64
    nodes: int = 100_000
    string: int = 1 << 20
    key: int = 256


DOWNSTREAM: Final = JsonLimits()
"""For what an agent sends."""

UPSTREAM: Final = JsonLimits(depth=128, nodes=500_000, string=16 << 20, key=4096)
"""For what an upstream sends: images are long strings, generated schemas are deep."""


def loads(raw: bytes, limits: JsonLimits = DOWNSTREAM) -> Any:
    """Read one JSON text.

    Raises:
        JsonLimitError: deeper, longer or more than `limits`, or a number outside the range all readers share.
        JsonError: anything else that is not strict JSON.
    """
    if len(raw) > limits.nodes and _count_nodes(raw, limits) > limits.nodes:
        raise JsonLimitError(f"more than {limits.nodes} JSON values")
    try:
        value = jiter.from_json(raw, catch_duplicate_keys=True, allow_inf_nan=False, cache_mode="keys")
    except ValueError as error:
        raise _translate(str(error), raw, limits) from None
    # No key and no string is longer than the text that it stands in.
    _walk(value, limits, check_keys=len(raw) > limits.key, check_strings=len(raw) > limits.string)
    return value


def loads_upstream(raw: bytes, limits: JsonLimits = UPSTREAM) -> Any:
    """`loads` with the limits for what upstreams send; raises the same errors."""
    return loads(raw, limits)


def dumps(value: object) -> bytes:
    """Write one value compactly; integers of any size stay exact.

    Raises:
        JsonError: a lone surrogate, a cycle, a non-finite number or a type that JSON does not have.
    """
    try:
        return orjson.dumps(value, option=_STRICT_TYPES)
    except orjson.JSONEncodeError:
        pass
    # orjson stops at 64 bits and at 254 levels; what else it refused, the stdlib refuses too.
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise JsonError("a string holds a lone surrogate") from None
    except (ValueError, TypeError, RecursionError):
        raise JsonError("the value has no JSON form") from None


_STRICT_TYPES: Final = (
    orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
)


def _walk(root: Any, limits: JsonLimits, *, check_keys: bool, check_strings: bool) -> None:
    """Check every node, level by level, so that depth needs no bookkeeping per node."""
    if type(root) is not dict and type(root) is not list:
        _check_scalar(root, limits)
        return
    key_limit, short_key = limits.key, limits.key // 4  # a character is at most four bytes
    level, depth, nodes = [root], 0, 1
    while level:
        depth += 1
        if depth > limits.depth:
            raise JsonLimitError(f"JSON nested deeper than {limits.depth}")
        below: list[Any] = []
        for container in level:
            nodes += len(container)
            if type(container) is dict:
                if check_keys:
                    for key in container:
                        if len(key) > short_key and len(key.encode()) > key_limit:
                            raise JsonLimitError(f"an object key longer than {key_limit} bytes")
                values: Any = container.values()
            else:
                values = container
            for value in values:
                kind = type(value)
                if kind is str:
                    if check_strings:
                        _check_scalar(value, limits)
                elif kind is dict or kind is list:
                    below.append(value)
                elif (kind is int and not -_INTEGER_END < value < _INTEGER_END) or (
                    kind is float and not -_INFINITY < value < _INFINITY
                ):
                    _check_scalar(value, limits)
        if nodes > limits.nodes:
            raise JsonLimitError(f"more than {limits.nodes} JSON values")
        level = below


def _check_scalar(value: Any, limits: JsonLimits) -> None:
    kind = type(value)
    if kind is int:
        if not -_INTEGER_END < value < _INTEGER_END:
            raise JsonLimitError("an integer outside 64 bits")
    elif kind is float:
        if not -_INFINITY < value < _INFINITY:
            raise JsonLimitError("a number outside the range of a double")
    elif kind is str and len(value) * 4 > limits.string and len(value.encode()) > limits.string:
        raise JsonLimitError(f"a string longer than {limits.string} bytes")


def _count_nodes(raw: bytes, limits: JsonLimits) -> int:
    """How many values `raw` holds: exact if it is valid JSON, any number if it is not (parsing refuses it then).

    Runs in a few passes of C over the bytes. Backslashes occur only in strings, and a run of them pairs up from
    the left, so dropping `\\\\` and then `\\"` leaves exactly the quotes that open and close strings. With every string
    put as `0`, a container that is not empty has one value more than it has commas.
    """
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") < limits.nodes:
        return 0  # an upper bound on the exact count below, and already small enough
    text = raw.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in raw else raw
    if text.count(b'"') > 4 * limits.nodes:
        return limits.nodes + 1  # every string is a value or the key of one
    outside = b"0".join(text.split(b'"')[::2]).translate(None, b" \t\r\n")
    containers = outside.count(b"[") + outside.count(b"{")
    return 1 + outside.count(b",") + containers - outside.count(b"[]") - outside.count(b"{}")


def _translate(message: str, raw: bytes, limits: JsonLimits) -> JsonError:
    """One of our own messages: jiter's quote the offending key. Its prefixes are constant: a text cannot forge one."""
    if message.startswith(_JITER_DEPTH):
        return JsonLimitError(f"JSON nested deeper than {limits.depth}")
    if message.startswith(_JITER_NUMBER):
        return JsonLimitError("an integer outside 64 bits")
    offset = _offset(message, raw)
    if message.startswith(_JITER_DUPLICATE):
        return JsonError("duplicate object key", offset)
    if raw[:3] == b"\xef\xbb\xbf" or raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return JsonError("JSON must be UTF-8 without a byte order mark", 0)
    return JsonError("not valid JSON", offset)


def _offset(message: str, raw: bytes) -> int | None:
    """The byte offset of jiter's trailing `at line L column C`; its columns count bytes from 1."""
    words = message.rsplit(" ", 4)
    if len(words) != 5 or words[1] != "line" or not (words[2].isdigit() and words[4].isdigit()):
        return None
    start, line = 0, int(words[2])
    if line > _LINES_SOUGHT:
        return None
    for _ in range(line - 1):
        start = raw.find(b"\n", start) + 1
    return max(0, start + int(words[4]) - 1)
