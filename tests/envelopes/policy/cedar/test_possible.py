"""Policies without a context: what is listed can be called, and what can be called is listed."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest
from cedarpy import Entities, PolicySet, is_authorized, policies_to_pst, pst
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway.envelopes.policy.cedar.possible import Known, certain, possible, relevant, unknown_in
from mcp_gateway.envelopes.policy.cedar.reads import paths

FLAGS = 4
"""Policies of a set; each reads a flag of its own, so that no two contradict each other."""

ENTITIES = [
    {
        "uid": {"type": "User", "id": "u"},
        "attrs": {"level": 3, "email": "u@example.com"},
        "parents": [{"type": "Team", "id": "ops"}],
    },
    {"uid": {"type": "Tool", "id": "t"}, "attrs": {"destructive": True}, "parents": [{"type": "Upstream", "id": "up"}]},
    {"uid": {"type": "Action", "id": "a"}, "attrs": {}, "parents": [{"type": "Action", "id": "call_tool"}]},
]
REQUEST = {
    "principal": {"type": "User", "id": "u"},
    "action": {"type": "Action", "id": "a"},
    "resource": {"type": "Tool", "id": "t"},
}

KNOWN = [
    "true",
    "false",
    "resource.destructive",
    "principal.level > 2",
    'principal in Team::"other"',
    "principal has phone",
    '(principal has phone && principal.phone == "1")',
    "(if principal has email then resource.destructive else false)",
]
SCOPES = [
    "principal, action, resource",
    'principal in Team::"ops", action, resource',
    'principal in Team::"other", action, resource',
    'principal, action in Action::"call_tool", resource',
    'principal, action == Action::"b", resource',
    'principal, action, resource in Upstream::"up"',
    'principal, action, resource in Upstream::"else"',
]


def conditions(flag: str) -> st.SearchStrategy[str]:
    """Conditions in which `flag` occurs at most once, so that each is independent of itself."""
    known = st.sampled_from(KNOWN)
    certain = st.sampled_from(["true", "false", "principal has email", 'principal in Team::"other"'])
    read = st.sampled_from([flag, f"!({flag})", f"({flag} == true)"])
    return st.one_of(
        known,
        read,
        st.builds("({} && {})".format, known, read),
        st.builds("({} || {})".format, read, known),
        st.builds("!({} && {})".format, read, known),
        st.builds("(if {} then {} else {})".format, known, read, known),
        st.builds("(if {} then {} else {})".format, read, certain, certain),
    )


@st.composite
def policy(draw: st.DrawFn, index: int) -> str:
    effect = draw(st.sampled_from(["permit", "permit", "forbid"]))
    word = draw(st.sampled_from(["when", "unless"]))
    condition = draw(conditions(f"context.f{index}"))
    return f"{effect}({draw(st.sampled_from(SCOPES))}) {word} {{ {condition} }};"


def rewritten(text: str, rewrite: Any) -> PolicySet:
    found = policies_to_pst(text).static_policies
    each = ((key, rewrite(policy)) for key, policy in found.items())
    return PolicySet.from_pst(pst.PolicySet(pst.FrozenMap(), pst.FrozenMap(each), ()))


def allowed(policies: PolicySet, context: dict[str, bool]) -> bool:
    answer = is_authorized({**REQUEST, "context": context}, policies, Entities.from_json_str(json.dumps(ENTITIES)))
    assert not answer.diagnostics.errors
    return answer.allowed


def contexts() -> list[dict[str, bool]]:
    return [{f"f{i}": value for i, value in enumerate(values)} for values in product([False, True], repeat=FLAGS)]


@given(st.tuples(*(policy(index) for index in range(FLAGS))))
@settings(max_examples=400, deadline=None)
def test_what_could_be_permitted_is_exactly_what_some_context_permits(texts: tuple[str, ...]) -> None:
    text = "\n".join(texts)
    real = PolicySet.from_str(text)
    assert allowed(rewritten(text, possible), {}) == any(allowed(real, context) for context in contexts()), text


@given(st.tuples(*(policy(index) for index in range(FLAGS))))
@settings(max_examples=400, deadline=None)
def test_what_is_certain_is_exactly_what_every_context_permits(texts: tuple[str, ...]) -> None:
    text = "\n".join(texts)
    real = PolicySet.from_str(text)
    assert allowed(rewritten(text, certain), {}) == all(allowed(real, context) for context in contexts()), text


@given(
    st.tuples(*(policy(index) for index in range(FLAGS))),
    st.dictionaries(st.integers(0, FLAGS - 1), st.booleans()),
)
@settings(max_examples=400, deadline=None)
def test_what_is_known_narrows_both_bounds_to_the_contexts_that_are_left(
    texts: tuple[str, ...], told: dict[int, bool]
) -> None:
    text = "\n".join(texts)
    real = PolicySet.from_str(text)
    context = {f"f{index}": value for index, value in told.items()}
    known = Known(frozenset((name,) for name in context))
    left = [each for each in contexts() if context.items() <= each.items()]
    could = allowed(rewritten(text, lambda policy: possible(policy, known)), context)
    must = allowed(rewritten(text, lambda policy: certain(policy, known)), context)
    assert could == any(allowed(real, each) for each in left), text
    assert must == all(allowed(real, each) for each in left), text
    unknown = {path for each in policies_to_pst(text).static_policies.values() for path in unknown_in(each, known)}
    assert unknown.isdisjoint(known.paths)
    if not unknown:
        assert could == must


@pytest.mark.parametrize(
    ("condition", "unknown"),
    [
        ('principal.hasTag("a") && principal.getTag("a").contains("x")', {("principal", "a")}),
        ('principal.hasTag("b")', set()),
        ("context has output && context.input has a", {("output",)}),
        ("context has input && context.input.a.b == 1", set()),
        ("context.input == context.output", {("input",), ("output",)}),
    ],
)
def test_what_is_not_known_is_named(condition: str, unknown: set[tuple[str, ...]]) -> None:
    (read,) = policies_to_pst(f"permit(principal, action, resource) when {{ {condition} }};").static_policies.values()
    known = Known(frozenset({("input", "a")}), frozenset({"input"}), hidden=frozenset({"a"}))
    assert unknown_in(read, known) == unknown


@given(policy(0))
@settings(max_examples=200, deadline=None)
def test_a_policy_is_relevant_exactly_where_some_context_makes_it_hold(text: str) -> None:
    as_permit = text.replace("forbid(", "permit(", 1)
    real = PolicySet.from_str(as_permit)
    assert allowed(rewritten(text, relevant), {}) == any(allowed(real, context) for context in contexts()), text


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("permit(principal, action, resource) when { context has output };", False),
        ("permit(principal, action, resource) unless { context has output && context.output.x == 1 };", True),
        (
            "permit(principal, action, resource); forbid(principal, action, resource) when { context has output };",
            True,
        ),
        (
            "permit(principal, action, resource); forbid(principal, action, resource) unless { context has output };",
            False,
        ),
        ("permit(principal, action, resource) when { context.input.x < 3 };", True),
        ("permit(principal, action, resource) when { [context.input.x].contains(1) };", True),
        ("permit(principal, action, resource) when { {a: context.input.x}.a == 1 };", True),
        ('permit(principal, action, resource) when { context.input.x like "*a" };', True),
        ("permit(principal, action, resource) when { principal is Team in context.input.x };", True),
    ],
)
def test_what_reads_the_context_is_open_before_a_call_and_there_is_no_output_yet(text: str, listed: bool) -> None:
    assert allowed(rewritten(text, possible), {}) is listed


def test_a_policy_on_the_output_is_relevant_all_the_same() -> None:
    text = "forbid(principal, action, resource) when { context has output && context.output has ssn };"
    assert allowed(rewritten(text, relevant), {})


def test_the_rewritten_policy_does_not_read_the_context() -> None:
    text = "forbid(principal, action, resource) when { context.a && (principal.level > 1 || context.b) };"
    (policy,) = policies_to_pst(text).static_policies.values()
    for rewrite in (possible, relevant):
        assert not paths(rewrite(policy))
