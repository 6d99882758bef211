"""`python -m tests.real.skewed serve …`: the gateway under a wall clock that is wrong by `CLOCK_SKEW` seconds.

The clock is put wrong before anything of the gateway is imported, so that whoever keeps a reference keeps this one.
"""

from __future__ import annotations

import os
import runpy
import time
from collections.abc import Callable


def shifted(clock: Callable[[], float], seconds: float) -> Callable[[], float]:
    return lambda: clock() + seconds


def shifted_ns(clock: Callable[[], int], nanoseconds: int) -> Callable[[], int]:
    return lambda: clock() + nanoseconds


if __name__ == "__main__":
    skew = int(os.environ["CLOCK_SKEW"])
    time.time = shifted(time.time, skew)
    time.time_ns = shifted_ns(time.time_ns, skew * 1_000_000_000)
    runpy.run_module("mcp_gateway", run_name="__main__", alter_sys=True)
