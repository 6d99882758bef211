"""Vectors on the wire: arrays of numbers, or base64 of little-endian 32-bit floats. Pure."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Sequence
from typing import Final

from mcp_gateway.core.errors import ProtocolViolation

_LARGEST: Final = 3.4028234663852886e38
"""What fits a 32-bit float."""
_WIDTH: Final = 4


def vector(value: object) -> tuple[float, ...]:
    """A provider's vector, in either notation. Raises `ProtocolViolation`."""
    numbers: Sequence[float]
    if type(value) is str:
        numbers = _decoded(value)
    elif type(value) is list:
        numbers = value
    else:
        raise ProtocolViolation("the provider's answer is wrong: an embedding is not an array")
    if not numbers:
        raise ProtocolViolation("the provider's answer is wrong: an embedding is empty")
    for number in numbers:
        # The comparison is false for what is not a number (NaN) too.
        if (type(number) is not float and type(number) is not int) or not -_LARGEST <= number <= _LARGEST:
            raise ProtocolViolation("the provider's answer is wrong: an embedding holds what is no number")
    return tuple(numbers)


def encoded(numbers: Sequence[float]) -> str:
    """Base64 of little-endian 32-bit floats, which `vector` has found to fit."""
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def _decoded(text: str) -> tuple[float, ...]:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolViolation("the provider's answer is wrong: an embedding is not base64") from None
    if len(raw) % _WIDTH:
        raise ProtocolViolation("the provider's answer is wrong: an embedding is cut off")
    return struct.unpack(f"<{len(raw) // _WIDTH}f", raw)
