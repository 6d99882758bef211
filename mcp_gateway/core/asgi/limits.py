"""What one connection may cost, and what the edge has counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from mcp_gateway.core.asgi.refusals import Told, told_to_nobody


@dataclass(frozen=True, slots=True)
class EdgeLimits:
    """Limits of one listener. Sizes in bytes, times in seconds.

    `header_timeout` runs from the opening of a connection, later from the first byte of a request; `body_timeout` from
    the end of the headers, and in every `body_window` at least `body_rate` bytes a second must arrive. A client that
    takes nothing of a response for `write_timeout` is cut off. `linger` and `linger_bytes` bound how much the edge
    still reads after it refused a request, so that the answer is not lost in a reset (RFC 9112 §9.6). `pipelined` is
    how many requests may wait behind the one being answered.
    """

    header_bytes: int = 32 * 1024
    header_count: int = 100
    url_bytes: int = 8 * 1024
    body_bytes: int = 4 << 20
    header_timeout: float = 10.0
    body_timeout: float = 30.0
    body_window: float = 10.0
    body_rate: int = 1024
    keep_alive_timeout: float = 75.0
    write_timeout: float = 60.0
    linger: float = 2.0
    linger_bytes: int = 256 * 1024
    connections: int = 2048
    pipelined: int = 16


@dataclass(slots=True)
class EdgeCounters:
    """Live figures of one listener. `refused` counts by reason word; `told` hears of each answer of the edge's own."""

    open: int = 0
    accepted: int = 0
    evicted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    told: Told = told_to_nobody
