"""Upstreams that can be killed and started again at the same address, and waiting for what should come."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from tests.started import PATIENCE, environment
from tests.support import ROOT

STEP = 0.02
"""Seconds between two looks at a condition that nothing announces."""


class Server:
    """`python -m module`, which prints `{"port": N}` once it listens. It keeps its port when it is started again."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def start(self) -> None:
        process = self._process = subprocess.Popen(
            [*self._command, "--port", str(self.port)],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"{self._command} ended before it listened"
        self.port = int(json.loads(line)["port"])

    def kill(self, number: int = signal.SIGKILL) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(PATIENCE)
            assert process.stdout is not None
            process.stdout.close()


@contextlib.contextmanager
def serving(module: str, *arguments: str) -> Iterator[Server]:
    """A started `Server`, killed at the end."""
    server = Server(module, *arguments)
    server.start()
    try:
        yield server
    finally:
        server.kill()


async def until(what: str, there: Callable[[], Awaitable[bool]] | Callable[[], bool]) -> None:
    """Wait until `there` is true; fail with `what` when patience ends."""
    end = time.monotonic() + PATIENCE
    while True:
        now = there()
        if await now if isinstance(now, Awaitable) else now:
            return
        assert time.monotonic() < end, f"waited in vain for: {what}"
        await asyncio.sleep(STEP)


def configuration(folder: Path, upstreams: str, servers: dict[str, str], **server: str) -> Path:
    """gateway.yaml with free ports, and one file per virtual server. `server` overrides lines of the first section."""
    lines = {"host": "127.0.0.1", "port": "0", "admin": "{host: 127.0.0.1, port: 0}"} | server
    head = "".join(f"  {key}: {value}\n" for key, value in lines.items())
    (folder / "virtual_servers").mkdir(exist_ok=True)
    for name, body in servers.items():
        (folder / "virtual_servers" / f"{name}.yaml").write_text(f"name: {name}\n{body}")
    config = folder / "gateway.yaml"
    config.write_text(f"server:\n{head}upstreams:\n{upstreams}virtual_servers: virtual_servers/\n")
    return config


def whole(upstream: str) -> str:
    """A composition of everything that one upstream has."""
    return f'sources:\n  - upstream: {upstream}\n    enabled_prompts: ["*"]\n    enabled_resources: ["*"]\n'
