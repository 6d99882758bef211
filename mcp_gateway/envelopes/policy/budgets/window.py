"""Calendar windows, in UTC. Pure.

A window is named by a whole number that grows from one to the next, and a moment is in exactly one of each kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Literal

Window = Literal["minute", "hour", "day", "week", "month", "quarter", "lifetime"]

_SECONDS: Final[Mapping[str, int]] = MappingProxyType({"minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800})
_MONDAY: Final = 4 * 86_400
"""1970 began on a Thursday; weeks begin on Monday (ISO 8601)."""

_MONTHS: Final[Mapping[str, int]] = MappingProxyType({"month": 1, "quarter": 3})


def number_of(window: Window, second: int) -> int:
    """The number of the window that holds `second` (since 1970)."""
    if window == "lifetime":
        return 0
    if window in _MONTHS:
        moment = datetime.fromtimestamp(second, UTC)
        return ((moment.year - 1970) * 12 + moment.month - 1) // _MONTHS[window]
    shift = _MONDAY - 604_800 if window == "week" else 0
    return (second - shift) // _SECONDS[window]


def end_of(window: Window, number: int) -> int | None:
    """The second at which the window `number` is over; None for what never is."""
    if window == "lifetime":
        return None
    if window in _MONTHS:
        months = (number + 1) * _MONTHS[window]
        return int(datetime(1970 + months // 12, months % 12 + 1, 1, tzinfo=UTC).timestamp())
    shift = _MONDAY - 604_800 if window == "week" else 0
    return (number + 1) * _SECONDS[window] + shift
