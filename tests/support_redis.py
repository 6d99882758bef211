"""A real Redis on loopback with a password: started and stopped by the test that needs it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mcp_gateway.core.secret import Secret
from tests.support import require


@dataclass
class RedisServer:
    """A server that keeps nothing on disk. `start` returns once it listens."""

    folder: Path
    port: int
    password: str
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    @property
    def url(self) -> Secret:
        return Secret(f"redis://:{self.password}@127.0.0.1:{self.port}/0")

    def start(self) -> None:
        binary = require("redis-server", "leases are tested on it")
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--requirepass", self.password]
        self._process = subprocess.Popen(
            [str(binary), *options], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdout is not None
        assert any("Ready to accept connections" in line for line in self._process.stdout), "redis-server ended"

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """A running server; stopped afterwards if it was not before."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = RedisServer(folder, port, "canary-redis")
    server.start()
    try:
        yield server
    finally:
        server.stop()
