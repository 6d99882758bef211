"""`python -m llm_proxy`: the plane as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.serving import ENVIRONMENT, write
from tests.real.processes import free_port, until


def options(folder: Path) -> list[str]:
    return [sys.executable, "-m", "llm_proxy", "--config", str(folder / "gateway.yaml")]


async def test_it_serves_models_and_starts_no_upstream(tmp_path: Path) -> None:
    port, admin = free_port(), free_port()
    async with Double() as double:
        marker = tmp_path / "started"
        upstream = {"command": [sys.executable, "-c", f"open({str(marker)!r}, 'w')"]}
        listeners = {"port": port, "admin": {"port": admin}}
        write(tmp_path, double, gateway={"server": listeners, "upstreams": {"one": upstream}})
        spec = {"name": "desk", "sources": [{"upstream": "one"}]}
        (tmp_path / "virtual_servers" / "desk.yaml").write_text(json.dumps(spec))
        process = subprocess.Popen(
            options(tmp_path), env=dict(ENVIRONMENT), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            async with httpx.AsyncClient(timeout=30, base_url=f"http://127.0.0.1:{port}") as http:

                async def ready() -> bool:
                    try:
                        return (await http.get(f"http://127.0.0.1:{admin}/readyz")).status_code == 200
                    except httpx.TransportError:
                        return False

                await until("the plane is ready", ready)
                body = {"model": "openai/m", "messages": [{"role": "user", "content": "Hi"}]}
                answer = await http.post("/v1/chat/completions", json=body)
                assert answer.json()["choices"][0]["message"]["content"] == "You said: Hi"
                assert (await http.post("/servers/desk/mcp", json={})).status_code == 404
        finally:
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert not marker.exists()
    assert b"provider-key-1" not in output + errors
    assert json.loads(output.splitlines()[0])["event"] == "completion"


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
