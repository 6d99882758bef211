"""What callers say about a request: under which names it comes, and what a key and a value may be. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {"x-tfy-metadata": "X-TFY-METADATA", "x-gateway-metadata": "X-Gateway-Metadata"}
)
"""The headers that hold metadata, in lower case, and as people write them."""

META_KEY: Final = "io.mcp-gateway/metadata"
"""The key of metadata in the `_meta` of an MCP request. Its prefix is none that the protocol reserves: the second
label is not `mcp`."""

MAX_KEYS: Final = 64
MAX_KEY: Final = 128
MAX_VALUE: Final = 128
"""Most keys of one request, and most characters of a key and of a value: records and pools are made of them."""

NO_METADATA: Final[Mapping[str, str]] = MappingProxyType({})


def no_metadata() -> Mapping[str, str]:
    """The default of fields."""
    return NO_METADATA


_KEY: Final = re.compile(r"[^\s\x00-\x1f\x7f-\x9f]{1,128}")
_VALUE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]{0,128}")


def is_key(text: str) -> bool:
    """Whether `text` may be a key: some characters, no spaces and no control characters among them."""
    return _KEY.fullmatch(text) is not None


def is_value(text: str) -> bool:
    """Whether `text` may be a value: no control characters, which records, labels and tables would stumble over."""
    return _VALUE.fullmatch(text) is not None
