"""Moments as callers of the control plane write them: RFC 3339, a date, or how long ago (`24h`)."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from mcp_gateway.settings.units import parse_duration


class BadMoment(ValueError):
    """The text is no moment. The message is public."""


def moment(text: str) -> float:
    """The moment that `text` means, in Unix seconds: not before 1970, UTC without an offset. Raises `BadMoment`."""
    try:
        if text[:4].isdecimal() and "-" in text:
            given = datetime.fromisoformat(text)
            # A plus sign that was not escaped arrives as a space, and is refused by the parser.
            found = (given.replace(tzinfo=UTC) if given.tzinfo is None else given).timestamp()
            if found < 0:
                raise ValueError
            return found
        return max(0.0, time.time() - parse_duration(text))
    except (ValueError, OverflowError):
        wanted = "expected a time such as 2026-01-31T12:00:00Z or 2026-01-31, or how long ago, such as 24h"
        raise BadMoment(wanted) from None


def written(seconds: float) -> str:
    """Unix seconds as records have them: RFC 3339, UTC, milliseconds. Raises `BadMoment` beyond what can be written."""
    try:
        text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        raise BadMoment("this time is too far away") from None
    return text.removesuffix("+00:00") + "Z"
