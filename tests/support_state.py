"""Fresh databases for tests, at the present revision: copies of one that was migrated once."""

from __future__ import annotations

import atexit
import contextlib
import functools
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mcp_gateway.core.secret import Secret
from tests.support_postgres import Postgres, postgres

KEY = b"k" * 32
KINDS = ("sqlite", "postgresql")


def migrated(url: Secret) -> None:
    """Bring the database at `url` up to date, as the gateway does."""
    command = [sys.executable, "-m", "mcp_gateway.core.state.migrate"]
    done = subprocess.run(command, input=url.reveal() + "\n", text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@functools.cache
def _template_file() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="sqlite-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    migrated(Secret(f"sqlite:///{folder}/template.db"))
    return folder / "template.db"


@functools.cache
def _template_database() -> Postgres:
    server = postgres()
    server.sql("CREATE DATABASE template_gateway")
    migrated(server.url("template_gateway"))
    return server


def sqlite_url(folder: Path) -> Secret:
    """A fresh SQLite database in `folder`."""
    path = folder / f"{secrets.token_hex(4)}.db"
    shutil.copyfile(_template_file(), path)
    return Secret(f"sqlite:///{path}")


@contextlib.contextmanager
def fresh(kind: str, folder: Path) -> Iterator[Secret]:
    """A fresh database of a kind, gone afterwards."""
    if kind == "sqlite":
        yield sqlite_url(folder)
        return
    server, name = _template_database(), f"db_{secrets.token_hex(6)}"
    server.sql(f"CREATE DATABASE {name} TEMPLATE template_gateway")
    try:
        yield server.url(name)
    finally:
        server.sql(f"DROP DATABASE {name} WITH (FORCE)")
