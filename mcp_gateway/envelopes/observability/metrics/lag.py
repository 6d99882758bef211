"""How late the event loop is: a timer that looks at the clock."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from mcp_gateway.envelopes.observability.metrics.histogram import Histogram

EVERY_SECONDS: Final = 0.25


class WatchLoop:
    """Measures the running loop's lag into a histogram, from `start` to `stop`."""

    __slots__ = ("_due", "_lag", "_loop", "_timer")

    def __init__(self, lag: Histogram) -> None:
        self._lag = lag
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._again()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _again(self) -> None:
        assert self._loop is not None
        self._due = time.perf_counter() + EVERY_SECONDS
        self._timer = self._loop.call_later(EVERY_SECONDS, self._look)

    def _look(self) -> None:
        self._lag.observe(max(0.0, time.perf_counter() - self._due))
        self._again()
