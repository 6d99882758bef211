"""Which guardrails look at a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.safety.header import BadHeader
from mcp_gateway.envelopes.safety.rules import MAX_HEADERS, Asked, Rulebook
from mcp_gateway.envelopes.safety.verdict import Hook
from tests.envelopes.safety.test_guard import guard, passes

PRE = Hook.PRE_INVOKE
NAMES = ("g/a", "g/b", "g/c")
GUARDS = {name: guard(passes, name=name) for name in NAMES}


@dataclass
class When:
    servers: Sequence[str] = ()
    tools: Sequence[str] = ()
    models: Sequence[str] = ()
    subjects: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Spec:
    id: str
    when: When
    names: Sequence[str]
    custom_error_message: str | None = None

    def named(self, hook: str) -> Sequence[str]:
        return self.names if hook == PRE.value else ()


def book(*rules: tuple[dict[str, Any], Sequence[str]]) -> Rulebook:
    return Rulebook(GUARDS, [Spec(f"r{index}", When(**when), names) for index, (when, names) in enumerate(rules)])


CALL = Asked("desk", ("up/echo", "echo"), subjects=frozenset({"team:a", "user:x"}), metadata={"env": "prod"})


def chosen(rules: Rulebook, asked: Asked = CALL, added: Sequence[str] = ()) -> list[str]:
    return [each.guard.name for each in rules.choose(PRE, asked, added)]


@pytest.mark.parametrize(
    ("when", "matches"),
    [
        ({}, True),
        ({"servers": ["desk"]}, True),
        ({"servers": ["d*"]}, True),
        ({"servers": ["other"]}, False),
        ({"tools": ["up/*"]}, True),
        ({"tools": ["echo"]}, True),
        ({"tools": ["up/other"]}, False),
        ({"tools": [""]}, False),
        ({"subjects": ["team:a", "team:b"]}, True),
        ({"subjects": ["team:b"]}, False),
        ({"metadata": {"env": "prod"}}, True),
        ({"metadata": {"env": "prod", "more": "x"}}, False),
        ({"metadata": {"env": "dev"}}, False),
        ({"models": ["gpt-*"]}, True),
        ({"servers": ["desk"], "tools": ["nope"]}, False),
    ],
)
def test_a_rule_is_about_what_all_its_conditions_are_about(when: dict[str, Any], matches: bool) -> None:
    assert chosen(book((when, ["g/a"]))) == (["g/a"] if matches else [])


def test_a_model_is_matched_by_models_and_by_nothing_that_speaks_of_tools() -> None:
    model = Asked(model="prod/gpt")
    assert chosen(book(({"models": ["prod/*"], "tools": ["nope"]}, ["g/a"])), model) == ["g/a"]
    assert chosen(book(({"models": ["dev/*"]}, ["g/a"])), model) == []


@given(st.lists(st.lists(st.sampled_from(NAMES), max_size=3), max_size=4), st.lists(st.sampled_from(NAMES), max_size=3))
def test_rules_and_header_add_up_and_each_guardrail_comes_once(rules: list[list[str]], added: list[str]) -> None:
    found = chosen(book(*(({}, names) for names in rules)), added=added)
    assert found == list(dict.fromkeys(name for names in [*rules, added] for name in names))


@given(st.lists(st.lists(st.sampled_from(NAMES), max_size=3), max_size=4), st.lists(st.sampled_from(NAMES), max_size=3))
def test_a_header_never_removes(rules: list[list[str]], added: list[str]) -> None:
    rulebook = book(*(({}, names) for names in rules))
    assert set(chosen(rulebook)) <= set(chosen(rulebook, added=added))


def test_the_hooks_of_a_rulebook_are_those_at_which_a_rule_names_something() -> None:
    assert book(({}, ["g/a"])).hooks == {PRE}
    assert book(({}, [])).hooks == frozenset()


def test_a_rule_may_say_in_its_own_words_that_something_was_blocked() -> None:
    spec = Spec("r", When(), ["g/a"], "Ask security. ({{guardrail_message}})")
    (one,) = Rulebook(GUARDS, [spec]).choose(PRE, CALL)
    assert one.says("blocked") == "Ask security. (blocked)"


def test_a_header_is_read_once_and_a_bad_one_is_bad_each_time() -> None:
    rules = book()
    said = ['{"mcp_tool_pre_invoke_guardrails": ["g/a"]}']
    assert rules.added(said) is rules.added(list(said))
    assert rules.added(said) == {PRE: ("g/a",)}
    for _ in range(2):
        with pytest.raises(BadHeader):
            rules.added(['{"mcp_tool_pre_invoke_guardrails": ["g/none"]}'])
    for number in range(2 * MAX_HEADERS):
        rules.added([f'{{"mcp_tool_pre_invoke_guardrails": []}}{" " * number}'])
    assert rules.added(said) == {PRE: ("g/a",)}


def test_what_every_request_meets_is_chosen_once() -> None:
    rules = book(({}, ["g/b", "g/a"]), ({}, ["g/a", "g/c"]))
    assert not rules.asks
    assert rules.choose(PRE, CALL) is rules.choose(PRE, Asked(model="m"))
    assert chosen(rules) == ["g/b", "g/a", "g/c"]
    assert rules.choose(Hook.POST_INVOKE, CALL) == ()


@pytest.mark.parametrize(
    "when", [{"servers": ["*"]}, {"tools": ["*"]}, {"models": ["*"]}, {"subjects": ["x"]}, {"metadata": {"a": "b"}}]
)
def test_one_rule_about_some_requests_has_every_one_asked(when: dict[str, Any]) -> None:
    assert book(({}, ["g/a"]), (when, ["g/b"])).asks
