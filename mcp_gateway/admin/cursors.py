"""Cursors of the control plane's lists: where the next page begins, as text. They hold nothing that is secret."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

import orjson

LONGEST: Final = 8192
"""Characters of a cursor."""


class BadCursor(ValueError):
    """The cursor is not one that this list gave."""


def encode(kind: str, value: object) -> str:
    """A cursor of the list `kind`, which is JSON inside."""
    return base64.urlsafe_b64encode(orjson.dumps([kind, value])).rstrip(b"=").decode()


def decode(kind: str, cursor: str) -> Any:
    """What `encode` was given. Raises `BadCursor`; the shape of the value is for the list to look at."""
    if len(cursor) > LONGEST:
        raise BadCursor
    try:
        raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found = orjson.loads(raw)
    except (UnicodeEncodeError, binascii.Error, orjson.JSONDecodeError):
        raise BadCursor from None
    if not isinstance(found, list) or len(found) != 2 or found[0] != kind:
        raise BadCursor
    return found[1]
