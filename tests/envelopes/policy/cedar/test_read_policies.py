"""Reading policy files."""

from __future__ import annotations

import pytest
from cedarpy import policies_to_pst

from mcp_gateway.envelopes.policy.cedar.model import PolicyText, Source
from mcp_gateway.envelopes.policy.cedar.read_policies import read_policies

ANY = "permit (principal, action, resource)"
NOTHING_PERMITTED = "a.cedar:1:1: warning: no policy permits anything: everything is denied [denies-all]"


def text_of(*texts: str) -> PolicyText:
    return read_policies([Source(f"{chr(97 + index)}.cedar", text) for index, text in enumerate(texts)])


def remarks(*texts: str) -> list[str]:
    return [str(each) for each in text_of(*texts).remarks]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("permit (principal, action, resource) whe { true };", "1:38: error: invalid policy condition: whe [syntax]"),
        ('@id("a")\npermit (principal, action', "2:26: error: unexpected end of input [syntax]"),
        (f'{ANY} when {{ "abc }};', "1:45: error: invalid token [syntax]"),
        (f"{ANY}\n when {{ foo(1) }};", "2:9: error: `foo` is not a valid function [syntax]"),
        (f"{ANY}\nwhen {{ é }};", "2:8: error: invalid token [syntax]"),
        (f"{ANY}\nwhen {{ 1 + + 2 > 3 }};", "2:12: error: unexpected token `+` [syntax]"),
        (
            f"{ANY}\nwhen {{ context.x == 99999999999999999999 }};",
            "2:21: error: integer parse error: number too large to fit in target type [syntax]",
        ),
        (
            "permit (principl, action, resource);",
            "1:9: error: found an invalid variable in the policy scope: principl [syntax]",
        ),
        (
            '@id("t") permit (principal == ?principal, action, resource);',
            "1:31: error: is a template: nothing fills `?principal` and `?resource`, write the entity [template]",
        ),
        (f"{ANY};", '1:1: error: it has no @id: begin the policy with @id("some-name") [missing-id]'),
        (f'@id(" ") {ANY};', '1:1: error: its @id is empty: begin the policy with @id("some-name") [missing-id]'),
        (
            f'@id("a") @mode("adit") {ANY};',
            '1:16: error: @mode("adit") is neither "enforce" nor "audit" [unknown-mode]',
        ),
        (
            f'@id("b")\n{ANY} when {{ principal in Team::"аdmins" }};',
            "2:64: warning: Team '\\u0430dmins' mixes letters of scripts that look alike (cyrillic, latin) "
            "[confusable-name]",
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_place(text: str, expected: str) -> None:
    assert remarks(text) == [f"a.cedar:{expected}"]


def test_every_policy_that_does_not_parse_is_told_in_one_go() -> None:
    found = remarks(f'@id("a") {ANY} when {{ ! }};\n@id("b") {ANY};\n@id("c") {ANY} whn {{ 1 }};')
    assert [each.split(": ")[0] for each in found] == ["a.cedar:1:56", "a.cedar:3:47"]


def test_an_id_is_taken_once_over_all_files() -> None:
    assert remarks(f'@id("a") {ANY};', f'\n@id("a") {ANY};') == [
        'b.cedar:2:5: error: @id("a") is taken by the policy at a.cedar:1:1 [duplicate-id]'
    ]


def test_nothing_that_permits_is_worth_a_word() -> None:
    assert remarks() == ["policies:1:1: warning: there are no policies: everything is denied [denies-all]"]
    assert remarks('@id("f") forbid (principal, action, resource);') == [NOTHING_PERMITTED]
    assert remarks(f'@id("f") @mode("audit") {ANY};') == [NOTHING_PERMITTED]
    assert remarks(f'@id("f") {ANY};') == []


def test_policies_keep_their_order_over_files_and_have_the_keys_of_the_engine() -> None:
    sources = [Source("b.cedar", f'@id("3") {ANY};'), Source("a.cedar", f'// one\n@id("1") {ANY};  @id("2") {ANY};')]
    text = read_policies(sources)
    assert [(policy.id, policy.file, policy.line, policy.column) for policy in text.policies] == [
        ("1", "a.cedar", 2, 1),
        ("2", "a.cedar", 2, 49),
        ("3", "b.cedar", 1, 1),
    ]
    theirs = policies_to_pst(text.text).static_policies
    assert {policy.key: policy.id for policy in text.policies} == {k: p.annotations["id"] for k, p in theirs.items()}


def test_annotations_are_kept() -> None:
    (policy,) = text_of(f'@id("a") @description("why") @mode("audit") {ANY};').policies
    assert (policy.effect, policy.description, policy.audit) == ("permit", "why", True)


def test_the_digest_is_that_of_names_and_texts() -> None:
    one = text_of(f'@id("a") {ANY};')
    assert one.digest == text_of(f'@id("a") {ANY};').digest
    assert one.digest != text_of(f'@id("b") {ANY};').digest
    assert one.digest != text_of("", f'@id("a") {ANY};').digest


@pytest.mark.parametrize("name", ["p\u0430y", "a\u200bb", "\uff41dmin", "\u0430\u0441\u0435", "a\u202eb", "a\tb"])
def test_names_that_look_like_others_are_told(name: str) -> None:
    text = f'@id("a") permit (principal in Team::"{name}", action, resource);'
    assert [each.rule for each in text_of(text).remarks] == ["confusable-name"]


@pytest.mark.parametrize("name", ["Zürich", "日本語", "финансы", "a b", "corp|alice", "λόγος"])
def test_names_in_any_one_script_are_fine(name: str) -> None:
    assert remarks(f'@id("a") permit (principal in Team::"{name}", action, resource);') == []
