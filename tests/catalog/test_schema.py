"""Checking arguments: verdicts, places, messages without values, and schemas that are not let in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.catalog.bounds import Limits, measure
from mcp_gateway.catalog.findings import LeftOut
from mcp_gateway.catalog.schema import compile_check
from tests.catalog.making import schema

SECRET = "hunter2-secret"


@pytest.mark.parametrize(
    ("given_", "arguments", "verdict"),
    [
        (schema({"x": {"type": "string"}}), {"x": 1}, ("/params/arguments/x", "must be of type string")),
        (schema(required=["x"]), {}, ("/params/arguments", "required property 'x' is missing")),
        (schema(additionalProperties=False), {"y": 1}, ("/params/arguments", "unexpected property 'y'")),
        (schema({"x": {"enum": ["a"]}}), {"x": SECRET}, ("/params/arguments/x", 'must be one of ["a"]')),
        (schema({"x": {"const": "a"}}), {"x": SECRET}, ("/params/arguments/x", 'must be "a"')),
        (schema({"x": {"pattern": "^a"}}), {"x": SECRET}, ("/params/arguments/x", "must match the pattern '^a'")),
        (schema({"x": {"maxLength": 2}}), {"x": SECRET}, ("/params/arguments/x", "must keep to maxLength 2")),
        (schema({"x": {"not": {}}}), {"x": SECRET}, ("/params/arguments/x", "does not satisfy 'not'")),
        (
            schema({"x": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}),
            {"x": SECRET},
            ("/params/arguments/x", "does not fit any allowed form"),
        ),
        (
            schema({"x": {"type": "integer"}, "y": {"anyOf": [{}]}}),
            {"x": SECRET},
            ("/params/arguments/x", "must be of type integer"),
        ),
        (
            schema({"x": {"anyOf": [{}]}}, required=["x"]),
            {},
            ("/params/arguments", "required property 'x' is missing"),
        ),
        (
            schema({"x": {"anyOf": [{}]}}, additionalProperties=False),
            {"y": 1},
            ("/params/arguments", "unexpected property 'y'"),
        ),
        (
            schema({"a/b~": {"items": {"type": "integer"}}}),
            {"a/b~": [1, SECRET]},
            ("/params/arguments/a~1b~0/1", "must be of type integer"),
        ),
        (
            schema(oneOf=[{"required": ["a"]}]),
            {},
            ("/params/arguments", "the arguments do not fit the tool's input schema"),
        ),
    ],
)
def test_a_misfit_is_located_and_described(given_: Any, arguments: Any, verdict: tuple[str, str]) -> None:
    assert compile_check(given_)(arguments) == verdict


@given(st.text(min_size=5).filter(lambda text: text not in "must be of type integer"), st.booleans())
def test_no_value_is_echoed(value: str, forked: bool) -> None:
    inner: Any = {"type": "integer"}
    found = compile_check(schema({"x": {"anyOf": [inner]} if forked else inner}))({"x": value})
    assert found is not None
    assert value not in found[1]


def test_formats_are_annotations() -> None:
    assert compile_check(schema({"x": {"format": "email"}}))({"x": "no"}) is None


def test_the_draft_is_the_one_named() -> None:
    old = {"$schema": "http://json-schema.org/draft-07/schema#", **schema({"x": {"items": [{"type": "string"}]}})}
    assert compile_check(old)({"x": [1]}) is not None


def test_anchors_definitions_and_recursion_work() -> None:
    tree = {"$anchor": "tree", "properties": {"value": {"type": "integer"}, "next": {"$ref": "#tree"}}}
    check = compile_check(schema({"x": {"$ref": "#/$defs/t"}}, **{"$defs": {"t": tree}}))
    assert check({"x": {"value": 1, "next": {"next": {"value": 2}}}}) is None
    assert check({"x": {"value": 1, "next": {"next": {"value": "s"}}}}) is not None


def test_embedded_resources_are_found_by_their_id() -> None:
    part = {"$id": "part.json", "$ref": "#/$defs/z", "$defs": {"z": {"type": "string"}}}
    check = compile_check(
        schema({"x": {"$ref": "part.json"}}, **{"$id": "https://e.org/root.json", "$defs": {"p": part}})
    )
    assert check({"x": "s"}) is None
    assert check({"x": 1}) is not None


@pytest.mark.parametrize("bomb", ["^(a+)+$", "^(a|aa)+$", "^(?=(a+)+$)(a+)+$", "(a*)*\\1$"])
def test_patterns_cannot_stall(bomb: str) -> None:
    assert compile_check(schema({"x": {"type": "string", "pattern": bomb}}))({"x": "a" * 5000 + "b"}) is not None


def test_look_around_still_works() -> None:
    check = compile_check(schema({"x": {"pattern": "^(?!\\.)(?!.*\\.\\.)[a-z.]+@[a-z.]+$"}}))
    assert check({"x": "a.b@c.de"}) is None
    assert check({"x": "a..b@c.de"}) is not None


def doubling(depth: int, keyword: str) -> Any:
    steps = {f"s{n}": {keyword: [{"$ref": f"#/$defs/s{n + 1}"}] * 2} for n in range(depth)}
    return schema({"x": {"$ref": "#/$defs/s0"}}, **{"$defs": {**steps, f"s{depth}": {"type": "string"}}})


def nested(depth: int) -> Any:
    inner: Any = {}
    for _ in range(depth):
        inner = {"not": inner}
    return schema({"x": inner})


@pytest.mark.parametrize(
    ("given_", "why"),
    [
        (schema({"x": {"$ref": "http://169.254.169.254/s.json"}}), "never fetched"),
        (schema({"x": {"$ref": "file:///etc/passwd"}}), "never fetched"),
        (schema({"x": {"$ref": "other.json"}}), "never fetched"),
        (schema({"x": {"$ref": "#/$defs/none"}}), "does not exist"),
        (schema({"x": {"$dynamicRef": "#none"}}), "does not exist"),
        ({"type": "array"}, "not of type"),
        ({"properties": {}}, "not of type"),
        (schema({"x": {"type": "strang"}}), "not usable"),
        (schema({"x": {"pattern": "("}}), "not usable"),
        ({"type": "object", "properties": []}, "not usable"),
        ({"$schema": "https://nowhere.example/draft", **schema()}, "not usable"),
        (doubling(20, "allOf"), "multiply"),
        (doubling(20, "anyOf"), "multiply"),
        (nested(40), "nested deeper"),
        (nested(5000), "nested deeper"),
        (schema({f"p{n}": {} for n in range(1001)}), "subschemas"),
        (schema({f"p{n}": {"pattern": "a"} for n in range(65)}), "patterns"),
    ],
)
def test_unusable_schemas_are_left_out_with_the_reason(given_: Any, why: str) -> None:
    with pytest.raises(LeftOut, match=why):
        compile_check(given_)


def test_a_long_chain_of_references_is_left_out() -> None:
    chain = {f"s{n}": {"$ref": f"#/$defs/s{n + 1}"} for n in range(900)}
    with pytest.raises(LeftOut, match="chains"):
        measure(schema({"x": {"$ref": "#/$defs/s0"}}, **{"$defs": {**chain, "s900": {}}}))


def test_limits_are_the_callers_to_set() -> None:
    with pytest.raises(LeftOut):
        compile_check(schema({"x": {"not": {}}}), Limits(depth=2))


def test_recursion_with_alternatives_does_not_multiply_errors() -> None:
    branch = {"properties": {"x": {"$ref": "#/$defs/e"}}, "required": ["never"]}
    check = compile_check(schema({"x": {"$ref": "#/$defs/e"}}, **{"$defs": {"e": {"anyOf": [branch, branch]}}}))
    value: Any = {}
    for _ in range(60):
        value = {"x": value}
    assert check(value) == ("/params/arguments/x", "does not fit any allowed form")
