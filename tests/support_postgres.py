"""A real PostgreSQL on loopback, with a password: one for the process, started when first asked for."""

from __future__ import annotations

import atexit
import functools
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from mcp_gateway.core.secret import Secret
from tests.support import need

USER = "gateway"


@dataclass
class Postgres:
    """A server with its files in a folder of its own. `password` is a canary: it must never be seen in any output."""

    binaries: Path
    folder: Path
    port: int
    password: str = field(repr=False)

    def url(self, database: str = "postgres", *, password: str | None = None) -> Secret:
        """The address of one of its databases."""
        return Secret(f"postgresql://{USER}:{password or self.password}@127.0.0.1:{self.port}/{database}")

    def start(self) -> None:
        """Returns once it takes connections. Syncing is off: what these tests kill is the gateway."""
        options = f"-F -p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder}"
        self._run("pg_ctl", "-D", self._data, "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        """Returns once it is down; connections are cut, as by a crash of the machine."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What psql prints for a statement."""
        return self._run(
            "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-p", str(self.port), "-U", USER,
            "-d", database, "-c", statement,
        )  # fmt: skip

    def make(self) -> None:
        """initdb: passwords over TCP, the socket in the folder for whoever may enter it."""
        secret = self.folder / "password"
        secret.write_text(self.password)
        if os.getuid() == 0:
            for path in (self.folder, secret):
                shutil.chown(path, "postgres", "postgres")
        self._run(
            "initdb", "-D", self._data, "-U", USER, "-A", "scram-sha-256", "--auth-local=trust", "--no-sync",
            f"--pwfile={secret}",
        )  # fmt: skip

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, command: str, *arguments: str) -> str:
        line = [str(self.binaries / command), *arguments]
        if os.getuid() == 0:  # it refuses to run as root
            line = ["runuser", "-u", "postgres", "--", *line]
        # Not a pipe: pg_ctl leaves a server behind that would hold it open.
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(line, cwd="/", stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False)
            said.seek(0)
            text = said.read().decode()
        assert done.returncode == 0, text
        return text.strip()


@functools.cache
def postgres() -> Postgres:
    """The server of this process; skips where there is none to start, and fails there under CI."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    need(bool(found), "PostgreSQL is absent: the store is tested on it")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Postgres(found[-1].parent, folder, port, "canary-" + secrets.token_hex(12))
    server.make()
    server.start()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.stop)
    return server
