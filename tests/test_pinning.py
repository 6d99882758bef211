"""Upstreams' offers held against the lock."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.calls.inventory import Inventory
from mcp_gateway.catalog.pins import Drift
from mcp_gateway.core.call import Json
from mcp_gateway.core.canonical import Pin
from mcp_gateway.pinning import Held, hold, tell_drift
from tests.catalog.making import offer, tool

A, B, C = tool("a"), tool("b"), tool("c")
B_CHANGED = tool("b", description="Other.")
PINS = {"a": Pin.of(A), "b": Pin.of(B), "gone": Pin.of(tool("gone"))}


def named(tools: tuple[Json, ...]) -> dict[str, Json]:
    return {each["name"]: each for each in tools}


def test_enforced_only_what_is_as_accepted_is_admitted() -> None:
    held = hold(offer("up", [A, B_CHANGED, C]), PINS, "enforce")
    assert held.admitted.tools == (A,)
    assert [(each.definition, each.new) for each in held.admitted.quarantined] == [(B, False), (C, True)]
    assert [(each.tool, each.drift) for each in held.quarantined] == [("b", Drift.CHANGED), ("c", Drift.NEW)]
    # Policies speak of what was accepted; of what was not yet, as it came.
    assert named(held.known.tools) == {"a": A, "b": B, "c": C, "gone": tool("gone")}


def test_with_warnings_everything_is_admitted_as_it_came() -> None:
    held = hold(offer("up", [A, B_CHANGED, C]), PINS, "warn")
    assert held.admitted.tools == (A, B_CHANGED, C)
    assert held.quarantined == ()
    assert [each.tool for each in held.drifted] == ["b", "c", "gone"]
    assert named(held.known.tools) == {"a": A, "b": B_CHANGED, "c": C, "gone": tool("gone")}


@pytest.mark.parametrize("unread", [Inventory("up", error="down"), offer("up", waits_for_person=True)])
@pytest.mark.parametrize("mode", ["enforce", "warn"])
def test_policies_know_the_tools_of_an_upstream_that_was_not_read(unread: Inventory, mode: Any) -> None:
    held = hold(unread, PINS, mode)
    assert held.admitted is unread
    assert held.drifted == ()
    assert named(held.known.tools) == {"a": A, "b": B, "gone": tool("gone")}


TOOLS = st.lists(st.builds(tool, st.sampled_from("abcd"), description=st.sampled_from(["", "x", "y"])), max_size=6)


@given(TOOLS, TOOLS)
def test_whatever_comes_nothing_but_accepted_definitions_is_admitted(received: list[Json], pinned: list[Json]) -> None:
    pins = {each["name"]: Pin.of(each) for each in pinned}
    held = hold(offer("up", received), pins, "enforce")
    assert all(pins[each["name"]].definition == each for each in held.admitted.tools)
    apart = {each.definition["name"] for each in held.admitted.quarantined}
    assert apart | {each["name"] for each in held.admitted.tools} == {each["name"] for each in received}
    assert not apart & {each["name"] for each in held.admitted.tools}


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def warning(self, event: str, **facts: Any) -> None:
        self.lines.append((event, facts["tool"]))

    def info(self, event: str, **facts: Any) -> None:
        self.lines.append((event, facts["tool"]))


def test_a_difference_is_told_once_and_again_when_it_is_another() -> None:
    log = Log()
    states: list[Held] = [
        hold(offer("up", tools), PINS, "enforce")
        for tools in ([A, B], [A, B_CHANGED], [A, B_CHANGED], [A, tool("b", title="T")], [A, B, tool("gone")])
    ]
    before: dict[str, Held] = {}
    told = []
    for held in states:
        tell_drift(log, before, {"up": held})
        told.append(log.lines)
        before, log = {"up": held}, Log()
    assert told == [
        [("tool differs from its pin", "gone")],
        [("tool quarantined", "b")],
        [],
        [("tool quarantined", "b")],
        [("tool as accepted again", "b"), ("tool as accepted again", "gone")],
    ]
