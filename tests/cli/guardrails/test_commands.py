"""`mcp-gateway guardrails test`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.guardrails.running import PII, SECRETS, run, write_failing


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_text_is_shown_as_it_would_be_left() -> None:
    code, out, _ = run("test", "-", "--guardrail", PII, given="mail bob@example.com")
    assert code == 1
    assert out.splitlines() == [
        f"{PII}: deny, mutate (email 1)",
        "  1:6 email, 15 characters",
        "  | mail [EMAIL]",
    ]


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
    assert (code, out) == (1, f"{PII}: deny, allow (email 1)\n  1:1 email, 15 characters\n")
    assert run("test", "-", "--hook", "mcp_tool_post_invoke_guardrails", given="bob@example.com")[:2] == (0, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("test", "-", "--guardrail", "global/pii-redactoin"), "did you mean 'global/pii-redaction'?"),
        (("test", "absent.txt"), "cannot read absent.txt"),
    ],
)
def test_what_cannot_be_done_is_two(arguments: tuple[str, ...], said: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2 and said in err


KEY = "AKIA" + "QYLPMN5HHHFPZAM2"


def places(text: str, *options: str) -> dict[str, list[tuple[str, int, int, int]]]:
    _, out, _ = run("test", "-", "--json", *options, given=text)
    return {
        each["name"]: [(at["kind"], at["line"], at["column"], at["length"]) for at in each["places"]]
        for each in json.loads(out)["guardrails"]
    }


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (KEY, [(1, 1)]),
        (f"key {KEY}", [(1, 5)]),
        (f"one\ntwo {KEY}\n", [(2, 5)]),
        (f"one\r\ntwo {KEY}\r\n", [(2, 5)]),
        (f"\n\n\N{GRINNING FACE} {KEY} and\n{KEY}", [(3, 3), (4, 1)]),
    ],
)
def test_findings_are_told_by_line_and_column(text: str, at: list[tuple[int, int]]) -> None:
    assert places(text, "--guardrail", SECRETS) == {
        SECRETS: [("aws_access_key", line, column, len(KEY)) for line, column in at]
    }
    code, out, _ = run("test", "-", "--guardrail", SECRETS, given=text)
    shown = [f"  {line}:{column} aws_access_key, {len(KEY)} characters" for line, column in at]
    assert (code, out.splitlines()[1:]) == (1, shown)


def test_the_name_of_the_argument_says_what_a_text_is_and_moves_nothing() -> None:
    text = "hunter2-but-longer"
    assert places(text, "--guardrail", SECRETS) == {SECRETS: []}
    ((kind, *place),) = places(text, "--guardrail", SECRETS, "--argument", "password")[SECRETS]
    assert kind and place == [1, 1, len(text)]


@pytest.mark.parametrize("options", [(), ("--guardrail", PII), ("--json",), ("--json", "--guardrail", PII)])
def test_no_secret_is_printed_whoever_finds_it(options: tuple[str, ...]) -> None:
    code, out, err = run("test", "-", *options, given=f"bob@example.com\n{KEY}\npassword: Tr0ub4dor&3x\n")
    assert code == 1
    assert not any(secret in out + err for secret in ("bob@example.com", KEY, "Tr0ub4dor"))


def test_of_many_findings_the_first_are_printed_and_all_are_counted() -> None:
    text = "".join(f"u{number}@example.com\n" for number in range(60))
    _, out, _ = run("test", "-", "--guardrail", PII, given=text)
    lines = out.splitlines()
    assert lines[50] == "  50:1 email, 15 characters" and lines[51] == "  and 10 more"
    assert len(places(text, "--guardrail", PII)[PII]) == 60


def test_places_are_those_of_a_long_text_too() -> None:
    text = "lorem ipsum\n" * 2_000 + f"to {KEY}"
    assert places(text, "--guardrail", SECRETS) == {SECRETS: [("aws_access_key", 2_001, 4, len(KEY))]}


def test_a_guardrail_that_fails_is_one_and_has_no_places(tmp_path: Path) -> None:
    name = write_failing(tmp_path)
    code, out, _ = run("test", "-", "--guardrail", name, "--json", given="good morning")
    (told,) = json.loads(out)["guardrails"]
    assert code == 1
    assert (told["verdict"], told["action"], told["failure"]) == ("error", "block", "Unreachable")
    assert (told["places"], told["text"]) == ([], None)


def test_a_file_that_is_no_text_is_two(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    code, out, err = run("test", "binary")
    assert (code, out) == (2, "") and "binary is not in UTF-8" in err
