"""`mcp-gateway guardrails test` and `eval`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mcp_gateway.cli.guardrails.command import guardrails

PII, SECRETS = "global/pii-redaction", "global/secrets-detection"


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, given: str = "") -> tuple[int, str, str]:
    result = CliRunner().invoke(guardrails, list(arguments), input=given)
    return result.exit_code, result.stdout, result.stderr


def test_a_text_is_shown_as_it_would_be_left() -> None:
    code, out, _ = run("test", "-", "--guardrail", PII, given="mail bob@example.com")
    assert code == 1
    assert out.splitlines() == [f"{PII}: deny, mutate (email 1)", "  mail [EMAIL]"]


def test_nothing_found_is_zero() -> None:
    code, out, _ = run("test", "-", "--json", given="good morning")
    told = json.loads(out)["guardrails"]
    assert code == 0 and {PII, SECRETS} <= {each["name"] for each in told}
    assert {each["verdict"] for each in told} == {"pass"}


def test_a_statement_is_looked_at_under_the_name_of_one() -> None:
    assert run("test", "-", given="DROP TABLE users")[0] == 0
    code, out, _ = run("test", "-", "--argument", "sql", given="DROP TABLE users")
    assert code == 1 and "global/sql-sanitizer: deny, block" in out


def test_the_guardrails_of_a_hook_and_their_modes(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("guardrails: guardrails.yaml\n")
    audit = {"name": "pii-redaction", "type": "pii", "operation": "mutate", "mode": "audit"}
    rule = {"id": "all", "mcp_tool_pre_invoke_guardrails": [PII]}
    written = {"groups": [{"name": "global", "guardrails": [audit]}], "rules": [rule]}
    (tmp_path / "guardrails.yaml").write_text(json.dumps(written))
    code, out, _ = run("test", "-", "--hook", "mcp_tool_pre_invoke_guardrails", given="bob@example.com")
    assert (code, out) == (1, f"{PII}: deny, allow (email 1)\n")
    assert run("test", "-", "--hook", "mcp_tool_post_invoke_guardrails", given="bob@example.com")[:2] == (0, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("test", "-", "--guardrail", "global/pii-redactoin"), "did you mean 'global/pii-redaction'?"),
        (("test", "absent.txt"), "cannot read absent.txt"),
        (("eval", "absent.jsonl", "--guardrail", PII), "cannot read absent.jsonl"),
    ],
)
def test_what_cannot_be_done_is_two(arguments: tuple[str, ...], said: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2 and said in err


def test_precision_and_recall_over_a_file(tmp_path: Path) -> None:
    texts = [
        {"text": "bob@example.com", "label": True},
        {"prompt": "good morning", "label": 0},
        {"text": "somebody in Rome", "kinds": ["name"]},
        {"text": "ann@example.com", "label": False},
    ]
    file = tmp_path / "texts.jsonl"
    file.write_text("\n".join(map(json.dumps, texts)) + "\n")
    code, out, _ = run("eval", str(file), "--guardrail", PII, "--json")
    told = json.loads(out)
    assert code == 0
    assert (told["precision"], told["recall"], told["f1"]) == (0.5, 0.5, 0.5)
    assert (told["false_positives"], told["false_negatives"]) == ([4], [3])
    code, out, _ = run("eval", str(file), "--guardrail", PII, "--show", "--min-recall", "0.9")
    assert code == 1 and "line 3: missed" in out and "line 4: accused" in out


def test_a_line_that_is_not_labelled_is_named(tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text('{"text": "a", "label": 1}\n{"text": "b", "label": "yes"}\n')
    code, _, err = run("eval", "texts.jsonl", "--guardrail", PII)
    assert code == 2 and "texts.jsonl:2: `label`" in err
