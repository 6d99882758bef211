"""`mcp-gateway check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from mcp_gateway.cli.check import check
from tests.settings.files import GATEWAY, SERVER, write


def run(*arguments: str) -> tuple[int, str, str]:
    app = typer.Typer()
    app.command()(check)
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def test_a_good_configuration(tmp_path: Path) -> None:
    code, out, err = run("--config", str(write(tmp_path, GATEWAY, one=SERVER)))
    assert (code, err) == (0, "")
    assert "http://127.0.0.1:8080/servers/one/mcp" in out
    assert "notice: No policies" in out
    assert "1 virtual server, 1 upstream." in out


def test_a_bad_one_is_two_and_names_the_place(tmp_path: Path) -> None:
    path = write(tmp_path, "serer: {}")
    code, out, err = run("-c", str(path))
    assert (code, out) == (2, "")
    assert f"{path}:1:1: unknown key `serer` (did you mean `server`?)" in err
    assert "\x1b" not in err


def test_json(tmp_path: Path) -> None:
    code, out, _ = run("--json", "-c", str(write(tmp_path, GATEWAY, one=SERVER)))
    facts = json.loads(out)
    assert (code, facts["ok"], facts["servers"]["one"]["sources"]) == (0, True, ["time"])
    assert facts["upstreams"]["time"]["kind"] == "stdio"


def test_policies_are_read(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "a.cedar").write_text('@id("a") permit (principal, action, resource);')
    path = str(write(tmp_path, GATEWAY + "policies: {path: policies}\n", one=SERVER))
    code, out, _ = run("-c", path)
    assert code == 0 and "1 policy can be read" in out
    assert json.loads(run("--json", "-c", path)[1])["policies"] == 1
    (tmp_path / "policies" / "a.cedar").write_text("permit (principal, action resource);")
    code, _, err = run("-c", path)
    assert code == 2 and "policies/a.cedar:1:27" in err


def test_json_of_problems(tmp_path: Path) -> None:
    path = write(tmp_path, "serer: {}")
    code, out, _ = run("--json", "-c", str(path))
    assert code == 2
    assert json.loads(out) == {
        "ok": False,
        "problems": [
            {
                "file": str(path),
                "line": 1,
                "column": 1,
                "message": "unknown key `serer`",
                "hint": "did you mean `server`?",
            }
        ],
    }


def test_the_default_file_is_the_one_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, GATEWAY, one=SERVER)
    monkeypatch.chdir(tmp_path)
    assert run()[0] == 0


def test_a_file_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    code, _, err = run("-c", str(write(tmp_path, '"a\\e[2Jb": 1\n"[red]x": 1')))
    assert code == 2
    assert "\x1b" not in err and "[red]x" in err


def test_a_secret_is_not_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T", "s3cr3t-value")
    path = write(tmp_path, "upstreams: {time: {command: [x], env: {TOKEN: env:T}}}", one=SERVER)
    for arguments in (("-c", str(path)), ("--json", "-c", str(path))):
        code, out, err = run(*arguments)
        assert code == 0
        assert "s3cr3t-value" not in out + err


def test_guardrails_that_cannot_be_built_are_named_by_their_places(tmp_path: Path) -> None:
    path = str(write(tmp_path, GATEWAY + "guardrails: guardrails.yaml\n", one=SERVER))
    bad = """\
groups:
  - name: own
    guardrails:
      - {name: numbers, type: regex, config: {presets: [emial]}}
      - {name: desk, type: cedar, config: {policy: '@id("a") permit (principal, action, resource);'}}
"""
    (tmp_path / "guardrails.yaml").write_text(bad)
    code, _, err = run("-c", path)
    assert code == 2 and f"{tmp_path / 'guardrails.yaml'}:4:9: " in err
    fine = bad.replace("emial", "email")
    (tmp_path / "guardrails.yaml").write_text(fine)
    assert run("-c", path)[0] == 0
    (tmp_path / "guardrails.yaml").write_text(fine.replace("action, resource", "action resource"))
    code, _, err = run("-c", path)
    assert code == 2 and "guardrails.yaml:5:" in err and "of the policy" in err
