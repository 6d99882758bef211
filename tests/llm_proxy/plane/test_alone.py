"""`python -m llm_proxy`: the plane as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.process import alone, options
from tests.llm_proxy.plane.serving import write
from tests.real.processes import free_port


async def test_it_serves_models_and_starts_no_upstream(tmp_path: Path) -> None:
    port, admin = free_port(), free_port()
    async with Double() as double:
        marker = tmp_path / "started"
        upstream = {"command": [sys.executable, "-c", f"open({str(marker)!r}, 'w')"]}
        listeners = {"port": port, "admin": {"port": admin}}
        write(tmp_path, double, gateway={"server": listeners, "upstreams": {"one": upstream}})
        spec = {"name": "desk", "sources": [{"upstream": "one"}]}
        (tmp_path / "virtual_servers" / "desk.yaml").write_text(json.dumps(spec))
        async with alone(tmp_path, port=port, admin=admin) as plane:
            body = {"model": "openai/m", "messages": [{"role": "user", "content": "Hi"}]}
            answer = await plane.http.post("/v1/chat/completions", json=body)
            assert answer.json()["choices"][0]["message"]["content"] == "You said: Hi"
            assert (await plane.http.post("/servers/desk/mcp", json={})).status_code == 404
    assert plane.process.returncode == 0
    assert not marker.exists()
    assert b"provider-key-1" not in plane.output + plane.errors
    assert json.loads(plane.output.splitlines()[0])["event"] == "completion"


def test_without_models_it_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("server: {port: 0}\n")
    (tmp_path / "virtual_servers").mkdir()
    done = subprocess.run(options(tmp_path), env=dict(os.environ), capture_output=True, timeout=60, check=False)
    assert done.returncode == 2
    assert b"there is no `models`" in done.stderr


def test_it_has_the_options_of_serve() -> None:
    done = subprocess.run([sys.executable, "-m", "llm_proxy", "--help"], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0
    assert b"--watch" in done.stdout
