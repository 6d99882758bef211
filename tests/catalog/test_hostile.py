"""Definitions that no honest upstream would send, and catalogs of a size that hurts."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.calls.inventory import Listing
from mcp_gateway.catalog.findings import Severity
from tests.catalog.making import compiled, offer, one, problems, schema, server, tool


def deep(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels):
        value = {"d": value}
    return value


@pytest.mark.parametrize(
    ("definition", "why"),
    [
        ("text", "not an object"),
        (None, "not an object"),
        ({"inputSchema": schema()}, "its name is not a string"),
        ({"name": "", "inputSchema": schema()}, "its name is empty"),
        ({"name": 5, "inputSchema": schema()}, "its name is not a string"),
        ({"name": "t"}, "its inputSchema is not an object"),
        ({"name": "t", "inputSchema": True}, "its inputSchema is not an object"),
        ({"name": "t", "inputSchema": ["object"]}, "its inputSchema is not an object"),
        ({"name": "t", "inputSchema": {}}, "not of type"),
        (tool("t", description=["x"]), "its description is not a string"),
        (tool("t", title=1), "its title is not a string"),
        (tool("t", annotations=[]), "its annotations is not an object"),
        (tool("t", outputSchema=True), "its outputSchema is not an object"),
        (tool("t", outputSchema={"allOf": [{"$ref": "http://x/y"}]}), "its outputSchema refers to"),
        (tool("t", _meta=7), "its _meta is not an object"),
        (tool("t", vendor=2**80), "cannot be written as JSON"),
        (tool("t", vendor="\ud800"), "cannot be written as JSON"),
        (tool("t", vendor=deep(5000)), "cannot be written as JSON"),
        (tool("t", description="x" * 300_000), "larger than"),
        (tool("t", {"x": {"enum": list(range(1_000_000))}}), "larger than"),
        (tool("t", {"x": {"description": "x" * 70_000}}), "its inputSchema is larger than"),
        (tool("t", {"x": {"$ref": "http://169.254.169.254/"}}), "never fetched"),
    ],
)
def test_a_hostile_tool_is_left_out_and_the_rest_stays(definition: Any, why: str) -> None:
    catalog = compiled(server({"upstream": "up"}), offer("up", [definition, tool("good")]))
    assert list(catalog.tools) == ["good"]
    (message,) = problems(catalog)
    assert why in message


def test_odd_names_are_cleaned_with_a_notice() -> None:
    names = ["x" * 300, "get weather", "📈", "a\x00b", "../../etc"]
    catalog = compiled(server({"upstream": "up"}), offer("up", [tool(name) for name in names]))
    assert [binding.upstream_name for binding in catalog.tools.values()] == names
    assert len(problems(catalog, Severity.NOTICE)) == 4
    assert all(name.isascii() and len(name) <= 64 and " " not in name for name in catalog.tools)


@pytest.mark.parametrize(
    ("kind", "entry"),
    [
        ("prompts", {"name": "p", "arguments": {}}),
        ("prompts", {"name": "p", "arguments": [{}]}),
        ("prompts", {"title": "p"}),
        ("resources", {"uri": "x://a"}),
        ("resources", {"uri": 1, "name": "a"}),
        ("templates", {"uriTemplate": "x://{", "name": "a"}),
        ("templates", {"uriTemplate": "x://a", "name": "a"}),
    ],
)
def test_other_hostile_entries_are_left_out(kind: str, entry: Any) -> None:
    source = {"upstream": "up", "enabled_prompts": ["*"], "enabled_resources": ["*"]}
    catalog = compiled(server(source), offer("up", **{kind: (entry,)}))
    assert not catalog.prompts and not catalog.resources and not catalog.templates
    assert len(problems(catalog)) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "$ref", "properties", "allOf", "items", "required", "x"]), inner, max_size=3
        )
    ),
    max_leaves=12,
)


@given(JSON, JSON, st.sampled_from([{}, {"x": {"value": 1}}, {"x": {"name": "y"}}, {"x": {"default": 1}}]))
def test_no_schema_makes_compiling_raise(keywords: Any, fields: Any, arguments: dict[str, Any]) -> None:
    extra = keywords if isinstance(keywords, dict) else {"properties": keywords}
    definition = {
        **(fields if isinstance(fields, dict) else {}),
        "name": "t",
        "inputSchema": {**extra, "type": "object"},
    }
    catalog = one(definition, arguments=arguments)
    for binding in catalog.tools.values():
        verdict = binding.check({"x": 1})
        assert verdict is None or verdict[0].startswith("/params/arguments")
    assert orjson.dumps([page.entries for page in catalog.listing(Listing.TOOLS, False)])


def test_a_thousand_tools_compile_in_bearable_time() -> None:
    properties = {f"p{n}": {"type": "string", "description": "A parameter."} for n in range(8)}
    tools = [tool(f"tool_{n}", properties, description="Does something useful.") for n in range(1000)]
    spec = server({"upstream": "up", "prefix": "p_", "tools": {"tool_1": {"arguments": {"p0": {"value": "x"}}}}})
    inventory = offer("up", tools)
    began = time.perf_counter()
    catalog = compiled(spec, inventory)
    assert time.perf_counter() - began < 10  # a guard against quadratic work, not a measurement
    assert len(catalog.tools) == 1000
