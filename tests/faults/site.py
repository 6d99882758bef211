"""A whole gateway with its upstreams on real sockets, in the test's own loop or as a process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp_gateway.app import Gateway
from mcp_gateway.cli.run import running
from mcp_gateway.core.egress.pool import PoolStats
from mcp_gateway.envelopes.observability.lines import MemoryLines
from mcp_gateway.settings.load import load
from tests.faults.wire import PATIENCE
from tests.support import ROOT
from tests.upstreams.evil import EvilMCP


def write(folder: Path, upstreams: Mapping[str, Any], servers: Mapping[str, Any], limits: Mapping[str, Any]) -> Path:
    """The configuration: each server is a list of sources, or the mapping of all that its file says."""
    (folder / "virtual_servers").mkdir(parents=True, exist_ok=True)
    for name, spec in servers.items():
        full = {"name": name, **(spec if isinstance(spec, Mapping) else {"sources": spec})}
        (folder / "virtual_servers" / f"{name}.yaml").write_text(json.dumps(full))
    listeners = {"port": 0, "public_url": "http://127.0.0.1:8080", "admin": {"port": 0}, "limits": dict(limits)}
    config = folder / "gateway.yaml"
    config.write_text(json.dumps({"server": listeners, "upstreams": dict(upstreams)}))
    return config


@dataclass(slots=True)
class Site:
    """A gateway in this loop. `lines` are the records of its calls."""

    gateway: Gateway
    data: str
    control: str
    lines: MemoryLines

    def url(self, server: str = "main") -> str:
        return f"{self.data}/servers/{server}/mcp"

    def pool(self, upstream: str) -> PoolStats:
        """The connections to an HTTP upstream."""
        found: Any = self.gateway.fleet._upstreams[upstream]
        stats: PoolStats = found._connector._client.stats
        return stats

    def footprint(self, evil: EvilMCP) -> tuple[int, int]:
        """Tasks and file descriptors of this process, but for those of pooled connections to `evil`."""
        return (
            len(asyncio.all_tasks()) - len(evil._tasks),
            len(os.listdir("/proc/self/fd")) - 2 * self.pool("evil").open,
        )

    def outcomes(self, **facts: Any) -> list[tuple[Any, Any]]:
        """Outcome and reason of the calls on record with these facts."""
        found = (record for record in self.lines.records if facts.items() <= record.items())
        return [(record["outcome"], record["reason"]) for record in found]


@contextlib.asynccontextmanager
async def site(
    folder: Path,
    upstreams: Mapping[str, Any],
    servers: Mapping[str, Any] | None = None,
    limits: Mapping[str, Any] | None = None,
) -> AsyncIterator[Site]:
    """A gateway in this loop. Without `servers` there is `main`, which takes everything of every upstream."""
    composed = servers or {"main": [{"upstream": name} for name in upstreams]}
    config = write(folder, upstreams, composed, limits or {})
    lines = MemoryLines()
    settings = load(config, os.environ)
    async with running(settings, lambda: load(config, os.environ), records=lines, trace=False) as here:
        yield Site(here.gateway, here.data, here.control, lines)


async def eventually(what: str, there: Callable[[], object]) -> None:
    """Wait until `there` is true, for what cannot be awaited."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not there():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {PATIENCE} s: {what}") from None


@dataclass(slots=True)
class Child:
    """A gateway as a process. `log` are the raw lines of its standard error, `records` those of its output."""

    process: asyncio.subprocess.Process
    data: str = ""
    log: list[bytes] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)

    def url(self, server: str = "main") -> str:
        return f"{self.data}/servers/{server}/mcp"

    def memory(self, key: str) -> int:
        """`VmRSS` (now) or `VmHWM` (the most so far), in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = next(line for line in status.splitlines() if line.startswith(f"{key}:"))
        return int(found.split()[1]) * 1024


@contextlib.asynccontextmanager
async def child(
    folder: Path,
    upstreams: Mapping[str, Any],
    servers: Mapping[str, Any] | None = None,
    limits: Mapping[str, Any] | None = None,
) -> AsyncIterator[Child]:
    """A gateway as a process of its own, once it says that it is ready; stopped by SIGTERM, which must end it well."""
    composed = servers or {"main": [{"upstream": name} for name in upstreams]}
    config = write(folder, upstreams, composed, limits or {})
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "mcp_gateway", "serve", "--config", str(config)),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    here = Child(process)
    readers = [
        asyncio.ensure_future(_read(stream, into))
        for stream, into in ((process.stderr, here.log), (process.stdout, here.records))
    ]
    try:
        await eventually("the gateway is ready", lambda: _ready(here))
        yield here
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(process.wait(), PATIENCE)
        await asyncio.gather(*readers)
    assert code == 0, b"".join(here.log[-20:])


async def _read(stream: asyncio.StreamReader | None, into: list[bytes]) -> None:
    assert stream is not None
    while line := await stream.readline():
        into.append(line)


def _ready(here: Child) -> bool:
    assert here.process.returncode is None, here.log
    for line in here.log:
        event = json.loads(line)
        if event["event"] == "ready":
            here.data = event["servers"][0].rpartition("/servers/")[0]
    return bool(here.data)
