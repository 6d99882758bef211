"""The gateway under a profiler that signals switch: `python -m tests.bench.profiled FILE serve --config …`.

SIGUSR1 begins, SIGUSR2 ends and writes FILE (for `pstats`). Starting is not part of the profile.
"""

from __future__ import annotations

import cProfile
import os
import signal
import sys
from types import FrameType

from mcp_gateway.cli.main import main


def run(path: str) -> None:
    """Run the command line with the remaining arguments."""
    profiler = cProfile.Profile()

    def begin(number: int, frame: FrameType | None) -> None:
        profiler.enable()

    def end(number: int, frame: FrameType | None) -> None:
        profiler.disable()
        profiler.dump_stats(path + ".part")
        os.replace(path + ".part", path)

    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, end)
    main()


if __name__ == "__main__":
    run(sys.argv.pop(1))
