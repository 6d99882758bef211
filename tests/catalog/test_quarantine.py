"""What a catalog makes of tools that differ from what was accepted."""

from __future__ import annotations

import pytest

from mcp_gateway.calls.inventory import Listing, Quarantined
from mcp_gateway.catalog.catalog import Catalog
from tests.catalog.making import compiled, offer, problems, server, tool


def names(catalog: Catalog) -> list[str]:
    return [entry["name"] for entry in catalog.entries(Listing.TOOLS)]


def test_a_quarantined_tool_is_neither_listed_nor_to_be_found() -> None:
    held = offer("up", [tool("a")], quarantined=(Quarantined(tool("b"), new=False), Quarantined(tool("c"), new=True)))
    catalog = compiled(server({"upstream": "up"}), held)
    assert names(catalog) == ["a"]
    assert set(catalog.tools) == {"a"}
    assert set(catalog.quarantined) == {"b", "c"}


def test_it_is_known_by_the_name_it_would_have() -> None:
    spec = server({"upstream": "up", "prefix": "x_", "disabled_tools": ["c"], "tools": {"b": {"name": "pay"}}})
    locked = tuple(Quarantined(tool(name), new=False) for name in "abc")
    catalog = compiled(spec, offer("up", quarantined=locked))
    assert {name: each.upstream_name for name, each in catalog.quarantined.items()} == {"x_a": "a", "pay": "b"}
    assert problems(catalog) == []  # what is configured for it is not taken for a mistake


@pytest.mark.parametrize("conflicts", ["priority", "prefix"])
def test_nothing_takes_the_name_of_a_tool_that_changed(conflicts: str) -> None:
    spec = server({"upstream": "up"}, {"upstream": "other"}, conflicts=conflicts)
    before = compiled(spec, offer("up", [tool("pay")]), offer("other", [tool("pay")]))
    after = compiled(
        spec, offer("up", quarantined=(Quarantined(tool("pay"), new=False),)), offer("other", [tool("pay")])
    )
    lost = {name for name, each in before.tools.items() if each.upstream == "up"}
    assert set(after.quarantined) == lost
    assert {name: each.upstream for name, each in after.tools.items()} == {
        name: each.upstream for name, each in before.tools.items() if each.upstream == "other"
    }


@pytest.mark.parametrize("conflicts", ["error", "priority", "prefix"])
def test_a_tool_that_nobody_accepted_takes_nothing_from_others(conflicts: str) -> None:
    spec = server({"upstream": "evil"}, {"upstream": "up"}, conflicts=conflicts)
    evil = offer("evil", quarantined=(Quarantined(tool("pay"), new=True),))
    catalog = compiled(spec, evil, offer("up", [tool("pay")]))
    assert {name: each.upstream for name, each in catalog.tools.items()} == {"pay": "up"}
    assert catalog.quarantined == {}
    assert problems(catalog) == []


def test_what_is_quarantined_is_part_of_the_digest() -> None:
    spec = server({"upstream": "up"})
    one = compiled(spec, offer("up", [tool("a")]))
    other = compiled(spec, offer("up", [tool("a")], quarantined=(Quarantined(tool("b"), new=True),)))
    assert one.digest != other.digest
