"""From specification and inventories to the catalog that calls are served from."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.calls.inventory import Listing
from mcp_gateway.catalog.compile import compile_catalog
from mcp_gateway.catalog.findings import Severity
from mcp_gateway.core.errors import InvalidArguments
from mcp_gateway.core.principal import ANONYMOUS, Principal
from tests.catalog.making import compiled, offer, one, problems, schema, server, tool

POST = tool(
    "post_entry",
    {
        "amt": {"type": "number"},
        "currency": {"type": "string"},
        "requester": {"type": "string"},
        "memo": {"type": "string"},
    },
    description="Post.",
    title="Post",
    annotations={"readOnlyHint": True, "x": 1},
    outputSchema={"type": "object"},
    _meta={"k": 1},
    vendor=[1],
)
BOOK = {
    "name": "book_entry",
    "description": "Book one entry.",
    "annotations": {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": False},
    "arguments": {
        "currency": {"value": "EUR"},
        "requester": {"from": "principal.email"},
        "memo": {"default": "", "description": "Free text"},
        "amt": {"name": "amount"},
    },
    "cost": 0.002,
}


def test_a_tool_without_changes_keeps_its_definition_object() -> None:
    binding = one(POST).tools["post_entry"]
    assert binding.definition is POST
    assert binding.bind is None
    assert (binding.read_only, binding.destructive, binding.idempotent, binding.open_world) == (
        True,
        False,
        False,
        True,
    )


def test_the_contracts_example() -> None:
    catalog = one(POST, **BOOK)
    binding = catalog.tools["book_entry"]
    assert not problems(catalog)
    assert (binding.upstream_name, binding.cost, binding.read_only, binding.destructive) == (
        "post_entry",
        2_000_000,
        False,
        True,
    )
    assert list(binding.definition) == list(POST)
    assert binding.definition["description"] == "Book one entry."
    assert binding.definition["annotations"] == {
        "readOnlyHint": False, "x": 1, "destructiveHint": True, "idempotentHint": False,
    }  # fmt: skip
    assert binding.definition["inputSchema"] == schema(
        {"amount": {"type": "number"}, "memo": {"type": "string", "description": "Free text", "default": ""}}
    )
    assert binding.check({"amount": 1}) is None
    assert binding.check({"amount": "x"}) == ("/params/arguments/amount", "must be of type number")
    assert binding.bind is not None
    alice = Principal("corp|a", "a", email="a@x.org")
    assert binding.bind({"amount": 1}, alice, {}) == {"amt": 1, "memo": "", "currency": "EUR", "requester": "a@x.org"}
    with pytest.raises(InvalidArguments, match="requester"):
        binding.bind({"amount": 1}, ANONYMOUS, {})
    with pytest.raises(InvalidArguments, match="currency"):
        binding.bind({"amount": 1, "currency": "USD"}, alice, {})


def test_a_change_of_words_alone_needs_no_binding() -> None:
    binding = one(POST, arguments={"memo": {"description": "Say it."}}).tools["post_entry"]
    assert binding.bind is None
    assert binding.definition["inputSchema"]["properties"]["memo"]["description"] == "Say it."


def test_header_annotations_follow_names() -> None:
    properties = {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "zone": {"type": "string", "x-mcp-header": "Zone"},
    }
    deep = {"type": "object", "properties": {"in": {"type": "string", "x-mcp-header": "Deep"}}}
    arguments = {"region": {"name": "area"}, "zone": {"value": "z"}}
    binding = one(tool("t", {**properties, "deep": deep}), arguments=arguments).tools["t"]
    assert binding.headers == {("area",): "Region", ("deep", "in"): "Deep"}
    assert binding.upstream_headers == {("region",): "Region", ("zone",): "Zone", ("deep", "in"): "Deep"}


def test_globs_are_over_the_upstreams_names() -> None:
    source = {"upstream": "up", "prefix": "p_", "enabled_tools": ["query_*", "post"], "disabled_tools": ["*_secret"]}
    tools = [tool("query_a"), tool("query_secret"), tool("post"), tool("Query_b"), tool("p_post")]
    catalog = compiled(server(source), offer("up", tools))
    assert list(catalog.tools) == ["p_query_a", "p_post"]
    assert not problems(catalog)


def test_what_matches_nothing_is_reported_with_the_nearest_name() -> None:
    source = {"upstream": "up", "enabled_tools": ["qwery", "query"], "tools": {"querry": {"cost": 1.0}}}
    found = problems(compiled(server(source), offer("up", [tool("query")])), Severity.WARNING)
    assert found == [
        "up: 'qwery' matches nothing; did you mean 'query'?",
        "up: changes are configured for the tool 'querry', which does not exist; did you mean 'query'?",
    ]


def test_nothing_is_reported_missing_from_a_source_that_was_never_reached() -> None:
    source = {"upstream": "up", "enabled_tools": ["x"], "tools": {"x": {"cost": 1.0}}}
    catalog = compile_catalog(server(source), {}, server_version="1")
    assert not problems(catalog)
    assert catalog.unavailable == ("up",)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"tenant": {"value": 1}}, "declares no argument 'tenant'"),
        ({"amt": {"value": "much"}}, "does not fit the upstream's schema"),
        ({"amt": {"default": "much"}}, "does not fit the upstream's schema"),
        ({"amt": {"name": "memo"}}, "is taken"),
    ],
)
def test_a_change_that_cannot_be_right_leaves_the_tool_out(arguments: dict[str, Any], why: str) -> None:
    catalog = one(POST, arguments=arguments)
    assert not catalog.tools
    (message,) = problems(catalog, Severity.ERROR)
    assert why in message


def test_words_for_an_argument_that_is_gone_are_only_a_warning() -> None:
    catalog = one(POST, arguments={"memmo": {"description": "x"}})
    assert catalog.tools["post_entry"].definition is POST
    assert problems(catalog, Severity.WARNING) == [
        "up/post_entry: its schema declares no argument 'memmo' to be configured; did you mean 'memo'?"
    ]


RESOURCES: dict[str, Any] = {
    "resources": ({"uri": "l://open", "name": "o"}, {"uri": "m://other", "name": "x"}),
    "templates": (
        {"uriTemplate": "l://{name}", "name": "t"},
        {"uriTemplate": "l://reports/{name}", "name": "r"},
        {"uriTemplate": "m://{name}", "name": "m"},
    ),
    "prompts": ({"name": "greet", "arguments": [{"name": "who"}]},),
}


def test_prompts_and_resources_are_off_unless_enabled() -> None:
    catalog = compiled(server({"upstream": "up"}), offer("up", **RESOURCES))
    assert not catalog.prompts and not catalog.resources and not catalog.templates
    assert catalog.resolve_resource("l://open") is None


def test_resources_are_resolved_exactly_then_by_the_most_specific_template() -> None:
    source = {"upstream": "up", "prefix": "p_", "enabled_prompts": ["*"], "enabled_resources": ["l://*"]}
    catalog = compiled(server(source), offer("up", **RESOURCES))
    assert list(catalog.prompts) == ["p_greet"] and catalog.prompts["p_greet"].upstream_name == "greet"
    assert catalog.resolve_resource("l://open") is catalog.resources["l://open"]
    assert catalog.resolve_resource("l://x") is catalog.templates[1]
    assert catalog.resolve_resource("l://reports/x") is catalog.templates[0]
    for uri in ("l://reports/..", "l://%2e%2e", "m://other", "m://x", "l://a/b", ""):
        assert catalog.resolve_resource(uri) is None


def test_a_template_is_no_way_round_an_exclusion() -> None:
    fields = {
        "resources": ({"uri": "l://open", "name": "o"}, {"uri": "l://secret", "name": "s"}),
        "templates": ({"uriTemplate": "l://{+name}", "name": "t"},),
    }
    source = {"upstream": "up", "enabled_resources": ["l://open", "l://{*"]}
    catalog = compiled(server(source), offer("up", **fields))
    assert catalog.resolve_resource("l://other") is not None
    for uri in ("l://secret", "l://%73ecret", "l://SECRET", "l://secret/", "l://x/../secret"):
        assert catalog.resolve_resource(uri) is None


def test_instructions_are_the_admins_or_those_of_a_single_source() -> None:
    assert compiled(server({"upstream": "a"}), offer("a", instructions="theirs")).instructions == "theirs"
    assert compiled(server({"upstream": "a"}, instructions="ours"), offer("a", instructions="x")).instructions == "ours"
    two = server({"upstream": "a"}, {"upstream": "b"})
    assert compiled(two, offer("a", instructions="x"), offer("b")).instructions is None


def test_one_upstream_may_be_two_sources() -> None:
    spec = server({"upstream": "a", "prefix": "x_"}, {"upstream": "a", "prefix": "y_", "enabled_tools": ["t"]})
    assert list(compiled(spec, offer("a", [tool("t"), tool("u")])).tools) == ["x_t", "x_u", "y_t"]


def test_reports_count_what_is_exposed_and_dropped() -> None:
    catalog = compiled(server({"upstream": "up"}), offer("up", [tool("a"), {"name": "b"}, tool("a")]))
    (report,) = catalog.sources
    assert (report.exposed[Listing.TOOLS], report.dropped[Listing.TOOLS]) == (1, 2)
    assert catalog.server_info == {"name": "desk", "version": "1.0"}


@given(st.permutations(["one", "two", "three"]))
def test_the_order_of_inventories_does_not_matter(order: list[str]) -> None:
    spec = server(*({"upstream": name, "prefix": name[0]} for name in ("one", "two", "three")), conflicts="prefix")
    inventories = {name: offer(name, [tool("b"), tool("a")]) for name in order}
    catalog = compile_catalog(spec, inventories, server_version="1")
    assert list(catalog.tools) == ["ob", "oa", "two_tb", "two_ta", "three_tb", "three_ta"]
    baseline = compile_catalog(spec, dict(sorted(inventories.items())), server_version="1")
    assert catalog.digest == baseline.digest


KEYS = st.sampled_from(["$defs", "$anchor", "x-vendor", "if", "then", "additionalProperties", "title", "examples"])
WORDS = {"$anchor": "here", "title": "word", "examples": [{"b": {"$ref": "#/nowhere"}}]}


@given(
    st.dictionaries(KEYS, st.sampled_from([{}, {"a": {}}]), max_size=5),
    st.lists(st.text("abc", min_size=1), unique=True),
)
def test_untouched_parts_of_a_schema_are_verbatim(keywords: dict[str, Any], names: list[str]) -> None:
    keywords = {key: WORDS.get(key, value) for key, value in keywords.items()}
    definition: dict[str, Any] = {
        "name": "t",
        "inputSchema": {**keywords, **schema({name: {"x": name} for name in [*names, "z"]})},
    }
    catalog = one(definition, arguments={"z": {"description": "d"}})
    exposed = catalog.tools["t"].definition["inputSchema"]
    assert list(exposed) == list(definition["inputSchema"])
    assert list(exposed["properties"]) == [*names, "z"]
    assert {**exposed, "properties": 0} == {**definition["inputSchema"], "properties": 0}
    assert all(exposed["properties"][name] == {"x": name} for name in names)
