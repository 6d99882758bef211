"""docs/operations.md, tried on a started gateway: reloading, readiness, records, draining."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.docs.blocks import blocks
from tests.docs.started import Started, gateway
from tests.support import ROOT

GATEWAY = """\
server: {port: 0, admin: {port: 0}}
upstreams:
  time: {command: [mcp-server-time, --local-timezone=UTC]}
"""
DESK = "name: desk\nsources: [{upstream: time, enabled_tools: [get_current_time]}]\n"


def write(folder: Path, desk: str = DESK) -> Path:
    (folder / "virtual_servers").mkdir(exist_ok=True)
    (folder / "gateway.yaml").write_text(GATEWAY)
    (folder / "virtual_servers" / "desk.yaml").write_text(desk)
    return folder


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    with gateway(write(tmp_path)) as running:
        yield running


def ask(started: Started, path: str, method: str = "GET") -> tuple[int, Any]:
    request = urllib.request.Request(f"{started.control}{path}", method=method)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


async def tools(started: Started) -> list[str]:
    async with Client(started.url("desk")) as client:
        return [tool.name for tool in (await client.list_tools()).tools]


async def test_posting_a_reload_applies_a_change(started: Started, tmp_path: Path) -> None:
    before = ask(started, "/api/snapshot")[1]["version"]
    write(tmp_path, DESK.replace("get_current_time", '"*"'))
    status, answer = ask(started, "/reload", "POST")
    assert (status, answer["ok"], answer["problems"]) == (200, True, [])
    assert answer["snapshot"] != before
    assert await tools(started) == ["get_current_time", "convert_time"]


async def test_a_signal_reloads(started: Started, tmp_path: Path) -> None:
    write(tmp_path, DESK.replace("get_current_time", "convert_time"))
    started.process.send_signal(signal.SIGHUP)
    started.wait_for_event("reloaded")
    assert await tools(started) == ["convert_time"]


async def test_watching_reloads(tmp_path: Path) -> None:
    with gateway(write(tmp_path), "--watch") as started:
        write(tmp_path, DESK.replace("get_current_time", "convert_time"))
        started.wait_for_event("reloaded")
        assert await tools(started) == ["convert_time"]


async def test_a_bad_reload_keeps_what_runs(started: Started, tmp_path: Path) -> None:
    before = ask(started, "/api/snapshot")[1]
    write(tmp_path, DESK + "colour: red\n")
    status, answer = ask(started, "/reload", "POST")
    assert (status, answer["ok"], answer["snapshot"]) == (422, False, before["version"])
    assert "desk.yaml:3:1: unknown key `colour`" in answer["problems"][0]
    assert started.wait_for_event("reload refused")["problems"] == answer["problems"]
    assert ask(started, "/api/snapshot")[1] == before
    assert await tools(started) == ["get_current_time"]


def test_what_is_fixed_at_start_is_not_reloaded(started: Started, tmp_path: Path) -> None:
    text = (tmp_path / "gateway.yaml").read_text()
    (tmp_path / "gateway.yaml").write_text(text.replace("{port: 0, ", "{port: 0, allowed_hosts: [gw.example.com], "))
    status, answer = ask(started, "/reload", "POST")
    assert status == 422
    assert "`server` changed: restart the gateway to apply it" in answer["problems"][0]


def test_the_control_plane(started: Started) -> None:
    assert ask(started, "/healthz") == (200, {"status": "ok"})
    assert ask(started, "/readyz") == (200, {"ready": True, "detail": "ready"})
    (upstream,) = ask(started, "/api/upstreams")[1]
    assert (upstream["name"], upstream["available"], upstream["breaker"]) == ("time", True, "closed")
    (server,) = ask(started, "/api/servers")[1]
    assert (server["name"], server["path"], server["tools"]) == ("desk", "/servers/desk/mcp", 1)
    with urllib.request.urlopen(f"{started.control}/metrics") as response:
        assert 'mcp_gateway_upstream_available{upstream="time"} 1' in response.read().decode()


def test_a_source_that_may_not_be_missing_makes_the_gateway_unready(tmp_path: Path) -> None:
    folder = write(tmp_path, "best_effort: false\n" + DESK)
    (folder / "gateway.yaml").write_text(GATEWAY.replace("mcp-server-time", "no-such-command"))
    with gateway(folder) as started:
        assert ask(started, "/healthz")[0] == 200
        status, answer = ask(started, "/readyz")
        assert (status, answer["ready"]) == (503, False)
        assert "desk" in answer["detail"]


async def test_a_call_is_recorded_under_the_id_that_its_client_got(started: Started) -> None:
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
    params = {"name": "get_current_time", "arguments": {"timezone": "UTC"}, "_meta": meta}
    request = urllib.request.Request(
        started.url("desk"),
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode(),
        {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": "tools/call",
            "Mcp-Name": "get_current_time",
        },
    )
    with urllib.request.urlopen(request) as response:
        identifier, timing = response.headers["X-Request-Id"], response.headers["Server-Timing"]
    assert timing.startswith("gateway;dur=") and "upstream;dur=" in timing
    started.wait_for("record", lambda: bool(started.calls))
    (record,) = started.calls
    shown = json.loads(next(block for block in _json_blocks() if '"event": "call"' in block))
    assert record.keys() == shown.keys()
    assert (record["request_id"], record["outcome"], record["target"]) == (identifier, "ok", "get_current_time")


def test_a_signal_to_stop_ends_everything_in_order(tmp_path: Path) -> None:
    with gateway(write(tmp_path)) as started:
        started.process.send_signal(signal.SIGTERM)
        assert started.process.wait(30) == 0
        assert started.wait_for_event("stopping")["in_flight"] == 0


def _json_blocks() -> list[str]:
    return [block.text for block in blocks(ROOT / "docs/operations.md", "json")]
