"""What a condition on arguments means, worked out from the JSON alone: no schema, no engine, no code of ours.

Numbers are exact fractions. A value that a policy would have to take for something else has no answer: `UNKNOWN`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any, Literal

Kind = Literal["string", "integer", "number", "boolean", "strings"]
Operator = Literal["has", "==", "<", "<=", ">", ">=", "contains", "empty"]

LONG = range(-(2**63), 2**63)


class Answer(Enum):
    """Of a condition. `UNKNOWN` where it looks at a value that cannot be told exactly."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Condition:
    """`path` is an argument or a member of one; `kinds` says what it should be, `required` that it has to be there."""

    path: tuple[str, ...]
    kind: Kind
    required: bool
    operator: Operator
    operand: Any = None


def judge(condition: Condition, arguments: dict[str, Any]) -> Answer:
    value: Any = arguments
    for name in condition.path:
        if not isinstance(value, dict):
            return Answer.UNKNOWN
        if name not in value:
            return Answer.UNKNOWN if condition.required else Answer.NO
        value = value[name]
    if not told(condition.kind, value):
        return Answer.UNKNOWN
    return Answer.YES if holds(condition, value) else Answer.NO


def told(kind: Kind, value: Any) -> bool:
    """Whether `value` is of `kind` and can be told exactly: 64 bits for integers, four places for other numbers."""
    if kind == "strings":
        return type(value) is list and all(type(item) is str for item in value)
    if kind in ("string", "boolean"):
        return type(value) is (str if kind == "string" else bool)
    if type(value) not in (int, float):
        return False
    number = exactly(value)
    if kind == "integer" and type(value) is float and abs(number) > 2**53:
        return False  # another number to whoever reads binary floats than to whoever reads digits
    scaled = number if kind == "integer" else number * 10_000
    return scaled.denominator == 1 and scaled.numerator in LONG


def holds(condition: Condition, value: Any) -> bool:
    operand = condition.operand
    if condition.kind in ("integer", "number"):
        value, operand = exactly(value), exactly(operand) if operand is not None else None
    match condition.operator:
        case "has":
            return True
        case "==":
            return bool(value == operand)
        case "<":
            return bool(value < operand)
        case "<=":
            return bool(value <= operand)
        case ">":
            return bool(value > operand)
        case ">=":
            return bool(value >= operand)
        case "contains":
            return operand in value
        case "empty":
            return len(value) == 0


def exactly(number: float | int) -> Fraction:
    """The number that stands in the JSON."""
    return Fraction(Decimal(repr(number)))
