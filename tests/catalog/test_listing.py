"""Lists as served: encoded once, paged, hinted, per era."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.calls.inventory import CacheHint, Change, Listing
from mcp_gateway.catalog.diff import changes
from mcp_gateway.catalog.listing import PAGE_BYTES, Page, paginate
from mcp_gateway.core.errors import Unreachable
from tests.catalog.making import compiled, offer, one, server, tool


def read(pages: tuple[Page, ...]) -> list[Any]:
    return [entry for page in pages for entry in json.loads(orjson.dumps(page.entries))]


@given(st.lists(st.text(min_size=1, max_size=5), unique=True, max_size=12), st.integers(1, 5))
def test_pages_are_the_entries(names: list[str], page_size: int) -> None:
    tools = [tool(name, {"é": {"type": "string"}}, extra={"n": None}) for name in names]
    catalog = compiled(server({"upstream": "up"}, conflicts="priority"), offer("up", tools), page_size=page_size)
    pages = catalog.listing(Listing.TOOLS, True)
    assert read(pages) == list(catalog.entries(Listing.TOOLS))
    assert [page.count for page in pages[:-1]] == [page_size] * (len(pages) - 1)
    assert read(catalog.listing(Listing.TOOLS, False)) == read(pages)


def test_an_empty_list_is_one_empty_page() -> None:
    (page,) = compiled(server({"upstream": "up"}), offer("up")).listing(Listing.RESOURCES, True)
    assert (orjson.dumps(page.entries), page.count) == (b"[]", 0)


def test_pages_are_bounded_in_bytes() -> None:
    entry = b'"' + b"x" * (PAGE_BYTES // 3) + b'"'
    assert [page.count for page in paginate([entry] * 7, CacheHint())] == [2, 2, 2, 1]


@pytest.mark.parametrize("output", [{"type": "array"}, {"type": "string"}, {"anyOf": []}, {"type": ["object", "null"]}])
def test_the_handshake_era_sees_object_outputs_only(output: Any) -> None:
    catalog = one(tool("t", outputSchema=output, _meta={"k": 1}, vendor=1))
    assert read(catalog.listing(Listing.TOOLS, True))[0]["outputSchema"] == output
    old = read(catalog.listing(Listing.TOOLS, False))[0]
    assert old == {key: value for key, value in catalog.tools["t"].definition.items() if key != "outputSchema"}
    assert "_meta" in old and "vendor" in old


def hint(*inventories: Any, **source: Any) -> tuple[int, bool]:
    spec = server(*({"upstream": held.upstream, "prefix": held.upstream, **source} for held in inventories))
    (page,) = compiled(spec, *inventories).listing(Listing.TOOLS, True)
    return page.ttl_ms, page.private


def test_hints_are_the_strictest_of_the_contributors() -> None:
    def offering(name: str, ttl: int, private: bool) -> Any:
        return offer(name, [tool("t"), tool("u")], hints={Listing.TOOLS: CacheHint(ttl, private)})

    quick = offering("quick", 10, False)
    assert hint(quick) == (10, False)
    assert hint(quick, offering("slow", 99, False)) == (10, False)
    assert hint(quick, offering("own", 99, True)) == (10, True)
    assert hint(quick, offer("silent", [tool("t")], hints={})) == (0, True)
    assert hint(quick, offer("empty", hints={})) == (10, False)
    assert hint(offering("odd", -5, False)) == (0, False)
    assert hint(quick, enabled_tools=["t"]) == (10, True)
    assert hint(quick, tools={"t": {"name": "other", "description": "d"}}) == (10, False)
    assert hint(quick, offer("gone", [tool("t")], available=False)) == (0, False)


def test_hidden_arguments_make_a_list_private() -> None:
    (page,) = one(tool("t", {"a": {}}), arguments={"a": {"value": 1}}).listing(Listing.TOOLS, True)
    assert page.private


def test_a_source_that_is_down_leaves_the_list_but_can_be_called() -> None:
    spec = server({"upstream": "up"}, {"upstream": "down"})
    catalog = compiled(spec, offer("up", [tool("a")]), offer("down", [tool("b")], available=False, error="refused"))
    assert [entry["name"] for entry in read(catalog.listing(Listing.TOOLS, True))] == ["a"]
    assert list(catalog.tools) == ["a", "b"]
    assert (catalog.unavailable, catalog.broken) == (("down",), ())
    assert catalog.sources[1].error == "refused"


def test_without_best_effort_a_list_fails_when_a_source_is_down() -> None:
    spec = server({"upstream": "up"}, {"upstream": "down"}, best_effort=False)
    catalog = compiled(spec, offer("up", [tool("a")]), offer("down", available=False))
    assert catalog.broken == ("down",)
    with pytest.raises(Unreachable) as raised:
        catalog.listing(Listing.TOOLS, True)
    assert (raised.value.upstream, raised.value.sent) == ("down", False)


def test_changes_name_the_lists_that_differ() -> None:
    source = {"upstream": "up", "enabled_prompts": ["*"], "enabled_resources": ["*"]}

    def having(**fields: Any) -> Any:
        return compiled(server(source), offer("up", **fields))

    old = having(tools=(tool("a"),))
    assert changes(old, having(tools=(tool("a"),))) == frozenset()
    assert changes(old, having(tools=(tool("a", description="new"),))) == {Change.TOOLS}
    assert changes(old, having(tools=(tool("a"),), prompts=({"name": "p"},))) == {Change.PROMPTS}
    template = {"uriTemplate": "x://{a}", "name": "t"}
    assert changes(old, having(tools=(tool("a"),), templates=(template,))) == {Change.RESOURCES}
    assert changes(old, having(tools=(tool("a"),), available=False)) == {Change.TOOLS}
    assert having(tools=(tool("a"),), available=False).digest != old.digest
