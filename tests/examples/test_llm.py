"""The assistant of examples/llm: an agent whose model and tools come through a started gateway."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.docs.blocks import blocks
from tests.docs.started import PATIENCE, Started, environment, gateway, upstream
from tests.support import ROOT

FOLDER = ROOT / "examples/llm"
SHELL = [line for block in blocks(FOLDER / "README.md", "sh") for line in block.text.splitlines()]
QUESTION = 'call search_pages {"text": "trains", "max_results": 9}'


@pytest.fixture(scope="module")
def assistant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Started, str]]:
    """The files as they stand there, only addresses are others; and the address of the double."""
    folder: Path = tmp_path_factory.mktemp("llm")
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    with (
        upstream("-m", "examples.upstreams.handbook", "--port", "0") as handbook,
        upstream("-m", "tests.llm_proxy.double", "--port", "0") as double,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setenv("OPENAI_API_KEY", "key-of-openai")
        patched.setenv("ANTHROPIC_API_KEY", "key-of-anthropic")
        provider = f"http://127.0.0.1:{json.loads(double)['port']}"
        changes = {
            "gateway.yaml": (
                ("port: 8080", "port: 0"), ("port: 8081", "port: 0"), ("http://127.0.0.1:9000/mcp", handbook),
            ),
            "models.yaml": (("https://api.openai.com", provider), ("https://api.anthropic.com", provider)),
        }  # fmt: skip
        for name, pairs in changes.items():
            text = (folder / name).read_text()
            for old, new in pairs:
                assert old in text
                text = text.replace(old, new)
            (folder / name).write_text(text)
        with gateway(folder) as started:
            yield started, provider


def run(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "examples.agents.llm_agent", "--url", url, *arguments],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE,
    )


def test_the_agent_finds_the_page(assistant: tuple[Started, str]) -> None:
    started, provider = assistant
    done = run(started.data, QUESTION)
    assert done.returncode == 0, done.stderr
    assert "turn    house/assistant is openai-main/gpt-4.1-mini" in done.stdout
    assert "tool    search_pages" in done.stdout
    assert "answer: The tool returned: travel" in done.stdout
    used = httpx.get(f"{provider}/counted").json()
    assert [(one["key"], one["model"], one["answers"]) for one in used] == [("key-of-openai", "gpt-4.1-mini", 2)]
    started.wait_for("records", lambda: sum(line["event"] == "completion" for line in started.calls) == 2)
    assert {line["metadata"]["team"] for line in started.calls if line["event"] == "completion"} == {"people"}
    assert not any(key in str((started.calls, started.log)) for key in ("key-of-openai", "key-of-anthropic"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(("--team", "pirates"), "metadata"), (("--model", "openai-main/gpt-4.1-mini"), "there is no model")],
)
def test_what_is_not_allowed_is_not_done(assistant: tuple[Started, str], arguments: tuple[str, str], told: str) -> None:
    started, _ = assistant
    done = run(started.data, *arguments, QUESTION)
    assert done.returncode == 1
    assert "cannot use " in done.stderr and "Traceback" not in done.stderr
    assert told in done.stderr


def test_the_files_are_those_that_are_started() -> None:
    assert SHELL[1].endswith("serve --config examples/llm/gateway.yaml")
    assert "examples.agents.llm_agent" in SHELL[2] and "usage --by team,target" in SHELL[3]
    assert run("http://127.0.0.1:9").returncode == 1
