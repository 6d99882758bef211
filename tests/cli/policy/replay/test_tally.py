"""Counting and grouping what a replay finds."""

from __future__ import annotations

from dataclasses import replace

from mcp_gateway.cli.policy.replay.again import Again
from mcp_gateway.cli.policy.replay.recorded import Decided, decided
from mcp_gateway.cli.policy.replay.tally import MAX_GROUPS, MAX_REASONS, Tally
from tests.cli.policy.replay.making import Past


def _made() -> Decided:
    _, record = Past('@id("all") permit(principal, action, resource);').lines({"sum": 1})
    found = decided(record)
    assert found is not None
    return found


MADE = _made()
DENY = Again("changed", "deny", ("new",))


def test_alike_decisions_are_one_group_with_first_and_last() -> None:
    tally = Tally(limit=10, each=False)
    for time in ("2026-01-02", "2026-01-01", "2026-01-03"):
        tally.add(replace(MADE, time=time), DENY)
    tally.add(replace(MADE, principal="corp|bob", time="2026-01-04"), DENY)
    first, second = tally.groups()
    assert (first.count, first.first, first.last) == (3, "2026-01-01", "2026-01-03")
    assert (first.was, first.would, first.before, first.after) == ("allow", "deny", ("all",), ("new",))
    assert (second.principal, second.count) == ("corp|bob", 1)
    assert tally.changes == {"allow→deny": 4}


def test_one_by_one_the_newest_are_kept_newest_last() -> None:
    tally = Tally(limit=2, each=True)
    for time in ("1", "2", "3"):
        tally.add(replace(MADE, time=time), DENY)
    listed = tally.one_by_one()
    assert listed is not None and [each["time"] for each in listed] == ["2", "3"]
    assert tally.results["changed"] == 3


def test_what_is_the_same_or_not_known_is_counted_only() -> None:
    tally = Tally(limit=2, each=False)
    tally.add(MADE, Again("same", "allow", ("all",)))
    tally.add(MADE, Again("unknown", why="who knows"))
    assert (tally.groups(), tally.unknown) == ([], {"who knows": 1})


def test_memory_is_bounded() -> None:
    tally = Tally(limit=2, each=False)
    for number in range(MAX_GROUPS + 5):
        tally.add(replace(MADE, principal=f"corp|{number}"), DENY)
    for number in range(MAX_REASONS + 5):
        tally.add(MADE, Again("unknown", why=str(number)))
    assert (tally.forgotten, tally.unknown["other"]) == (5, 5)
