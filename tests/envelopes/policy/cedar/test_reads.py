"""Which parts of the context policies read."""

from __future__ import annotations

import pytest
from cedarpy import policies_to_pst, pst
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.policy.cedar.reads import ROOTS, actions, paths, touches

STEPS = st.lists(st.sampled_from("abc"), max_size=4).map(tuple)


def parsed(text: str) -> pst.Template:
    (policy,) = policies_to_pst(text).static_policies.values()
    return policy


def reads(condition: str) -> set[tuple[str, ...]]:
    return set(paths(parsed(f"permit (principal, action, resource) when {{ {condition} }};")))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("context.input.amount > 3", {("input", "amount")}),
        ('context.input["git-status"] == "x"', {("input", "git-status")}),
        ("context has output", {("output",)}),
        ("context.input has a.b", {("input", "a"), ("input", "a", "b")}),
        ("context has input.a", {("input",), ("input", "a")}),
        ("context.input == {a: 1}", {("input",)}),
        ("{a: context.input}.a.b == 1", {("input",)}),
        ("(if principal.x then context.input else context.output).ssn == 1", {("input",), ("output",)}),
        ("context == {}", {(root,) for root in ROOTS}),
        ('context.input.name like "a*"', {("input", "name")}),
        ("context.ip.isLoopback()", {("ip",)}),
        ('principal.getTag(context.metadata.team).contains("x")', {("metadata", "team")}),
        ("resource in [context.input.a, context.input.b]", {("input", "a"), ("input", "b")}),
        ("principal.input.amount == resource.context", set()),
    ],
)
def test_every_way_to_read_the_context_is_seen(condition: str, expected: set[tuple[str, ...]]) -> None:
    assert reads(condition) == expected


def test_unless_reads_too() -> None:
    assert paths(parsed("forbid (principal, action, resource) unless { context.input.a == 1 };")) == {("input", "a")}


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("action", None),
        ('action == Action::"a/b"', {"a/b"}),
        ('action in Action::"a/*"', {"a/*"}),
        ('action in [Action::"a/b", Action::"c/d"]', {"a/b", "c/d"}),
        ("action in []", set()),
    ],
)
def test_the_actions_of_the_scope(scope: str, expected: set[str] | None) -> None:
    assert actions(parsed(f"permit (principal, {scope}, resource);")) == expected


@given(STEPS, STEPS)
def test_touching_is_mutual_and_is_being_above_or_below(read: tuple[str, ...], left_out: tuple[str, ...]) -> None:
    above = "/".join(("", *read, "")).startswith("/".join(("", *left_out, "")))
    below = "/".join(("", *left_out, "")).startswith("/".join(("", *read, "")))
    assert touches(read, left_out) == touches(left_out, read) == (above or below)
