"""`mcp-gateway schema`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from mcp_gateway.cli.schema import schema


def run(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(schema)
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout


def test_every_file_is_written(tmp_path: Path) -> None:
    code, out = run("--output", str(tmp_path / "schemas"))
    written = sorted((tmp_path / "schemas").iterdir())
    assert code == 0
    assert [path.name for path in written] == [
        "gateway.schema.json",
        "guardrails.schema.json",
        "models.schema.json",
        "routing.schema.json",
        "virtual-server.schema.json",
    ]
    assert all(str(path) in out and "properties" in json.loads(path.read_bytes()) for path in written)


@pytest.mark.parametrize(
    ("which", "key"),
    [
        ("gateway", "upstreams"),
        ("virtual-server", "sources"),
        ("guardrails", "rules"),
        ("models", "providers"),
        ("routing", "rules"),
    ],
)
def test_one_is_printed(which: str, key: str) -> None:
    code, out = run("--print", which)
    assert code == 0
    assert key in json.loads(out)["properties"]


def test_json_lists_what_was_written(tmp_path: Path) -> None:
    code, out = run("--json", "-o", str(tmp_path))
    assert code == 0
    assert len(json.loads(out)["written"]) == 5


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert run("-o", str(tmp_path / "file"))[0] == 2
