"""`mcp-gateway guardrails eval`: its figures, what it refuses to read, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.guardrails.running import PII, run, write_failing

MAIL = "bob@example.com"


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(*rows: dict[str, Any]) -> str:
    Path("texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "texts.jsonl"


def test_precision_and_recall_over_a_file() -> None:
    file = write(
        {"text": MAIL, "label": True},
        {"prompt": "good morning", "label": 0},
        {"text": "somebody in Rome", "kinds": ["name"]},
        {"text": "ann@example.com", "label": False},
    )
    code, out, _ = run("eval", file, "--guardrail", PII, "--json")
    told = json.loads(out)
    assert code == 0
    assert (told["precision"], told["recall"], told["f1"]) == (0.5, 0.5, 0.5)
    assert (told["false_positives"], told["false_negatives"]) == ([4], [3])
    code, out, _ = run("eval", file, "--guardrail", PII, "--show")
    assert code == 0 and "line 3: missed" in out and "line 4: accused" in out


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), 0),
        (("--min-precision", "0.5", "--min-recall", "0.5"), 0),
        (("--min-precision", "0.51"), 1),
        (("--min-recall", "0.51"), 1),
        (("--min-recall", "1.5"), 2),
        (("--argument", "sql"), 0),
    ],
)
def test_what_is_worse_than_it_has_to_be_is_one(options: tuple[str, ...], code: int) -> None:
    rows = ({"text": MAIL, "label": 1}, {"text": MAIL, "label": 0}, {"text": "Rome", "label": 1})
    assert run("eval", write(*rows), "--guardrail", PII, *options)[0] == code


def test_no_kinds_are_a_text_with_nothing_in_it() -> None:
    file = write({"text": "good morning", "kinds": []}, {"text": MAIL, "kinds": []}, {"text": MAIL, "kinds": ["email"]})
    code, out, _ = run("eval", file, "--guardrail", PII, "--json")
    told = json.loads(out)
    assert code == 0
    assert (told["true_positives"], told["true_negatives"]) == (1, 1)
    assert (told["false_positives"], told["false_negatives"], told["failed"]) == ([2], [], [])
    assert (told["precision"], told["recall"]) == (0.5, 1.0)


@pytest.mark.parametrize("mode", ["audit", "enforce_but_ignore_on_error", "enforce"])
def test_a_guardrail_that_fails_has_no_figures_and_is_one(tmp_path: Path, mode: str) -> None:
    name = write_failing(tmp_path, mode)
    file = write({"text": MAIL, "label": 1}, {"text": "good morning", "label": 0})
    code, out, err = run("eval", file, "--guardrail", name, "--json")
    told = json.loads(out)
    assert (code, err, told["failed"]) == (1, "", [1, 2])
    assert (told["precision"], told["recall"], told["f1"]) == (None, None, None)
    assert (told["true_positives"], told["true_negatives"]) == (0, 0)
    assert (told["false_positives"], told["false_negatives"]) == ([], [])
    code, out, _ = run("eval", file, "--guardrail", name, "--show")
    assert code == 1
    assert out.splitlines() == ["no answer to 2 texts", "line 1: failed", "line 2: failed"]


GOOD = b'{"text": "a", "label": true}\n'


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (b"not json", "not JSON"),
        (b'{"text": "a", "label": true', "not JSON"),
        (b'{"text": "\xff", "label": true}', "not JSON"),
        (b'{"text": "\\ud800", "label": true}', "not JSON"),
        (b'["a", true]', "no `text`"),
        (b'"a"', "no `text`"),
        (b"null", "no `text`"),
        (b'{"label": true}', "no `text`"),
        (b'{"text": 5, "label": true}', "no `text`"),
        (b'{"text": null, "prompt": "a", "label": true}', "no `text`"),
        (b'{"text": "a"}', "`label` must be"),
        (b'{"text": "a", "label": "yes"}', "`label` must be"),
        (b'{"text": "a", "label": 2}', "`label` must be"),
        (b'{"text": "a", "label": null}', "`label` must be"),
        (b'{"text": "a", "label": {}}', "`label` must be"),
        (b'{"text": "a", "kinds": "email"}', "`kinds` must be"),
        (b'{"text": "a", "kinds": true}', "`kinds` must be"),
        (b'{"text": "a", "kinds": [1]}', "`kinds` must be"),
        (b'{"text": "a", "label": ["email"]}', "`label` must be"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_and_two(tmp_path: Path, row: bytes, said: str) -> None:
    (tmp_path / "texts.jsonl").write_bytes(GOOD + b"\n" + row + b"\n" + GOOD)
    code, out, err = run("eval", "texts.jsonl", "--guardrail", PII)
    assert (code, out) == (2, "")
    assert f"texts.jsonl:3: {said}" in err and "Traceback" not in err


@pytest.mark.parametrize("text", ["", "\n\n", "  \n"])
def test_a_file_with_nothing_in_it_proves_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "texts.jsonl").write_text(text)
    code, out, err = run("eval", "texts.jsonl", "--guardrail", PII, "--min-recall", "0.9")
    assert (code, out) == (2, "") and "no text in it" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("eval", "absent.jsonl", "--guardrail", PII), "cannot read absent.jsonl"),
        (("eval", ".", "--guardrail", PII), "cannot read ."),
        (("eval", "texts.jsonl"), "--guardrail"),
        (("eval", "texts.jsonl", "--guardrail", "global/pii-redactoin"), "did you mean 'global/pii-redaction'?"),
        (("eval", "texts.jsonl", "--guardrail", PII, "--config", "absent.yaml"), "absent.yaml"),
    ],
)
def test_what_cannot_be_done_is_two(arguments: tuple[str, ...], said: str) -> None:
    write({"text": "a", "label": 1})
    code, out, err = run(*arguments)
    assert (code, out) == (2, "") and said in err
