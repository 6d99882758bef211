"""How single values are shown to policies: exactly, or not at all."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.policy.cedar.model import Path
from mcp_gateway.envelopes.policy.cedar.shape import Scalar, SetOf, shape_of
from mcp_gateway.envelopes.policy.cedar.values import (
    ABSENT,
    DECIMAL_COST,
    MAX_BYTES,
    MAX_NAMED,
    MAX_SCALARS,
    Budget,
    decimal_text,
    neutral,
    writer,
)
from tests.envelopes.policy.cedar.contexts import numbers, values

AT: Path = ("input",)


def shown(schema: dict[str, Any], value: object, budget: Budget | None = None) -> object:
    shape = shape_of(schema)
    assert shape is not None
    return writer(shape, AT)(value, Budget() if budget is None else budget)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("string", "a\0b", "a\0b"),
        ("string", "", ""),
        ("integer", 5, 5),
        ("integer", 5.0, 5),
        ("integer", -0.0, 0),
        ("integer", 2.0**53, 2**53),
        ("integer", 2**63 - 1, 2**63 - 1),
        ("integer", -(2**63), -(2**63)),
        ("boolean", False, False),
    ],
)
def test_a_value_of_its_type_is_itself(kind: str, value: object, expected: object) -> None:
    found = shown({"type": kind}, value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", 5),
        ("string", None),
        ("string", ["a"]),
        ("string", "\ud800"),
        ("string", {"__entity": {"type": "User", "id": "alice"}}),
        ("integer", True),
        ("integer", "5"),
        ("integer", 5.5),
        ("integer", 2**63),
        ("integer", -(2**63) - 1),
        ("integer", -9.223372036854776e18),
        ("integer", 1e300),
        ("integer", math.inf),
        ("number", True),
        ("number", "1.5"),
        ("number", None),
        ("number", {"__extn": {"fn": "decimal", "arg": "1.5"}}),
        ("boolean", 1),
        ("boolean", "true"),
        ("boolean", None),
    ],
)
def test_a_value_of_another_type_is_not_shown(kind: str, value: object) -> None:
    assert shown({"type": kind}, value) is ABSENT


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.5, "1.5"),
        (2.0, "2.0"),
        (1e2, "100.0"),
        (-0.0, "0.0"),
        (0, "0.0"),
        (-3, "-3.0"),
        (0.0001, "0.0001"),
        (-0.25, "-0.25"),
        (922337203685477, "922337203685477.0"),
        (922337203685477.5, "922337203685477.5"),
        (922337203685478, None),
        (922337203685477.6, None),
        (-922337203685478, None),
        (0.00001, None),
        (0.12345, None),
        (0.1 + 0.2, None),
        (1e16, None),
        (1e300, None),
        (math.inf, None),
        (math.nan, None),
        (False, None),
    ],
)
def test_a_number_is_a_decimal_where_four_places_hold_it(value: object, text: str | None) -> None:
    assert decimal_text(value) == text


@given(numbers)
def test_a_decimal_is_the_number_that_was_sent(value: float) -> None:
    number = Fraction(Decimal(repr(value)))
    fits = (number * 10_000).denominator == 1 and abs(number * 10_000) < 2**63
    text = decimal_text(value)
    assert (text is not None) == fits
    assert text is None or Fraction(text) == number


def test_an_array_is_shown_with_all_of_its_elements_or_not() -> None:
    strings = {"type": "array", "items": {"type": "string"}}
    assert shown(strings, ["b", "a", "b"]) == ["b", "a", "b"]
    assert shown(strings, []) == []
    assert shown(strings, ["a", 1]) is ABSENT
    assert shown(strings, ["a", None]) is ABSENT
    assert shown(strings, "a") is ABSENT
    assert shown(strings, {"0": "a"}) is ABSENT


def test_an_object_in_an_array_is_shown_whole_or_the_array_is_not() -> None:
    element = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a"]}
    records = {"type": "array", "items": element}
    assert shown(records, [{"a": "x"}, {"a": "y", "b": 1}]) == [{"a": "x"}, {"a": "y", "b": 1}]
    for wrong in ({}, {"a": 1}, {"a": "x", "c": 1}, {"a": "x", "b": None}, "x", None):
        assert shown(records, [{"a": "x"}, wrong]) is ABSENT


def test_what_an_object_does_not_show_is_named_and_a_required_member_is_neutral() -> None:
    inner = {"type": "object", "properties": {"n": {"type": "number"}, "l": {"type": "array", "items": {"const": ""}}}}
    inner |= {"required": ["n", "l"]}
    schema = {"type": "object", "properties": {"o": inner, "s": {"type": "string"}, "b": {"type": "boolean"}}}
    schema |= {"required": ["b"]}
    zero = {"__extn": {"fn": "decimal", "arg": "0.0"}}
    budget = Budget()
    assert shown(schema, {"o": {"n": 1e-9, "x": 1}, "s": None}, budget) == {"o": {"n": zero, "l": []}, "b": False}
    assert budget.omitted == {("input", *path) for path in (("o", "n"), ("o", "l"), ("o", "x"), ("s",), ("b",))}
    shape = shape_of(schema)
    assert shape is not None
    assert neutral(shape) == {"b": False}


def test_what_is_too_much_is_not_shown() -> None:
    strings = {"type": "array", "items": {"type": "string"}}
    assert shown({"type": "string"}, "é" * (MAX_BYTES // 2)) is not ABSENT
    assert shown({"type": "string"}, "é" * (MAX_BYTES // 2 + 1)) is ABSENT
    assert shown(strings, ["a"] * (MAX_SCALARS - 1)) is not ABSENT
    assert shown(strings, ["a"] * MAX_SCALARS) is ABSENT
    assert shown(strings, ["a" * 1024] * (MAX_BYTES // 1024 + 1)) is ABSENT
    numbers_shown = shown({"type": "array", "items": {"type": "number"}}, [1.5] * (MAX_SCALARS // DECIMAL_COST + 1))
    assert numbers_shown is ABSENT


@pytest.mark.parametrize("shape", [*Scalar, SetOf(Scalar.LONG), SetOf(SetOf(Scalar.LONG))])
def test_nothing_is_shown_for_free(shape: Any) -> None:
    budget = Budget()
    budget.scalars = 0
    tried: list[object] = ["a", 1, 1.5, True, [], [[]]]
    for value in tried:
        assert writer(shape, None)(value, budget) is ABSENT


def test_many_names_are_not_kept() -> None:
    budget = Budget()
    shown({"type": "object", "properties": {}}, {f"k{number}": number for number in range(20_000)}, budget)
    assert len(budget.omitted) == MAX_NAMED
    assert budget.overflowed
    budget = Budget()
    shown({"type": "object", "properties": {}}, {"k" * 100_000: 1}, budget)
    assert not budget.omitted
    assert budget.overflowed


@given(values, st.sampled_from(list(Scalar)))
def test_a_scalar_is_shown_as_its_own_type_only(value: object, shape: Scalar) -> None:
    found = writer(shape, AT)(value, Budget())
    kinds = {Scalar.STRING: str, Scalar.LONG: int, Scalar.BOOLEAN: bool, Scalar.DECIMAL: dict}
    assert found is ABSENT or type(found) is kinds[shape]
