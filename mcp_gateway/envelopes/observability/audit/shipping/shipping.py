"""All targets of a process together."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Final

from mcp_gateway.envelopes.observability.audit.shipping.shipper import Shipper

CLOSE_SECONDS: Final = 5.0
"""How long closing waits for what is still to be shipped."""

_SWITCH_SECONDS: Final = 0.0005
"""The event loop waits no longer than this for a thread that ships, which by default may have 5 ms at a time."""


class Shipping:
    """Ships from `start` to `close`. Nothing that serves calls waits for it."""

    __slots__ = ("_switch", "shippers")

    def __init__(self, shippers: Sequence[Shipper]) -> None:
        self.shippers = tuple(shippers)
        self._switch: float | None = None

    def start(self) -> None:
        """Begin, where there is something to ship to."""
        if not self.shippers:
            return
        self._switch = sys.getswitchinterval()
        sys.setswitchinterval(min(self._switch, _SWITCH_SECONDS))
        for shipper in self.shippers:
            shipper.start()

    async def close(self) -> None:
        """Ship what is left, for some seconds at most, and end. Close the chain before: its end is shipped, too."""
        for shipper in self.shippers:
            shipper.stop(CLOSE_SECONDS)
        await asyncio.to_thread(self._join)
        if self._switch is not None:
            sys.setswitchinterval(self._switch)

    @property
    def trouble(self) -> str:
        """What does not arrive where, in words; empty where all does."""
        failing = sorted(shipper.name for shipper in self.shippers if shipper.failing)
        return f"the record of calls is not shipped to: {', '.join(failing)}" if failing else ""

    def text(self) -> str:
        """What became of the record's copies, in the Prometheus text format."""
        shown: list[str] = []
        if not self.shippers:
            return ""
        for name, kind, values in (
            ("shipped_total", "counter", [each.counts.shipped for each in self.shippers]),
            ("ship_failures_total", "counter", [each.counts.failures for each in self.shippers]),
            ("ship_missing_total", "counter", [each.counts.missing for each in self.shippers]),
            ("ship_unreadable_total", "counter", [each.counts.unreadable for each in self.shippers]),
            ("ship_rejected_total", "counter", [each.counts.rejected for each in self.shippers]),
            ("ship_failing", "gauge", [int(bool(each.failing)) for each in self.shippers]),
            ("behind_records", "gauge", [each.behind.records for each in self.shippers]),
            ("behind_bytes", "gauge", [each.behind.bytes for each in self.shippers]),
        ):
            shown.append(f"# TYPE mcp_gateway_audit_{name} {kind}")
            for shipper, value in zip(self.shippers, values, strict=True):
                shown.append(f'mcp_gateway_audit_{name}{{target="{shipper.name}"}} {value}')
        return "\n".join(shown) + "\n"

    def _join(self) -> None:
        end = time.monotonic() + CLOSE_SECONDS
        for shipper in self.shippers:
            shipper.join(max(0.0, end - time.monotonic()))
