"""What counts as gained, lost and changed."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.cli.plan.compare import Change, compare, unknown
from mcp_gateway.methods.access import Item, ServerAccess

NOW = Item("tool", "now", "time", "get_current_time", "always", {"description": "a", "inputSchema": "b"})
LOG = Item("tool", "log", "git", "git_log", "sometimes", {"description": "c"})

items = st.builds(
    Item,
    kind=st.sampled_from(["tool", "prompt"]),
    name=st.sampled_from("abcd"),
    upstream=st.sampled_from(["one", "two"]),
    target=st.sampled_from("xyz"),
    reach=st.sampled_from(["always", "sometimes"]),
    fields=st.dictionaries(st.sampled_from(["description", "title"]), st.sampled_from("12"), max_size=2),
)
servers = st.lists(items, max_size=6, unique_by=lambda each: (each.kind, each.name)).map(
    lambda found: ServerAccess(tuple(found))
)


def between(old: tuple[Item, ...], new: tuple[Item, ...]) -> tuple[Change, ...]:
    return compare({"s": ServerAccess(old)}, {"s": ServerAccess(new)})


def test_what_is_there_now_is_gained_and_what_was_is_lost() -> None:
    assert between((NOW,), (LOG,)) == (Change("+", "s", LOG), Change("-", "s", NOW))


def test_a_virtual_server_that_is_new_or_gone_is_compared_with_nothing() -> None:
    assert compare({}, {"s": ServerAccess((NOW,))}) == (Change("+", "s", NOW),)
    assert compare({"s": ServerAccess((NOW,))}, {}) == (Change("-", "s", NOW),)


def test_each_field_that_differs_is_named() -> None:
    other = replace(NOW, fields={"description": "z", "annotations.readOnlyHint": "y"}, reach="sometimes")
    fields = ("annotations.readOnlyHint", "description", "inputSchema", "reach")
    assert between((NOW,), (other,)) == (Change("~", "s", other, fields),)


def test_another_name_of_the_same_tool_is_a_change_and_no_loss() -> None:
    other = replace(NOW, name="clock", fields={**NOW.fields, "description": "z"})
    assert between((NOW,), (other,)) == (Change("~", "s", other, ("name", "description"), "now"),)


def test_the_same_name_for_a_tool_of_another_upstream_is_a_gain_and_a_loss() -> None:
    other = replace(NOW, upstream="clock")
    assert between((NOW,), (other,)) == (Change("+", "s", other), Change("-", "s", NOW))


def test_what_is_not_available_on_one_side_is_not_compared() -> None:
    old, new = ServerAccess((NOW, LOG)), ServerAccess((LOG,), unavailable=("time",))
    assert unknown(old, new) == {"time"}
    assert compare({"s": old}, {"s": new}) == compare({"s": new}, {"s": old}) == ()


def test_lists_that_only_people_see_are_not_compared_with_those_of_one() -> None:
    asking = Item("tool", "connect", "git", "connect", "always", {}, connects=True)
    assert between((LOG,), (asking,)) == ()
    assert between((), (asking,)) == (Change("+", "s", asking),)


@given(servers)
def test_nothing_changes_between_the_same(one: ServerAccess) -> None:
    assert compare({"s": one}, {"s": one}) == ()


@given(servers, servers)
def test_what_one_way_gains_the_other_loses(one: ServerAccess, other: ServerAccess) -> None:
    there, back = compare({"s": one}, {"s": other}), compare({"s": other}, {"s": one})
    for sign, opposite in (("+", "-"), ("-", "+"), ("~", "~")):
        assert sum(each.sign == sign for each in there) == sum(each.sign == opposite for each in back)


@given(servers, servers)
def test_no_change_means_the_same_items(one: ServerAccess, other: ServerAccess) -> None:
    same = sorted(one.items, key=repr) == sorted(other.items, key=repr)
    assert same == (compare({"s": one}, {"s": other}) == ())
