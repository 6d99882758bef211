"""Where the time of a request goes: the gateway under a profiler, its functions by own time."""

from __future__ import annotations

import contextlib
import pstats
import signal
import sysconfig
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import uvloop
from rich.console import Console
from rich.table import Table

from tests.bench.load import Sample, drive
from tests.bench.processes import Cores, announced, gateway, mint
from tests.bench.scenarios import OBSERVED, SIGNED_IN, Measured
from tests.support import ROOT

_SHOWN: Final = 45
_WRITTEN: Final = 10.0


@dataclass(frozen=True, slots=True)
class Hotspot:
    """A function's own and whole time (microseconds) and its calls, each for one request."""

    where: str
    own: float
    whole: float
    calls: float


def profile(
    home: Path, cores: Cores, upstream: int, scenario: Measured, seconds: float
) -> tuple[Sample, list[Hotspot]]:
    """Run one scenario through a gateway under a profiler; the functions by own time, the longest first."""
    path = home / "profile"
    with contextlib.ExitStack() as stack:
        issuer, token = None, ""
        if scenario.system in SIGNED_IN:
            issuer = stack.enter_context(announced(cores.upstream, "tests.bench.issuer"))
            token = mint(issuer)
        runner = ("-m", "tests.bench.profiled", str(path))
        collector = None
        if scenario.system == OBSERVED:
            collector = stack.enter_context(announced(cores.upstream, "tests.bench.collector"))
        begun = gateway(
            home, cores.gateway, upstream, runner, issuer=issuer, system=scenario.system, collector=collector
        )
        running = stack.enter_context(begun)
        target = scenario.target({scenario.system: running.port}, token)
        connections = scenario.connections
        uvloop.run(drive(target, connections, warm=0, seconds=1.0))
        running.process.send_signal(signal.SIGUSR1)
        sample = uvloop.run(drive(target, connections, warm=0, seconds=seconds))
        running.process.send_signal(signal.SIGUSR2)
        deadline = time.monotonic() + _WRITTEN
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    return sample, hotspots(path, sample.answers)


def hotspots(path: Path, requests: int) -> list[Hotspot]:
    """Read a profile."""
    stats = cast(
        "Mapping[tuple[str, int, str], tuple[int, int, float, float, Any]]", vars(pstats.Stats(str(path)))["stats"]
    )
    found = [
        Hotspot(_where(*function), own / requests * 1e6, whole / requests * 1e6, calls / requests)
        for function, (_, calls, own, whole, _) in stats.items()
    ]
    return sorted(found, key=lambda one: one.own, reverse=True)


def show(console: Console, sample: Sample, found: list[Hotspot]) -> None:
    """Print the functions that take longest by themselves."""
    total = sum(one.own for one in found)
    table = Table(title=f"{sample.rps:,.0f} requests/s under the profiler, {total:.0f} µs of it for each (own time)")
    for heading in ("own µs", "share", "with callees µs", "calls", "function"):
        table.add_column(heading, justify="left" if heading == "function" else "right", no_wrap=heading != "function")
    for one in found[:_SHOWN]:
        table.add_row(f"{one.own:.2f}", f"{one.own / total:.1%}", f"{one.whole:.2f}", f"{one.calls:.2f}", one.where)
    console.print(table)
    console.print("A profiler makes small functions look large: read the order, not the microseconds.")


def _where(file: str, line: int, function: str) -> str:
    for prefix in (str(ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("stdlib")):
        file = file.removeprefix(prefix + "/")
    return function if file == "~" else f"{file}:{line} {function}"
