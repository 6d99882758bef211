"""The README's first policy, done as it says."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.docs.blocks import blocks
from tests.docs.started import Started, environment, gateway
from tests.docs.test_examples import README
from tests.real.wire import Wire
from tests.support import require


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the example as they stand there; only the ports are others."""
    require("mcp-server-time", "is the upstream of the example")
    folder = tmp_path_factory.mktemp("readme")
    for block in blocks(README, "yaml", "cedar"):
        named = re.match(r"(?:#|//) (guarded/[\w./-]+)\n", block.text)
        if named is None:
            continue
        ports = "server: {port: 0, public_url: 'http://127.0.0.1:8080', admin: {port: 0}}\n"
        path = folder / named[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text + (ports if path.name == "gateway.yaml" else ""))
    assert (folder / "guarded/policies").is_dir()
    return folder


def ended_of(first: str, folder: Path) -> list[subprocess.CompletedProcess[str]]:
    """The commands of the block that begins with `first`, run one after the other."""
    (block,) = (each.text for each in blocks(README, "console") if each.text.startswith(f"$ {first}"))
    return [
        subprocess.run(
            shlex.split(line.removeprefix("$ ")),
            check=False,
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )
        for line in block.splitlines()
    ]


def test_the_commands_answer_as_it_says(folder: Path) -> None:
    ended = ended_of("mcp-gateway policy check", folder)
    assert [each.returncode for each in ended] == [0, 0, 1], [each.stdout + each.stderr for each in ended]
    assert "the-time-in-europe" in ended[1].stdout


@pytest.fixture(scope="module")
def started(folder: Path) -> Iterator[Started]:
    with gateway(folder, "--config", "guarded/gateway.yaml") as running:
        yield running


@pytest.mark.parametrize("modern", [True, False])
async def test_the_gateway_does_as_the_policy_says(started: Started, modern: bool) -> None:
    url = started.url("clock")
    async with httpx.AsyncClient(timeout=60) as http:
        wire = Wire(http, url, modern=modern)
        if not modern:
            await wire.initialize()
        listed = (await wire.ask("tools/list", {})).result["tools"]
        assert [tool["name"] for tool in listed] == ["get_current_time"]
        answer = await wire.call("get_current_time", {"timezone": "Europe/Paris"})
        assert json.loads(answer.result["content"][0]["text"])["timezone"] == "Europe/Paris"
        assert (await wire.call("get_current_time", {"timezone": "Asia/Tokyo"})).code == 40300


def test_a_change_is_looked_at_before_it_is_made(folder: Path, started: Started) -> None:
    started.wait_for("the records", lambda: sum(each.get("event") == "call" for each in started.calls) >= 6)
    (folder / "calls.jsonl").write_text("".join(json.dumps(each) + "\n" for each in started.calls))
    planned, replayed, locked = ended_of("mcp-gateway plan", folder)
    for each in (planned, replayed, locked):
        assert each.returncode == 0, each.stdout + each.stderr
    assert "get_current_time" in planned.stdout
    assert "same" in replayed.stdout
    assert (folder / "guarded" / "tools.lock").is_file()
