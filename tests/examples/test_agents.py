"""Both example agents against a started gateway with real upstreams."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.docs.started import PATIENCE, Started, environment, gateway, repository
from tests.support import ROOT, require

AGENTS = ("examples.agents.sdk_agent", "examples.agents.framework_agent")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """What `make run` serves, in a repository of its own, on free ports."""
    require("git", "is what an upstream works on")
    folder = repository(tmp_path_factory.mktemp("office"))
    text = (ROOT / "gateway.yaml").read_text()
    assert "port: 8080" in text and "port: 8081" in text
    (folder / "gateway.yaml").write_text(text.replace("port: 8080", "port: 0").replace("port: 8081", "port: 0"))
    shutil.copytree(ROOT / "virtual_servers", folder / "virtual_servers")
    with gateway(folder) as started:
        yield started


def run(agent: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", agent, *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, check=False, text=True, timeout=PATIENCE
    )


@pytest.mark.parametrize(("era", "version"), [("auto", "2026-07-28"), ("handshake", "2025-11-25")])
def test_the_agent_on_the_sdk(office: Started, era: str, version: str) -> None:
    done = run(AGENTS[0], "--url", office.url("office"), "--era", era)
    assert done.returncode == 0, done.stderr
    assert f"protocol {version}" in done.stdout
    assert "tools: now, convert_time, git_status, git_log, git_show" in done.stdout
    assert "ok      now" in done.stdout and "ok      git_log" in done.stdout and "First commit" in done.stdout
    assert "refused git_reset" in done.stdout and "-32602" in done.stdout
    assert "answer: 5 tools on offer; now, git_log worked, the rest did not." in done.stdout


def test_the_agent_on_the_framework(office: Started) -> None:
    done = run(AGENTS[1], "--url", office.url("office"))
    assert done.returncode == 0, done.stderr
    assert "tools: now, convert_time, git_status, git_log, git_show" in done.stdout
    assert "ok      now" in done.stdout and "ok      git_log" in done.stdout
    assert "answer: Asked now and git_log, and know both." in done.stdout


def test_the_gateway_recorded_the_calls(office: Started) -> None:
    before = len(office.calls)
    assert run(AGENTS[0], "--url", office.url("office")).returncode == 0
    office.wait_for(
        "record of a refusal", lambda: any(line["reason"] == "unknown_name" for line in office.calls[before:])
    )
    called = [line for line in office.calls[before:] if line["method"] == "tools/call"]
    assert [(line["upstream"], line["target"], line["outcome"]) for line in called] == [
        ("time", "get_current_time", "ok"),
        ("git", "git_log", "ok"),
        (None, None, "refused"),
    ]


@pytest.mark.parametrize("agent", AGENTS)
def test_an_agent_that_reaches_nobody_says_so(agent: str) -> None:
    done = run(agent, "--url", "http://127.0.0.1:9/servers/office/mcp")
    assert done.returncode == 1
    assert "cannot use http://127.0.0.1:9/servers/office/mcp: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("agent", AGENTS)
def test_an_agent_explains_itself(agent: str) -> None:
    done = run(agent, "--help")
    assert done.returncode == 0 and "--url" in done.stdout
    assert run(agent, "--nonsense").returncode == 2
