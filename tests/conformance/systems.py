"""What the suite is pointed at, as processes on free ports: the everything server, a gateway, a peer's proxy."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conformance.suite import ROOT

START = 30.0
STOP = 10.0
POLL = 0.05

GATEWAY = """\
server:
  host: 127.0.0.1
  port: 0
  admin: {{host: 127.0.0.1, port: 0}}
identity:
  anonymous: loopback
upstreams:
  {name}:
    url: {url}
    protocol: "{protocol}"
{extra}virtual_servers: virtual_servers/
"""

VIRTUAL_SERVER = """\
name: {name}
sources:
  - upstream: {name}
    enabled_prompts: ["*"]
    enabled_resources: ["*"]
"""


@contextmanager
def everything(era: str = "both") -> Iterator[str]:
    """The URL of a running everything server."""
    with announced("tests.upstreams.everything", "--era", era) as port:
        yield f"http://127.0.0.1:{port}/mcp"


@contextmanager
def fastmcp_proxy(url: str) -> Iterator[str]:
    """The URL of FastMCP's proxy with its defaults, in front of `url`."""
    with announced("tests.conformance.peer_fastmcp", url) as port:
        yield f"http://127.0.0.1:{port}/mcp"


@contextmanager
def gateway(
    url: str, *, protocol: str = "auto", name: str = "everything", extra: Mapping[str, Any] | None = None
) -> Iterator[str]:
    """The URL of a virtual server that holds all of the upstream `url`, once the gateway says that it is ready.

    `extra` are more settings of the upstream.
    """
    with tempfile.TemporaryDirectory(prefix="gateway-") as home:
        folder = Path(home)
        (folder / "virtual_servers").mkdir()
        (folder / "virtual_servers" / f"{name}.yaml").write_text(VIRTUAL_SERVER.format(name=name))
        config = folder / "gateway.yaml"
        more = "".join(f"    {key}: {json.dumps(value)}\n" for key, value in (extra or {}).items())
        config.write_text(GATEWAY.format(name=name, url=url, protocol=protocol, extra=more))
        log = folder / "gateway.log"
        with log.open("wb") as sink:
            command = [sys.executable, "-m", "mcp_gateway", "serve", "--config", str(config)]
            process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
            try:
                ready = _await_ready(process, log)
                yield str(ready["servers"][0])
            finally:
                _stop(process)


@contextmanager
def announced(module: str, *arguments: str) -> Iterator[int]:
    """The port of a module that prints `{"port": N}` once it listens, as every server of `tests.upstreams` does."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"{module} ended before it listened (exit code {process.wait(STOP)})")
            yield int(json.loads(line)["port"])
        finally:
            _stop(process)


def _await_ready(process: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    """What the gateway logs once it is ready: the addresses as bound."""
    deadline = time.monotonic() + START
    while process.poll() is None and time.monotonic() < deadline:
        for line in log.read_text(errors="replace").split("\n")[:-1]:
            if '"event": "ready"' in line:
                found: dict[str, Any] = json.loads(line)
                return found
        time.sleep(POLL)
    state = "is not ready" if process.poll() is None else f"ended with code {process.returncode}"
    raise RuntimeError(f"the gateway {state}:\n{log.read_text(errors='replace')[-4000:]}")


def _stop(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP)
