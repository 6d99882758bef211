"""What one response may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ResponseLimits:
    """Caps on what an upstream may send; beyond any of them is a ProtocolViolation.

    `header_bytes` and `header_fields` bound everything that is not the body, interim (1xx) responses and
    trailers included; `body_bytes` bounds a body that is read whole (a stream is bounded by backpressure instead).
    """

    header_bytes: int = 64 * 1024
    header_fields: int = 128
    body_bytes: int = 16 * 1024 * 1024
    interim_responses: int = 8
