"""The exposed schema: verbatim but for the touched properties, or no tool at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.catalog.arguments import UNSET, ArgumentMap, Rule
from mcp_gateway.catalog.findings import LeftOut
from mcp_gateway.catalog.rewrite import expose
from mcp_gateway.catalog.schema import compile_check
from mcp_gateway.core.principal import ANONYMOUS
from tests.catalog.making import schema

STRING = {"type": "string"}
RENAME = Rule("b", "z")
FIXED = Rule("b", None, value="v")
HIDDEN = Rule("b", None)


def abc(**keywords: Any) -> dict[str, Any]:
    return schema({"a": STRING, "b": STRING, "c": STRING}, **keywords)


def test_rename_keeps_position_and_everything_else_verbatim() -> None:
    vendor = {"x-vendor": {"b": ["b"]}, "$defs": {"q": {"$anchor": "q", "properties": {"b": STRING}}}}
    given_ = {"$schema": "https://json-schema.org/draft/2020-12/schema", **vendor, **abc(required=["b", "a"])}
    exposed = expose(given_, [RENAME])
    assert list(exposed) == list(given_)
    assert list(exposed["properties"]) == ["a", "z", "c"]
    assert exposed["required"] == ["z", "a"]
    assert {key: exposed[key] for key in vendor} == vendor


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        (RENAME, {"dependentRequired": {"a": ["b"], "b": ["c"]}}, {"dependentRequired": {"a": ["z"], "z": ["c"]}}),
        (RENAME, {"dependencies": {"b": ["a"]}}, {"dependencies": {"z": ["a"]}}),
        (
            RENAME,
            {"dependentSchemas": {"b": {"required": ["b"]}}},
            {"dependentSchemas": {"z": {"required": ["z"]}}},
        ),
        (
            RENAME,
            {"if": {"properties": {"b": {"const": "x"}}}, "then": {"required": ["b"]}},
            {"if": {"properties": {"z": {"const": "x"}}}, "then": {"required": ["z"]}},
        ),
        (RENAME, {"allOf": [{"not": {"required": ["b"]}}]}, {"allOf": [{"not": {"required": ["z"]}}]}),
        (FIXED, {"required": ["b", "a"]}, {"required": ["a"]}),
        (FIXED, {"dependentRequired": {"a": ["b", "c"]}}, {"dependentRequired": {"a": ["c"]}}),
        (FIXED, {"dependentRequired": {"b": ["c"]}}, {"dependentRequired": {}, "required": ["c"]}),
        (HIDDEN, {"dependentRequired": {"b": ["c"]}}, {"dependentRequired": {}}),
        (HIDDEN, {"dependentSchemas": {"b": {"minProperties": 1}}}, {"dependentSchemas": {}}),
        (
            FIXED,
            {"anyOf": [{"required": ["a"]}, {"required": ["c"]}]},
            {"anyOf": [{"required": ["a"]}, {"required": ["c"]}]},
        ),
        (FIXED, {"additionalProperties": False}, {"additionalProperties": False}),
    ],
)
def test_keywords_that_speak_of_arguments(rule: Rule, before: dict[str, Any], after: dict[str, Any]) -> None:
    exposed = expose(abc(**before), [rule])
    assert {key: value for key, value in exposed.items() if key not in {"type", "properties"}} == after


@pytest.mark.parametrize(
    ("rule", "keywords"),
    [
        (FIXED, {"anyOf": [{"required": ["b"]}, {"required": ["c"]}]}),
        (FIXED, {"if": {"properties": {"b": {"const": "x"}}}, "then": {"required": ["a"]}}),
        (FIXED, {"dependentSchemas": {"b": {"required": ["a"]}}}),
        (FIXED, {"dependencies": {"b": {"required": ["a"]}}}),
        (FIXED, {"minProperties": 2}),
        (FIXED, {"allOf": [{"additionalProperties": False}]}),
        (FIXED, {"patternProperties": {"^b": STRING}}),
        (RENAME, {"patternProperties": {"^b": STRING}}),
        (RENAME, {"propertyNames": {"maxLength": 1}}),
        (RENAME, {"enum": [{"b": "x"}]}),
        (RENAME, {"$ref": "#/$defs/q", "$defs": {"q": {}}}),
        (RENAME, {"allOf": [{"$ref": "#/$defs/q"}], "$defs": {"q": {"required": ["b"]}}}),
        (RENAME, {"$defs": {"q": {"properties": {"self": {"$ref": "#"}}}}}),
        (RENAME, {"$defs": {"q": {"$ref": "#/properties/b"}}}),
        (RENAME, {"$anchor": "me"}),
        (RENAME, {"required": ["z"]}),
        (Rule("b", "a"), {}),
        (HIDDEN, {"required": ["b"]}),
        (HIDDEN, {"dependentRequired": {"a": ["b"]}}),
    ],
)
def test_what_cannot_be_rewritten_soundly_is_left_out(rule: Rule, keywords: dict[str, Any]) -> None:
    with pytest.raises(LeftOut):
        expose(abc(**keywords), [rule])


def test_two_arguments_cannot_take_one_name() -> None:
    with pytest.raises(LeftOut, match="same name"):
        expose(abc(), [Rule("a", "z"), Rule("b", "z")])


def test_names_may_be_swapped() -> None:
    exposed = expose(abc(required=["a"]), [Rule("a", "b"), Rule("b", "a")])
    assert (list(exposed["properties"]), exposed["required"]) == (["b", "a", "c"], ["b"])


def test_description_and_default_are_the_admins() -> None:
    rule = Rule("b", "b", default="x", description="Say it.")
    exposed = expose(abc(required=["a", "b"]), [rule])
    assert exposed["properties"]["b"] == {"type": "string", "description": "Say it.", "default": "x"}
    assert exposed["required"] == ["a"]


def test_data_that_looks_like_a_reference_is_data() -> None:
    given_ = schema({"a": {"const": {"$ref": "#"}}, "b": STRING})
    assert expose(given_, [RENAME])["properties"]["a"] == {"const": {"$ref": "#"}}


VALUES = st.one_of(st.text(max_size=3), st.integers(), st.none())


@given(
    required=st.lists(st.sampled_from("abc"), unique=True),
    dependent=st.dictionaries(st.sampled_from("abc"), st.lists(st.sampled_from("abc"), unique=True), max_size=3),
    closed=st.booleans(),
    how=st.sampled_from([RENAME, FIXED, HIDDEN, Rule("b", "b", default="d"), Rule("b", "z", default="d")]),
    sent=st.dictionaries(st.sampled_from("aczqb"), VALUES, max_size=4),
)
def test_exposed_schema_accepts_what_the_upstream_accepts_after_binding(
    required: list[str], dependent: dict[str, list[str]], closed: bool, how: Rule, sent: dict[str, Any]
) -> None:
    upstream = abc(required=required, dependentRequired=dependent, additionalProperties=not closed)
    before = json.dumps(upstream)
    try:
        exposed = expose(upstream, [how])
    except LeftOut:
        return
    assert json.dumps(upstream) == before
    if "b" in sent and how.exposed != "b":
        return
    verdict = compile_check(exposed)(sent)
    bound = ArgumentMap([how]).bind(sent, ANONYMOUS)
    if how.default is UNSET:
        assert (verdict is None) == (compile_check(upstream)(bound) is None)
    elif compile_check(upstream)(bound) is not None and how.exposed in sent:
        assert verdict is not None
