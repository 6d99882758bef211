"""Two sources, one name: left out, prefixed, or the first keeps it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.catalog.catalog import Catalog
from mcp_gateway.catalog.findings import Severity
from tests.catalog.making import compiled, offer, problems, server, tool

VALID = re.compile(r"[A-Za-z0-9_./-]{1,64}\Z")


def pair(conflicts: str, one: list[str], other: list[str]) -> Catalog:
    spec = server({"upstream": "one"}, {"upstream": "two"}, conflicts=conflicts)
    return compiled(spec, offer("one", [tool(n) for n in one]), offer("two", [tool(n) for n in other]))


def test_error_leaves_out_both_and_names_the_origins() -> None:
    catalog = pair("error", ["find", "a"], ["find", "b"])
    assert list(catalog.tools) == ["a", "b"]
    assert problems(catalog, Severity.ERROR) == [
        "one/find: left out, since the name 'find' is wanted by one/find, two/find",
        "two/find: left out, since the name 'find' is wanted by one/find, two/find",
    ]


def test_prefix_sets_the_upstream_before_all_that_collide() -> None:
    catalog = pair("prefix", ["find", "a"], ["find", "b"])
    assert list(catalog.tools) == ["one_find", "a", "two_find", "b"]
    assert catalog.tools["two_find"].upstream_name == "find"
    assert catalog.tools["two_find"].definition["name"] == "two_find"
    assert not problems(catalog, Severity.ERROR)


def test_a_prefixed_name_never_takes_a_held_one() -> None:
    catalog = pair("prefix", ["find", "two_find"], ["find"])
    assert {name: binding.upstream for name, binding in catalog.tools.items()} == {"one_find": "one", "two_find": "one"}
    assert len(problems(catalog, Severity.ERROR)) == 1


def test_priority_is_the_order_of_sources() -> None:
    catalog = pair("priority", ["find"], ["find", "b"])
    assert {name: binding.upstream for name, binding in catalog.tools.items()} == {"find": "one", "b": "two"}
    assert problems(catalog) == ["two/find: left out, since one/find has the name 'find' already"]


def test_a_source_without_a_usable_tool_does_not_hold_its_name() -> None:
    broken = {"name": "find", "inputSchema": {"type": "array"}}
    spec = server({"upstream": "one"}, {"upstream": "two"}, conflicts="priority")
    catalog = compiled(spec, offer("one", [broken]), offer("two", [tool("find")]))
    assert catalog.tools["find"].upstream == "two"


def test_source_prefixes_keep_names_apart() -> None:
    spec = server({"upstream": "one", "prefix": "x/"}, {"upstream": "two"})
    catalog = compiled(spec, offer("one", [tool("find")]), offer("two", [tool("find")]))
    assert list(catalog.tools) == ["x/find", "find"]
    assert not problems(catalog)


@pytest.mark.parametrize("conflicts", ["prefix", "priority"])
def test_a_uri_belongs_to_the_first_source(conflicts: str) -> None:
    source = {"enabled_resources": ["*"]}
    spec = server({"upstream": "one", **source}, {"upstream": "two", **source}, conflicts=conflicts)
    entry = {"uri": "x://a", "name": "a"}
    catalog = compiled(spec, offer("one", resources=(entry,)), offer("two", resources=(entry,)))
    assert catalog.resources["x://a"].upstream == "one"


NAMES = st.lists(st.text("ab_ ☀", min_size=1, max_size=4).map(lambda text: text * 20), unique=True, max_size=5)


@given(st.sampled_from(["error", "prefix", "priority"]), NAMES, NAMES)
def test_names_are_valid_unique_and_deterministic(conflicts: str, one: list[str], other: list[str]) -> None:
    catalog = pair(conflicts, one, other)
    listed = [entry["name"] for entry in catalog.entries("tools")]  # type: ignore[arg-type]  # a Listing is its word
    assert listed == list(catalog.tools)
    assert len(set(listed)) == len(listed)
    assert all(VALID.match(name) for name in listed)
    assert pair(conflicts, one, other).digest == catalog.digest
    dropped = sum(found.left_out for found in catalog.problems)
    assert len(listed) + dropped == len(one) + len(other)
