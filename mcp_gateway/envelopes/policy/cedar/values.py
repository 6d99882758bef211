"""How one value is shown to policies: exactly, or not at all. Compiled once for each shape; nothing here waits.

Only what a shape declares is written, and as the type it declares, so nothing that a caller sends becomes an entity
reference or an extension value.

A required attribute whose value cannot be shown is still an attribute of the schema, and a context without it would
answer no question at all, about policies that never look at it either. It is filled in with a neutral value (``""``,
``0``, ``false``, ``0.0``, ``[]``, or a record of those) and named as left out. That is sound only because whoever
asks refuses the call wherever a policy that could apply reads a path that was left out: see `engine.py`. Without
that, a policy would decide by the neutral value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from mcp_gateway.envelopes.policy.cedar.model import Path
from mcp_gateway.envelopes.policy.cedar.shape import Record, Scalar, SetOf, Shape

MAX_SCALARS: Final = 1_000
"""Most values in one context, which bounds the time of an evaluation: each takes it a few microseconds."""

DECIMAL_COST: Final = 5
"""For how many values a decimal counts: Cedar parses it and calls a function for each, some 20 microseconds."""

MAX_BYTES: Final = 32 * 1024
"""Most bytes of text in one context; escaped, they may be six times as many, at 5 milliseconds."""

MAX_NAMED: Final = 64
"""Most paths named as left out; with more, everything may be missing."""

MAX_PATH: Final = 512
"""Most characters in the names of one path; a longer one is not named, as if there were too many."""

_LONG_MIN: Final = -(2**63)
_LONG_MAX: Final = 2**63 - 1
_FLOAT_MAX: Final = 2**53
"""Beyond it, the digits that are sent for a float are not those of the number: who reads them decides what it is."""

_PLACES: Final = 4
_DECIMAL_MAX: Final = 2**63 - 1
"""In units of the last place. The lower bound is taken as the same; one value more has no exact float."""

ABSENT: Final = object()
"""Instead of a value that cannot be shown."""


class Budget:
    """What is left for one context, and what was left out of it. `overflowed`: more than could be named."""

    __slots__ = ("bytes", "omitted", "overflowed", "scalars")

    def __init__(self) -> None:
        self.scalars = MAX_SCALARS
        self.bytes = MAX_BYTES
        self.omitted: set[Path] = set()
        self.overflowed = False

    def leave_out(self, path: Path) -> None:
        if len(self.omitted) >= MAX_NAMED or sum(map(len, path)) > MAX_PATH:
            self.overflowed = True
        else:
            self.omitted.add(path)


Writer = Callable[[object, Budget], object]
"""From a JSON value to Cedar's JSON for it, or `ABSENT`.

A value that turns out not to fit is paid for all the same: that bounds the work.
"""


def writer(shape: Shape, path: Path | None) -> Writer:
    """The writer for values of `shape` at `path`. None is inside a set, where a value is shown whole or not at all."""
    match shape:
        case Record():
            return _whole_record(shape) if path is None else _record(shape, path)
        case SetOf(of):
            return _set(writer(of, None))
        case Scalar.STRING:
            return _string
        case Scalar.LONG:
            return _long
        case Scalar.BOOLEAN:
            return _boolean
        case Scalar.DECIMAL:
            return _decimal


def neutral(shape: Shape) -> object:
    """What stands for a required value that could not be shown."""
    match shape:
        case Record(attributes):
            return {each.name: neutral(each.shape) for each in attributes if each.required}
        case SetOf():
            return []
        case Scalar.STRING:
            return ""
        case Scalar.LONG:
            return 0
        case Scalar.BOOLEAN:
            return False
        case Scalar.DECIMAL:
            return _extension("decimal", "0.0")


def _extension(name: str, argument: str) -> dict[str, Any]:
    return {"__extn": {"fn": name, "arg": argument}}


def _string(value: object, budget: Budget) -> object:
    if not isinstance(value, str):
        return ABSENT
    try:
        size = len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError:
        return ABSENT  # half a surrogate pair is no text
    if budget.scalars <= 0 or size > budget.bytes:
        return ABSENT
    budget.scalars -= 1
    budget.bytes -= size
    return value


def _long(value: object, budget: Budget) -> object:
    """5.0 is the integer 5, in JSON Schema as in JSON."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= _FLOAT_MAX:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not _LONG_MIN <= value <= _LONG_MAX:
        return ABSENT
    if budget.scalars <= 0:
        return ABSENT
    budget.scalars -= 1
    return value


