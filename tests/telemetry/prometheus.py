"""A real Prometheus that scrapes one address."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp_gateway.core.asgi.server import bind
from tests.support import require

PATIENCE = 60.0
STEP = 0.05


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Asked over its API."""

    url: str

    def get(self, path: str, **query: str) -> Any:
        """What is under `data` of an answer; an expression that cannot be evaluated fails here, with its reason."""
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}") as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{query}: {error.read().decode()}") from None

    def until(self, expression: str) -> list[Any]:
        """The result of an expression, once there is one."""
        end = time.monotonic() + PATIENCE
        while not (found := self.get("query", query=expression)["result"]):
            assert time.monotonic() < end, (expression, self.get("targets"))
            time.sleep(STEP)
        result: list[Any] = found
        return result


@contextmanager
def prometheus(folder: Path, target: str, rules: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes `target` (host:port) twice a second and evaluates `rules`."""
    program = require("prometheus", "it scrapes the gateway, and answers what dashboards ask")
    config = folder / "prometheus.yml"
    scrape = {"job_name": "mcp-gateway", "static_configs": [{"targets": [target]}]}
    every = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
    config.write_text(json.dumps({"global": every, "rule_files": [str(rules)], "scrape_configs": [scrape]}))
    with bind("127.0.0.1", 0) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        str(program),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={address}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        _ready(f"http://{address}/-/ready", process, folder / "prometheus.log")
        yield Prometheus(f"http://{address}")
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        assert process.poll() is None and time.monotonic() < end, log.read_text()[-2000:]
        try:
            urllib.request.urlopen(url).close()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(STEP)
        else:
            return
