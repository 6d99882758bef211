"""Sizes (`4MiB`) and durations (`10s`) as an admin writes them, to bytes and seconds and back. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, Final, TypeVar

from pydantic import PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema

from mcp_gateway.settings.base import refusal

N = TypeVar("N", int, float)

SIZE_PATTERN: Final = r"^[0-9]+(\.[0-9]+)?(B|kB|MB|GB|KiB|MiB|GiB)$"
DURATION_PATTERN: Final = r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"

_QUANTITY: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([A-Za-z]+)")
_BYTES: Final[Mapping[str, int]] = {
    "GiB": 1024**3,
    "MiB": 1024**2,
    "KiB": 1024,
    "GB": 1000**3,
    "MB": 1000**2,
    "kB": 1000,
    "B": 1,
}
_MILLIS: Final[Mapping[str, int]] = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_WANT_SIZE: Final = "expected a size such as 512KiB or 4MiB (units B, KiB, MiB, GiB, kB, MB, GB)"
_WANT_DURATION: Final = "expected a duration such as 500ms, 10s or 2m (units ms, s, m, h, d)"


def parse_size(text: str) -> int:
    """Bytes in `text`. Raises ValueError unless it is a whole, positive number of bytes."""
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] not in _BYTES:
        raise ValueError(_WANT_SIZE)
    size = Decimal(match[1]) * _BYTES[match[2]]
    if size != int(size) or size <= 0:
        raise ValueError("expected a whole number of bytes, at least 1")
    return int(size)


def format_size(size: int) -> str:
    """The shortest exact spelling of `size` bytes in binary units."""
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % _BYTES[unit] == 0:
            return f"{size // _BYTES[unit]}{unit}"
    return f"{size}B"


def parse_duration(text: str) -> float:
    """Seconds in `text`. Raises ValueError unless it is a positive duration."""
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] not in _MILLIS:
        raise ValueError(_WANT_DURATION)
    seconds = Decimal(match[1]) * _MILLIS[match[2]] / 1000
    if seconds <= 0:
        raise ValueError("expected a duration of more than nothing")
    return float(seconds)


def format_duration(seconds: float) -> str:
    """The spelling of `seconds` in the largest unit that needs no fraction, to the millisecond where there is one."""
    millis = Decimal(repr(seconds)) * 1000
    if millis != int(millis):
        return f"{millis.normalize():f}ms"
    for unit in ("d", "h", "m", "s"):
        if millis and millis % _MILLIS[unit] == 0:
            return f"{int(millis / _MILLIS[unit])}{unit}"
    return f"{int(millis)}ms"


def _size(value: object, info: ValidationInfo) -> int:
    if isinstance(value, str):
        return _parsed(parse_size, value)
    if isinstance(value, int) and not isinstance(value, bool) and info.context is None and value > 0:
        return value
    raise refusal(_WANT_SIZE, f"write the unit: {value}B" if isinstance(value, int) else "")


def _duration(value: object, info: ValidationInfo) -> float:
    if isinstance(value, str):
        return _parsed(parse_duration, value)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(value, (int, float)) and number and info.context is None and value > 0:
        return float(value)
    raise refusal(_WANT_DURATION, f"write the unit: {value}s" if number else "")


def _parsed(parse: Callable[[str], N], value: str) -> N:
    try:
        return parse(value)
    except ValueError as error:
        raise refusal(str(error)) from error


Size = Annotated[
    int,
    PlainValidator(_size),
    PlainSerializer(format_size, return_type=str),
    WithJsonSchema({"type": "string", "pattern": SIZE_PATTERN, "examples": ["32KiB", "4MiB"]}),
]
"""Bytes. Files write them with a unit; code may also give a plain int."""

Duration = Annotated[
    float,
    PlainValidator(_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["500ms", "10s", "2m"]}),
]
"""Seconds. Files write them with a unit; code may also give a plain number."""
