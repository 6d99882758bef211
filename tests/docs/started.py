"""Starting the gateway and upstreams as real processes, on ports that the system picks."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import ROOT

PATIENCE = 40.0
"""Seconds until something that should have happened counts as not happening."""


def environment() -> dict[str, str]:
    """This process's environment, with its interpreter's scripts first on PATH and the repository importable."""
    scripts = str(Path(sys.executable).parent)
    path = os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


@dataclass(slots=True)
class Started:
    """A running gateway. `log` are the lines of standard error so far, `calls` those of standard output."""

    process: subprocess.Popen[str]
    data: str = ""
    control: str = ""
    log: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    _news: queue.SimpleQueue[None] = field(default_factory=queue.SimpleQueue)

    def url(self, server: str) -> str:
        """Where a virtual server is."""
        return f"{self.data}/servers/{server}/mcp"

    def wait_for(self, what: str, there: Callable[[], bool]) -> None:
        """Wait until lines have come that make `there` true."""
        until = time.monotonic() + PATIENCE
        while not there():
            with contextlib.suppress(queue.Empty):
                self._news.get(timeout=max(0.0, min(1.0, until - time.monotonic())))
            if time.monotonic() > until or (self.process.poll() is not None and not there()):
                raise AssertionError(f"no {what}; the log: {self.log}")

    def wait_for_event(self, event: str, count: int = 1) -> dict[str, Any]:
        """The `count`-th line of the log with this event."""
        self.wait_for(event, lambda: len(self._events(event)) >= count)
        return self._events(event)[count - 1]

    def _events(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line.get("event") == event]

    def read(self, stream: Any, into: list[dict[str, Any]]) -> threading.Thread:
        """Collect the lines of a stream in a thread of its own."""

        def collect() -> None:
            for line in stream:
                with contextlib.suppress(ValueError):
                    into.append(json.loads(line))
                self._news.put(None)

        thread = threading.Thread(target=collect, daemon=True)
        thread.start()
        return thread


@contextlib.contextmanager
def gateway(folder: Path, *options: str) -> Iterator[Started]:
    """`mcp-gateway serve` in `folder`, ready, until the context ends. Its ports should be 0 in gateway.yaml."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mcp_gateway", "serve", *options],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    started = Started(process)
    threads = [started.read(process.stderr, started.log), started.read(process.stdout, started.calls)]
    try:
        ready = started.wait_for_event("ready")
        started.control = ready["control"]
        started.data = re.sub(r"/servers/.*", "", ready["servers"][0]) if ready["servers"] else ""
        yield started
    finally:
        _end(process)
        for thread in threads:
            thread.join(PATIENCE)
        _close(process)


@contextlib.contextmanager
def upstream(*command: str) -> Iterator[str]:
    """A Python program that prints its address as its first line; the address, until the context ends."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        _end(process)
        _close(process)


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


def _close(process: subprocess.Popen[str]) -> None:
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def repository(folder: Path) -> Path:
    """`folder` as a git repository with one commit."""
    who = ("-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")
    for command in (("init", "--quiet"), (*who, "commit", "--quiet", "--allow-empty", "-m", "First commit")):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder
