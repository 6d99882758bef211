"""The guarded handbook of examples/guarded: its README's commands against a started gateway and a real upstream."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import blocks
from tests.docs.started import PATIENCE, Started, environment, gateway, upstream
from tests.support import ROOT, require

FOLDER = ROOT / "examples/guarded"
README = FOLDER / "README.md"
SHELL = [block.text for block in blocks(README, "sh")]
TRIED = [line.rpartition(" # ") for line in SHELL[2].splitlines()]


@pytest.fixture(scope="module")
def handbook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """The files as they stand there; only the ports are others."""
    require("curl", "is what the README calls tools with")
    folder: Path = tmp_path_factory.mktemp("guarded")
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    config = folder / "gateway.yaml"
    with upstream("-m", "examples.upstreams.handbook", "--port", "0") as address:
        text = config.read_text().replace("port: 8080", "port: 0").replace("port: 8081", "port: 0")
        config.write_text(text.replace("http://127.0.0.1:9000/mcp", address))
        with gateway(folder) as started:
            yield started


def run(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE,
    )


def test_what_is_tried_has_the_answers_that_stand_there(handbook: Started) -> None:
    assert len(TRIED) == 8
    for command, _, answer in TRIED:
        done = run(SHELL[1].replace("http://127.0.0.1:8080", handbook.data) + command)
        assert done.returncode == 0, done.stderr
        expected = f'"code":{answer}' if answer.isdigit() else answer
        assert expected in done.stdout, command
    handbook.wait_for("records", lambda: len(handbook.calls) == len(TRIED))
    written = str(handbook.calls)
    assert not any(secret in written for secret in ("bob@example.com", "ACC-123456", "Tr0ub4dor"))


def test_the_command_prints_what_stands_there() -> None:
    (block,) = blocks(README, "console")
    typed, *printed = block.text.splitlines()
    done = run(typed.removeprefix("$ "))
    assert (done.returncode, done.stdout.splitlines()) == (1, printed), done.stderr


def test_the_files_are_those_that_are_started() -> None:
    assert SHELL[0].splitlines()[1].endswith("serve --config examples/guarded/gateway.yaml")
    assert (ROOT / "examples/guarded/gateway.yaml").is_file()