def _boolean(value: object, budget: Budget) -> object:
    if not isinstance(value, bool) or budget.scalars <= 0:
        return ABSENT
    budget.scalars -= 1
    return value


def _decimal(value: object, budget: Budget) -> object:
    text = decimal_text(value)
    if text is None or budget.scalars < DECIMAL_COST:
        return ABSENT
    budget.scalars -= DECIMAL_COST
    return _extension("decimal", text)


def decimal_text(value: object) -> str | None:
    """`value` as Cedar writes decimals, None where it has more places or digits than those hold.

    A float is the number that its shortest form says, which is also what is sent upstream.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int):
        return f"{value}.0" if abs(value) * 10**_PLACES <= _DECIMAL_MAX else None
    text = repr(value)
    # An exponent is written for less than four places hold and for more than 10^16, and infinities have an n.
    if "e" in text or "n" in text:
        return None
    whole, _, places = text.partition(".")
    if len(places) > _PLACES or abs(int(whole + places.ljust(_PLACES, "0"))) > _DECIMAL_MAX:
        return None
    return text if value else "0.0"


def _set(element: Writer) -> Writer:
    def write(value: object, budget: Budget) -> object:
        if not isinstance(value, list) or len(value) >= budget.scalars:
            return ABSENT
        budget.scalars -= 1  # sets of empty sets are not free
        written = []
        for item in value:
            each = element(item, budget)
            if each is ABSENT:
                return ABSENT
            written.append(each)
        return written

    return write


def _record(shape: Record, path: Path) -> Writer:
    """Members that cannot be shown, and members that are not declared, are left out and named."""
    declared = tuple(
        (
            each.name,
            (*path, each.name),
            writer(each.shape, (*path, each.name)),
            neutral(each.shape) if each.required else ABSENT,
        )
        for each in shape.attributes
    )
    names = frozenset(each.name for each in shape.attributes)

    def write(value: object, budget: Budget) -> object:
        if not isinstance(value, Mapping):
            return ABSENT
        written: dict[str, object] = {}
        for name, where, write_member, fallback in declared:
            member = write_member(value[name], budget) if name in value else fallback
            if name in value and member is ABSENT:
                budget.leave_out(where)
                member = fallback
            elif name not in value and fallback is not ABSENT:
                budget.leave_out(where)
            if member is not ABSENT:
                written[name] = member
        if not value.keys() <= names:
            _name_rest(value, names, path, budget)
        return written

    return write


def _name_rest(value: Mapping[str, object], names: frozenset[str], path: Path, budget: Budget) -> None:
    for name in value:
        if budget.overflowed:
            return
        if name not in names:
            budget.leave_out((*path, name))


def _whole_record(shape: Record) -> Writer:
    """A record in a set, all of it or nothing: its members have no path of their own."""
    declared = tuple((each.name, writer(each.shape, None), each.required) for each in shape.attributes)
    names = frozenset(each.name for each in shape.attributes)

    def write(value: object, budget: Budget) -> object:
        if not isinstance(value, Mapping) or not value.keys() <= names or budget.scalars <= 0:
            return ABSENT
        budget.scalars -= 1
        written: dict[str, object] = {}
        for name, write_member, required in declared:
            if name in value:
                member = write_member(value[name], budget)
                if member is ABSENT:
                    return ABSENT
                written[name] = member
            elif required:
                return ABSENT
        return written

    return write
