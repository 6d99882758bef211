"""Other proxies for models, measured beside the gateway where their executables are found."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.bench.completions import MODEL
from tests.bench.models import LITELLM, PORTKEY

START: Final = 120.0
_STOP: Final = 10.0

_EXECUTABLES: Final = ((LITELLM, "litellm"), (PORTKEY, "portkey-gateway"))
"""Portkey's has no name of its own: a link `portkey-gateway` to the `start-server.js` of its package is looked for."""

_CONFIG: Final = """\
model_list:
  - model_name: {model}
    litellm_params: {{model: openai/{model}, api_base: 'http://127.0.0.1:{provider}/v1', api_key: bench}}
general_settings: {{master_key: key}}
"""


def installed() -> tuple[str, ...]:
    """The peers that are there."""
    return tuple(name for name, executable in _EXECUTABLES if shutil.which(executable))


@contextlib.contextmanager
def peer_of_models(name: str, home: Path, core: int, provider: int) -> Iterator[int]:
    """The port of a peer before the provider at a port, with one worker on `core`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [str(shutil.which(dict(_EXECUTABLES)[name]))]
    if name == LITELLM:
        config = home / "litellm.yaml"
        config.write_text(_CONFIG.format(model=MODEL, provider=provider))
        command += ["--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    else:
        command += [f"--port={port}", "--headless"]
    process = subprocess.Popen(
        command, cwd=home, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        os.sched_setaffinity(process.pid, {core})
        _await_port(port, process)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP)


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise RuntimeError("a peer does not listen")
