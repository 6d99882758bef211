"""What of a JSON Schema has a type in policies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.policy.cedar.model import PromptFacts
from mcp_gateway.envelopes.policy.cedar.shape import (
    MAX_ATTRIBUTES,
    MAX_DEPTH,
    Attribute,
    Record,
    Scalar,
    SetOf,
    Shape,
    prompt_record,
    record_of,
    shape_of,
)
from tests.envelopes.policy.cedar.contexts import names, schemas, values


def an_object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def a_whole_object(**properties: Any) -> dict[str, Any]:
    return an_object(**properties) | {"required": list(properties)}


@pytest.mark.parametrize(
    ("schema", "shape"),
    [
        ({"type": "string"}, Scalar.STRING),
        ({"type": "integer"}, Scalar.LONG),
        ({"type": "number"}, Scalar.DECIMAL),
        ({"type": "boolean"}, Scalar.BOOLEAN),
        ({"type": ["string", "null"]}, Scalar.STRING),
        ({"type": ["string"], "enum": ["a", None]}, Scalar.STRING),
        ({"enum": ["a", "b", None]}, Scalar.STRING),
        ({"enum": [1, 2.0]}, Scalar.LONG),
        ({"enum": [1, 2.5]}, Scalar.DECIMAL),
        ({"const": True}, Scalar.BOOLEAN),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, Scalar.LONG),
        ({"oneOf": [{"const": "a"}, {"const": "b"}, {"const": None}]}, Scalar.STRING),
        ({"type": "array", "items": {"type": "string"}}, SetOf(Scalar.STRING)),
        ({"type": "array", "items": {"type": "array", "items": {"type": "number"}}}, SetOf(SetOf(Scalar.DECIMAL))),
        (an_object(a={"type": "string"}), Record((Attribute("a", Scalar.STRING, required=False),))),
        (a_whole_object(a={"type": "string"}), Record((Attribute("a", Scalar.STRING, required=True),))),
        ({"allOf": [{"type": "string"}, {"description": "a name"}]}, Scalar.STRING),
    ],
)
def test_one_type_is_one_type(schema: dict[str, Any], shape: Shape) -> None:
    assert shape_of(schema) == shape


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "null"},
        {"type": ["string", "integer"]},
        {"type": []},
        {"type": [{}]},
        {"type": 7},
        {"type": "word"},
        {"enum": []},
        {"enum": [None]},
        {"enum": ["a", 1]},
        {"enum": [True, 1]},
        {"const": {"a": 1}},
        {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        {"anyOf": [{"type": "null"}]},
        {"anyOf": [{"type": "string"}, {}]},
        {"anyOf": [{"type": "string"}], "oneOf": [{"type": "string"}]},
        {"type": "array"},
        {"type": "array", "items": {}},
        {"type": "array", "items": True},
        {"type": "array", "items": [{"type": "string"}]},
        {"type": "array", "items": {"type": "string"}, "prefixItems": [{"type": "string"}]},
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"allOf": [True]},
        {"$ref": "#/$defs/none"},
        {"$ref": "https://elsewhere.example/schema"},
        {"$ref": "#"},
        {"$ref": 4},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    ],
)
def test_what_has_no_one_type_is_not_typed(schema: dict[str, Any]) -> None:
    assert shape_of(schema) is None


@pytest.mark.parametrize("null", [{"type": ["string", "null"]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}])
def test_what_may_be_null_is_never_required(null: dict[str, Any]) -> None:
    assert shape_of(a_whole_object(a=null)) == Record((Attribute("a", Scalar.STRING, required=False),))


@pytest.mark.parametrize("name", ["__entity", "__extn", "__expr"])
def test_the_names_of_escapes_are_no_attributes(name: str) -> None:
    assert shape_of(an_object(**{name: {"type": "string"}, "a": {"type": "string"}})) == Record(
        (Attribute("a", Scalar.STRING, required=False),)
    )
    assert prompt_record(PromptFacts("wiki", "sum", ((name, True), ("a", True)))) == Record(
        (Attribute("a", Scalar.STRING, required=False),)
    )


def test_local_references_are_followed() -> None:
    schema = a_whole_object(a={"$ref": "#/$defs/x~1y%20z"}, b={"$ref": "#/definitions/n/anyOf/0"})
    schema |= {"$defs": {"x/y z": {"type": "integer"}}, "definitions": {"n": {"anyOf": [{"type": "boolean"}]}}}
    assert shape_of(schema) == Record((Attribute("a", Scalar.LONG, True), Attribute("b", Scalar.BOOLEAN, True)))


def test_parts_of_a_schema_are_one_and_a_member_told_in_two_ways_is_not_typed() -> None:
    schema = an_object(a={"type": "string"}, both={"type": "string"})
    schema |= {"allOf": [{"properties": {"b": {"type": "integer"}, "both": {"type": "integer"}}, "required": ["b"]}]}
    assert shape_of(schema) == Record((Attribute("a", Scalar.STRING, False), Attribute("b", Scalar.LONG, True)))


def test_a_member_that_refers_to_its_own_object_is_not_typed_and_the_others_are() -> None:
    schema = {
        "$ref": "#/$defs/node",
        "$defs": {"node": an_object(label={"type": "string"}, next={"$ref": "#/$defs/node"})},
    }
    assert shape_of(schema) == Record((Attribute("label", Scalar.STRING, False),))


def test_nesting_ends() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(MAX_DEPTH * 4):
        schema = an_object(a=schema)
    depth, shape = 0, shape_of(schema)
    while isinstance(shape, Record) and shape.attributes:
        depth, shape = depth + 1, shape.attributes[0].shape
    assert depth == MAX_DEPTH


def test_references_do_not_multiply_without_end() -> None:
    definitions = {
        f"d{level}": an_object(a={"$ref": f"#/$defs/d{level + 1}"}, b={"$ref": f"#/$defs/d{level + 1}"})
        for level in range(MAX_DEPTH)
    }
    shape = shape_of({"$ref": "#/$defs/d0", "$defs": definitions | {f"d{MAX_DEPTH}": {"type": "string"}}})
    assert shape is not None
    assert size(shape) <= MAX_ATTRIBUTES


def test_the_attributes_of_one_schema_are_counted() -> None:
    shape = shape_of(an_object(**{f"a{number}": {"type": "string"} for number in range(MAX_ATTRIBUTES + 50)}))
    assert isinstance(shape, Record)
    assert [each.name for each in shape.attributes] == [f"a{number}" for number in range(MAX_ATTRIBUTES)]


def test_arguments_are_an_object_whether_the_schema_says_so_or_not() -> None:
    assert record_of({}) == Record()
    assert record_of({"type": "object"}) == Record()
    assert record_of({"properties": {"a": {"type": "string"}}}) == Record((Attribute("a", Scalar.STRING, False),))
    assert record_of({"type": "array", "items": {"type": "string"}}) is None


@given(schemas | st.dictionaries(names | st.sampled_from(["type", "$ref", "allOf", "anyOf", "enum"]), values))
def test_any_document_is_read_and_read_the_same_twice(schema: dict[str, Any]) -> None:
    assert shape_of(schema) == shape_of(schema)
    record = record_of(schema)
    assert record is None or size(record) <= MAX_ATTRIBUTES


def size(shape: Shape) -> int:
    if isinstance(shape, SetOf):
        return size(shape.of)
    return sum(1 + size(each.shape) for each in shape.attributes) if isinstance(shape, Record) else 0
