"""The plane as a process of its own, and what is asked of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.llm_proxy.plane.serving import ENVIRONMENT
from tests.real.processes import until


@dataclass(slots=True)
class Plane:
    """`output` and `errors` are what it said, once it has ended."""

    process: subprocess.Popen[bytes]
    http: httpx.AsyncClient
    output: bytes = b""
    errors: bytes = b""


def options(folder: Path) -> list[str]:
    return [sys.executable, "-m", "llm_proxy", "--config", str(folder / "gateway.yaml")]


@asynccontextmanager
async def alone(folder: Path, *, port: int, admin: int) -> AsyncIterator[Plane]:
    """The process, once it is ready; at the end of the block it is asked to end, if it has not."""
    process = subprocess.Popen(options(folder), env=dict(ENVIRONMENT), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    async with httpx.AsyncClient(timeout=30, base_url=f"http://127.0.0.1:{port}") as http:
        plane = Plane(process, http)

        async def ready() -> bool:
            try:
                return (await http.get(f"http://127.0.0.1:{admin}/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        try:
            await until("the plane is ready", ready)
            yield plane
        finally:
            process.send_signal(signal.SIGTERM)
            plane.output, plane.errors = process.communicate(timeout=30)
