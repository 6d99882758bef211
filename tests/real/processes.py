"""Upstreams that can be killed and started again at the same address, and waiting for what should come."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from tests.support import ROOT

PATIENCE = 30.0
"""Seconds until something that should have happened counts as not happening."""

STEP = 0.02
"""Seconds between two looks at a condition that nothing announces."""


def environment(**more: str) -> dict[str, str]:
    """This process's environment, with its interpreter's scripts first on PATH and the repository importable."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **more}


class Gateway:
    """`mcp-gateway serve` in `folder`. Its standard output and error are files there, which grow over restarts."""

    module = "mcp_gateway"
    """What is run."""

    def __init__(self, folder: Path, *options: str, **variables: str) -> None:
        self._folder = folder
        self._options = options
        self._variables = variables
        self.process: subprocess.Popen[bytes] | None = None
        self.data = ""
        self.control = ""
        self._starts = 0

    def start(self) -> None:
        """Returns once it is ready."""
        self.launch()
        self._starts += 1
        ready = self.wait_for("ready", self._starts)
        self.control = ready["control"]
        self.data = ready["servers"][0].split("/servers/")[0] if ready["servers"] else ""

    def launch(self) -> subprocess.Popen[bytes]:
        """Starts it and does not wait."""
        command = [sys.executable, "-m", self.module, "serve", *self._options]
        with (self._folder / "out").open("ab") as out, (self._folder / "err").open("ab") as err:
            self.process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=environment(**self._variables),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        return self.process

    def url(self, server: str) -> str:
        return f"{self.data}/servers/{server}/mcp"

    def log(self, event: str = "") -> list[dict[str, Any]]:
        """The lines of standard error, of one event or all."""
        return [line for line in _lines(self._folder / "err") if event in ("", line.get("event"))]

    def records(self) -> list[dict[str, Any]]:
        """The lines of standard output."""
        return _lines(self._folder / "out")

    def wait_for(self, event: str, count: int = 1) -> dict[str, Any]:
        """The `count`-th log line of an event, once it has come."""
        end = time.monotonic() + PATIENCE
        while len(found := self.log(event)) < count:
            alive = self.process is not None and self.process.poll() is None
            assert alive and time.monotonic() < end, f"no {event}: {(self._folder / 'err').read_text()[-4000:]}"
            time.sleep(STEP)
        return found[count - 1]

    def send(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal and waits; the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


def _lines(path: Path) -> list[dict[str, Any]]:
    """Whole lines of JSON only: the last may still be on its way, and tracebacks are no objects."""
    found: list[dict[str, Any]] = []
    for line in path.read_text(errors="replace").split("\n")[:-1]:
        if line.startswith("{"):
            found.append(json.loads(line))
    return found


@contextlib.contextmanager
def gateway(folder: Path, *options: str, **variables: str) -> Iterator[Gateway]:
    """A ready `Gateway` on `folder`/gateway.yaml, ended with the context if it still runs then."""
    running = Gateway(folder, *options, **variables)
    try:
        running.start()
        yield running
    finally:
        if running.process is not None and running.process.poll() is None:
            running.end()


class Server:
    """`python -m module`, which prints `{"port": N}` once it listens. It keeps its port when it is started again."""

    def __init__(self, module: str, *arguments: str, **variables: str) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._variables = variables
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def start(self) -> None:
        process = self._process = subprocess.Popen(
            [*self._command, "--port", str(self.port)],
            cwd=ROOT,
            env=environment(**self._variables),
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


def free_port() -> int:
    """A port that nobody listens on now, for what cannot say which one it took.

    Below those that the system gives to whoever asks for any (32768 on), so that it is free still when it is used.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as found, contextlib.suppress(OSError):
            found.bind(("127.0.0.1", port))
            return port


def whole(upstream: str) -> str:
    """A composition of everything that one upstream has."""
    return f'sources:\n  - upstream: {upstream}\n    enabled_prompts: ["*"]\n    enabled_resources: ["*"]\n'
