"""Which URIs may be matched against a template.

A template opens a space of URIs, so its expansions must have one spelling: what this room admits and what the
upstream makes of it after decoding are the same. Listed resources are compared whole and need no such rule.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

LONGEST: Final = 8192

_UNSAFE: Final = re.compile(
    r"[\x00-\x20\x7f\\\"<>^`{|}]"  # controls, delimiters that RFC 3986 excludes, backslash
    r"|%(?![0-9A-Fa-f]{2})"  # a percent sign that starts no octet
    r"|%(?:[01][0-9A-Fa-f]|7[Ff])"  # encoded controls
    r"|%(?:2[Ff]|5[Cc]|25(?=[0-9A-Fa-f]{2}))"  # encoded slash, backslash, and percent sign of another encoding
    r"|%(?:2[DdEe]|3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa]|5[Ff]|7[Ee])"  # encoded unreserved characters
)
_SEPARATORS: Final = re.compile(r"[/?#&=;:,]")


def plain(uri: str) -> bool:
    """True when `uri` has no second spelling: no dot segments, no encoded dots, slashes or letters, nothing hidden."""
    if len(uri) > LONGEST or _UNSAFE.search(uri) is not None:
        return False
    try:
        text = unquote_to_bytes(uri).decode("utf-8")
    except UnicodeError:
        return False
    if not text.isprintable():
        return False
    return not any(part in {".", ".."} for part in _SEPARATORS.split(uri))


def comparable(uri: str) -> str:
    """A form in which spellings of one resource coincide; for deciding what is excluded, never for what is sent."""
    return unicodedata.normalize("NFC", unquote(uri)).casefold().rstrip("/")
