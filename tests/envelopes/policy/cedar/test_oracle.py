"""Policies over arguments decide what their words say: held against an evaluator that knows none of our code."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway.envelopes.policy.cedar.fit import Fit
from mcp_gateway.envelopes.policy.cedar.write_schema import quoted
from tests.envelopes.policy.cedar import contexts
from tests.envelopes.policy.cedar.contexts import ask, escapes, numbers, question, tool
from tests.envelopes.policy.cedar.oracle import LONG, Answer, Condition, Kind, exactly, judge

EXAMPLES: Final = 500
TOGETHER: Final = 4
"""Conditions about the same arguments. With five kinds it is ten thousand cases in all."""

SCHEMAS: dict[Kind, dict[str, Any]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "strings": {"type": "array", "items": {"type": "string"}},
}
MEMBERS = {name: schema for kind, schema in SCHEMAS.items() for name in (kind, f"given {kind}")}
REQUIRED = [f"given {kind}" for kind in SCHEMAS]
OBJECT: dict[str, Any] = {"type": "object", "properties": MEMBERS, "required": REQUIRED}
FACTS = tool({**OBJECT, "properties": {**MEMBERS, "of": OBJECT}, "required": [*REQUIRED, "of"]})
SCHEMA = contexts.schema(FACTS)
FIT = Fit.of(FACTS)

words = st.sampled_from(["", "a", "A", "a\0", "é", "e\u0301", "*", '"', "\\", "\u200b", "production"]) | st.text(
    max_size=4
)
anything = st.none() | st.booleans() | numbers | words | escapes | st.lists(words | st.none(), max_size=3)
longs = st.sampled_from([0, 1, 5, -5, LONG[0], LONG[-1]]) | st.integers(LONG[0], LONG[-1])
decimals = st.decimals(-500, 500, places=2).map(float) | st.sampled_from([0.0, 1.5, 100.0, 0.0001, 499.9999])
fitting: dict[Kind, st.SearchStrategy[Any]] = {
    "string": words,
    "integer": longs | longs.map(float),
    "number": decimals | st.integers(-500, 500),
    "boolean": st.booleans(),
    "strings": st.lists(words, max_size=4),
}
operands: dict[Kind, st.SearchStrategy[Any]] = fitting | {"integer": longs, "number": decimals, "strings": words}
operators: dict[Kind, list[Any]] = {
    "string": ["has", "=="],
    "integer": ["has", "==", "<", "<=", ">", ">="],
    "number": ["has", "==", "<", "<=", ">", ">="],
    "boolean": ["has", "=="],
    "strings": ["has", "contains", "empty"],
}
METHODS = {"<": "lessThan", "<=": "lessThanOrEqual", ">": "greaterThan", ">=": "greaterThanOrEqual"}


@pytest.mark.parametrize("kind", SCHEMAS)
def test_ten_thousand_conditions_hold_where_their_words_do(kind: Kind) -> None:
    @settings(max_examples=EXAMPLES)
    @given(st.lists(conditions(kind), min_size=TOGETHER, max_size=TOGETHER), st.data())
    def agree(asked: list[Condition], data: st.DataObject) -> None:
        members = objects(kind, [condition.operand for condition in asked if condition.operand is not None])
        arguments = data.draw(members)
        arguments["of"] = data.draw(st.one_of(members, members, anything))
        for condition in asked:
            assert decided(condition, arguments) == judge(condition, arguments), condition

    agree()


@st.composite
def conditions(draw: st.DrawFn, kind: Kind) -> Condition:
    required = draw(st.booleans())
    name = f"given {kind}" if required else kind
    operator = draw(st.sampled_from(operators[kind]))
    operand = None if operator in ("has", "empty") else draw(operands[kind])
    return Condition(("of", name) if draw(st.booleans()) else (name,), kind, required, operator, operand)


def objects(kind: Kind, compared_with: list[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """With members of `kind` that often are what they are compared with, or there at all, or right."""
    near: list[st.SearchStrategy[Any]] = [fitting[kind], fitting[kind], fitting[kind], anything]
    if compared_with:
        same = st.sampled_from(compared_with)
        near.append(st.lists(same, max_size=3) if kind == "strings" else same)
    member = st.one_of(near)
    some = st.dictionaries(st.sampled_from([kind, f"given {kind}", "undeclared"]), member, max_size=3)
    most = st.fixed_dictionaries({f"given {kind}": member}, optional={kind: member})
    return st.one_of(most, most, some)


def decided(condition: Condition, arguments: dict[str, Any]) -> Answer:
    """The engine's answer; none where the policy reads what was left out, as the door refuses it then."""
    asked = question(FACTS, arguments)
    fitted = FIT.fit(asked)
    allowed = ask(asked, fitted, SCHEMA, f"permit (principal, action, resource) when {{ {written(condition)} }};")
    path = ("input", *condition.path)
    assert not fitted.all_omitted
    if any(path[: len(left_out)] == left_out for left_out in fitted.omitted):
        return Answer.UNKNOWN
    return Answer.YES if allowed else Answer.NO


def written(condition: Condition) -> str:
    """As a policy has it, the optional guarded by `has`."""
    base = "context.input" + (".of" if len(condition.path) > 1 else "")
    name = condition.path[-1]
    there = f"{base} has {quoted(name)}"
    if condition.operator == "has":
        return there
    test = compared(condition, f"{base}[{quoted(name)}]")
    return test if condition.required else f"{there} && {test}"


def compared(condition: Condition, value: str) -> str:
    match condition.operator:
        case "contains":
            return f"{value}.contains({quoted(condition.operand)})"
        case "empty":
            return f"{value}.isEmpty()"
    literal = _literal(condition)
    if condition.kind == "number" and condition.operator in METHODS:
        return f"{value}.{METHODS[condition.operator]}({literal})"
    return f"{value} {condition.operator} {literal}"


def _literal(condition: Condition) -> str:
    match condition.kind:
        case "string":
            return quoted(condition.operand)
        case "number":
            scaled = exactly(condition.operand) * 10_000
            sign, digits = "-" if scaled < 0 else "", f"{abs(scaled.numerator):05d}"
            return f'decimal("{sign}{digits[:-4]}.{digits[-4:]}")'
    return json.dumps(condition.operand)
