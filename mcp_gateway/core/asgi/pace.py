"""How fast the body of one request has to come."""

from __future__ import annotations

from mcp_gateway.core.asgi.alarm import EARLY
from mcp_gateway.core.asgi.limits import EdgeLimits


class BodyPace:
    """Decides from the clock and a byte count whether a client sends its body fast enough: pure arithmetic.

    A deadline alone lets a client hold a connection for all of it with a byte a second; a rate alone lets a big body
    take for ever at the minimum. So both are asked for, the rate in every window of the time.
    """

    __slots__ = ("_end", "_limits", "_mark")

    def __init__(self, limits: EdgeLimits) -> None:
        self._limits = limits
        self._end = 0.0
        self._mark = 0

    def start(self, now: float, received: int) -> float:
        """Begin, or begin again after a wait that was not the client's fault. Returns when to look."""
        self._end = now + self._limits.body_timeout
        return self._next(now, received)

    def look(self, now: float, received: int) -> float | None:
        """When to look again, or None if the client was too slow. To be called at the time announced before."""
        limits = self._limits
        if now + EARLY >= self._end or received - self._mark < limits.body_rate * limits.body_window:
            return None
        return self._next(now, received)

    def _next(self, now: float, received: int) -> float:
        self._mark = received
        return min(self._end, now + self._limits.body_window)
