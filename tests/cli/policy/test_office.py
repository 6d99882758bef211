"""The commands on the worked example of the repository, over the demo's real servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cedarpy import Schema

from tests.cli.policy.office import Office, ledger, office
from tests.docs.blocks import blocks
from tests.support import ROOT, require


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    require("git", "is what a server of the demo works on")
    with ledger() as url:
        yield url


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory, address: str) -> Office:
    """For commands that change nothing."""
    return office(tmp_path_factory.mktemp("office"), address)


@pytest.fixture
def own(tmp_path: Path, address: str) -> Office:
    """One whose policies a test may replace; only its ledger has to be asked."""
    return office(tmp_path, address)


def explain(where: Office, *more: str, who: str = "corp|fay") -> tuple[int, str, str]:
    return where.run("explain", "--as", who, "--server", "office", *more)


def test_the_example_is_fine_and_has_at_least_a_dozen_policies(example: Office) -> None:
    code, out, err = example.run("check", "--json")
    facts = json.loads(out)
    assert (code, err, facts["ok"], facts["remarks"], facts["unread"]) == (0, "", True, [], {})
    assert facts["policies"] >= 12


def test_every_case_of_the_example_holds_and_every_policy_is_exercised(example: Office) -> None:
    code, out, err = example.run("test", "policies/tests/", "--require-coverage", "--json")
    facts = json.loads(out)
    assert [each for each in facts["cases"] if not each["ok"]] == []
    assert (code, err, facts["ok"], facts["not_exercised"]) == (0, "", True, [])


def test_a_case_that_does_not_hold_is_one_and_names_its_place(example: Office) -> None:
    path = example.folder / "wrong.yaml"
    path.write_text(
        "- {principal: corp|guest, server: office, tool: now, arguments: {timezone: UTC}, expect: deny}\n"
        "- {principal: corp|guest, server: office, tool: now, arguments: {timezone: UTC}, expect: allow, by: [other]}\n"
        "- {principal: corp|guest, server: office, tool: later, expect: deny}\n"
        "- {principal: corp|guest, server: office, tool: now, arguments: {}, expect: deny}\n"
    )
    code, out, _ = example.run("test", "wrong.yaml")
    assert code == 1
    title = "corp|guest calls office/now"
    assert out.splitlines()[:5] == [
        f"wrong.yaml:1:3: {title}: expected deny, got allow (time-for-everyone)",
        f"wrong.yaml:2:3: {title}: expected it by other, but it is by: time-for-everyone",
        "wrong.yaml:3:3: corp|guest calls office/later: office has no tool 'later'",
        f"wrong.yaml:4:3: {title}: the arguments do not fit the tool: "
        + out.splitlines()[3].partition("the arguments do not fit the tool: ")[2],
        "0 of 4 cases as expected.",
    ]
    assert "No case is decided by: " in out


def test_missing_coverage_is_one_only_where_it_is_asked_for(example: Office) -> None:
    path = example.folder / "few.yaml"
    path.write_text("cases: [{principal: corp|guest, server: office, tool: git_status, expect: deny}]\n")
    assert example.run("test", "few.yaml")[0] == 0
    assert example.run("test", "few.yaml", "--require-coverage")[0] == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cases: []", "bad.yaml:1:1"),
        ("- {principal: a|b, server: office, tol: now, expect: deny}", "bad.yaml:1:36: unknown key `tol`"),
        ("- {principal: a|b, server: office, tool: now, expect: maybe}", "bad.yaml:1:55"),
        ("- {principal: a|b, server: office, tool: now, expect: deny, ip: here}", "bad.yaml:1:65"),
        ("just words", "bad.yaml:1:1: expected a list of cases"),
    ],
)
def test_a_file_of_cases_that_cannot_be_read_is_two(example: Office, text: str, expected: str) -> None:
    (example.folder / "bad.yaml").write_text(text)
    code, out, err = example.run("test", "bad.yaml")
    assert (code, out) == (2, "")
    assert expected in err


def test_the_cases_of_the_user_guide_hold(example: Office) -> None:
    (block,) = [each for each in blocks(ROOT / "docs/policies.md", "yaml") if each.file != "gateway.yaml"]
    (example.folder / "guide.yaml").write_text(block.text)
    code, out, _ = example.run("test", "guide.yaml", "--json")
    assert (code, [each["why"] for each in json.loads(out)["cases"]]) == (0, [None, None])


def test_explain_names_the_policy_that_decides(example: Office) -> None:
    booking = ("--tool", "ledger_book", "--team", "finance", "--args")
    code, out, err = explain(example, *booking, '{"amount": 5, "memo": "tea"}')
    assert (code, err) == (0, "")
    assert out.startswith('allow: Action::"ledger/post_entry" on ledger/post_entry\n  by permit `finance-books-small')
    code, out, _ = explain(example, *booking, '{"amount": 5}')
    assert code == 1
    assert "by forbid `bookings-say-why` at policies/guards.cedar:7:1: Written with unless" in out


def test_explain_names_the_permits_that_do_not_hold(example: Office) -> None:
    code, out, _ = explain(
        example, "--tool", "ledger_book", "--team", "finance", "--args", '{"amount": 501, "memo": "x"}', "--json"
    )
    facts = json.loads(out)
    assert (code, facts["decision"], facts["policies"]) == (1, "deny", [])
    assert "finance-books-small-amounts" in {each["id"] for each in facts["could_permit"]}


def test_explain_judges_a_result_too(example: Office) -> None:
    seeing = ("--tool", "ledger_query_balance", "--team", "finance", "--output")
    assert explain(example, *seeing, '{"result": "-1.00 EUR"}')[0] == 0
    asked = ("--tool", "ledger_query_balance", "--output", '{"result": "-1.00 EUR"}')
    code, out, _ = explain(example, *asked, who="anonymous")
    assert code == 1
    assert out.startswith("deny once the result was seen") and "debts-stay-in-finance" in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--tool", "nothing"), "office has no tool 'nothing'"),
        (("--tool", "now", "--args", "{"), "--args is not JSON"),
        (("--tool", "now", "--args", "[]"), "--args is no JSON object"),
        (("--tool", "now", "--claim", "x"), "--claim 'x': write NAME=VALUE"),
        (("--tool", "now", "--metadata", "x"), "--metadata 'x': write KEY=VALUE"),
        (("--tool", "now", "--metadata", "a=1", "--metadata", "a=2"), "--metadata says two things of 'a'"),
    ],
)
def test_what_cannot_be_explained_is_two(example: Office, arguments: tuple[str, ...], expected: str) -> None:
    code, out, err = explain(example, *arguments)
    assert (code, out) == (2, "")
    assert expected in err


def test_the_schema_is_cedar_in_both_forms(example: Office) -> None:
    code, out, _ = example.run("schema")
    assert code == 0
    assert "ledger/post_entry" in str(Schema.from_str(out))
    code, out, _ = example.run("schema", "--server", "branch", "--json")
    actions = json.loads(out)[""]["actions"]
    assert code == 0
    assert "ledger/reconcile" in actions and "time/convert_time" not in actions
    assert example.run("schema", "--server", "nowhere")[0] == 2


BROKEN = """\
@id("typo")
permit (principal, action == Action::"ledger/post_entri", resource);
@id("unguarded")
permit (principal, action == Action::"ledger/post_entry", resource)
when { context.input.memo == "x" };
"""


def test_wrong_policies_are_told_with_file_line_and_column(own: Office) -> None:
    code, out, _ = own.policies(broken=BROKEN).run("check")
    assert code == 1
    assert out.splitlines() == [
        'policies/broken.cedar:2:38: error: there is no Action::"ledger/post_entri"; '
        "did you mean `ledger/post_entry`? [unknown-action]",
        "policies/broken.cedar:5:22: error: `context.input.memo` may be absent: "
        "write `context.input has memo && …` before it is read [unguarded-optional]",
        "2 errors, 0 warnings in 2 policies.",
    ]
    code, out, err = explain(own, "--tool", "now")
    assert (code, out) == (2, "") and "policies/broken.cedar:2:38" in err


def test_what_does_not_parse_is_told_before_any_upstream_is_started(own: Office) -> None:
    code, out, err = own.policies(broken='@id("a")\npermit (principal, action, resource) when { 1 + };').run("check")
    assert (code, err) == (1, "")
    assert out.splitlines()[0] == "policies/broken.cedar:2:49: error: unexpected token `}` [syntax]"


def test_a_configuration_without_policies_is_two(own: Office) -> None:
    path = own.folder / "gateway.yaml"
    path.write_text(path.read_text().replace("policies: {path: policies/}\n", ""))
    for command in (("check",), ("test", "policies/tests")):
        code, out, err = own.run(*command)
        assert (code, out) == (2, "") and "has no policies" in err


def test_an_upstream_that_cannot_be_asked_is_told_and_warned_of(own: Office, address: str) -> None:
    path = own.folder / "gateway.yaml"
    path.write_text(path.read_text().replace(address, "http://127.0.0.1:9/mcp"))
    code, out, err = own.run("check")
    assert code == 0
    assert "notice: the tools of the upstream ledger are not known: " in err
    assert 'Action::"ledger/post_entry" was not checked [unreached-action]' in out
