"""From a tool's JSON Schema to the part of it that Cedar has types for. Pure and bounded.

What has no one type is not typed, and so not an attribute: a union of several types, a schema without a type, an
object or an array that does not say what is in it, a reference that leads nowhere, abroad or to itself, anything
beyond the bounds. A shape says how a value is shown to policies, not which values are valid: values are held against
it one by one (`values.py`), so a schema that is read too narrowly leaves out more but never shows anything wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from mcp_gateway.envelopes.policy.cedar.model import Json, PromptFacts

MAX_DEPTH: Final = 16
"""Deepest nesting, references and alternatives included."""

MAX_ATTRIBUTES: Final = 256
"""Most attributes of one schema, at all depths: each may cost a placeholder in every context."""

MAX_STEPS: Final = 20_000
"""Most subschemas, members and listed values looked at. References make a small schema a large tree: here it ends."""

RESERVED: Final = frozenset({"__entity", "__extn", "__expr"})
"""Names by which Cedar's JSON tells references and extension values from records: never attributes."""

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,6}")


class Scalar(Enum):
    """A type without parts; the values are Cedar's names."""

    STRING = "String"
    LONG = "Long"
    BOOLEAN = "Boolean"
    DECIMAL = "decimal"


@dataclass(frozen=True, slots=True)
class SetOf:
    """An array's elements. How often and in which order they came is not kept."""

    of: Shape


class Attribute(NamedTuple):
    """One member of an object. `required`: policies may read it without asking `has`."""

    name: str
    shape: Shape
    required: bool


@dataclass(frozen=True, slots=True)
class Record:
    """An object's declared members, in the order of the schema."""

    attributes: tuple[Attribute, ...] = ()


Shape = Scalar | SetOf | Record

_SCALARS: Final[Mapping[str, Scalar]] = {
    "string": Scalar.STRING,
    "integer": Scalar.LONG,
    "number": Scalar.DECIMAL,
    "boolean": Scalar.BOOLEAN,
}


def shape_of(schema: Json) -> Shape | None:
    """How a value of `schema` (JSON Schema 2020-12 or draft 7) is shown, None where it has no one type."""
    return _Reader(schema).read(schema, 0, ()).shape


def record_of(schema: Json) -> Record | None:
    """How an object of `schema` is shown: for arguments and results, which are objects by protocol."""
    shape = _Reader(schema).read({"type": "object", "properties": {}, "allOf": [schema]}, -1, ()).shape
    return shape if isinstance(shape, Record) else None


def prompt_record(prompt: PromptFacts) -> Record:
    """The arguments of a prompt. None is required: all prompts share one action, hence one type of input."""
    names = [name for name, _ in prompt.arguments if name not in RESERVED]
    return Record(tuple(Attribute(name, Scalar.STRING, False) for name in dict.fromkeys(names[:MAX_ATTRIBUTES])))


class _Read(NamedTuple):
    shape: Shape | None
    nullable: bool = False


_NOTHING: Final = _Read(None)
_ALTERNATIVES: Final = ("anyOf", "oneOf")
_SINGLE: Final = ("type", "items", "prefixItems", "enum", "const", *_ALTERNATIVES)


class _Reader:
    """Reads one document, within bounds that hold for all of it."""

    def __init__(self, root: Json) -> None:
        self._root = root
        self._steps = MAX_STEPS
        self._attributes = MAX_ATTRIBUTES

    def read(self, schema: object, depth: int, via: tuple[str, ...]) -> _Read:
        """`via` are the references followed to get here."""
        if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
            return _NOTHING
        flat = self._flat(schema, via)
        if flat is None:
            return _NOTHING
        merged, via = flat
        found = self._typed(merged, depth, via)
        if found is None:
            found = self._one_of(merged, depth, via)
        return found

    def _typed(self, schema: Json, depth: int, via: tuple[str, ...]) -> _Read | None:
        """By `type`; None where the schema has none."""
        kinds = schema.get("type")
        if kinds is None:
            return None
        names = [kinds] if isinstance(kinds, str) else list(kinds) if isinstance(kinds, Sequence) else []
        others = [name for name in names if name != "null"]
        nullable = len(others) < len(names)
        if len(others) != 1 or not isinstance(others[0], str):
            return _NOTHING
        if others[0] == "object":
            return _Read(self._record(schema, depth, via), nullable)
        if others[0] == "array":
            return _Read(self._set(schema, depth, via), nullable)
        return _Read(_SCALARS.get(others[0]), nullable)

    def _one_of(self, schema: Json, depth: int, via: tuple[str, ...]) -> _Read:
        """By the values or the alternatives, where all are of one type; null beside it makes it optional."""
        if "const" in schema:
            return _of_values([schema["const"]])
        if isinstance(schema.get("enum"), list):
            return _of_values(schema["enum"])
        options = [schema[key] for key in _ALTERNATIVES if isinstance(schema.get(key), list)]
        if len(options) != 1:
            return _NOTHING
        nulls = [_is_null(option) for option in options[0]]
        reads = [self.read(option, depth + 1, via) for option, null in zip(options[0], nulls, strict=True) if not null]
        shapes = {read.shape for read in reads}
        nullable = any(nulls) or any(read.nullable for read in reads)
        return _Read(shapes.pop(), nullable) if len(shapes) == 1 else _NOTHING

    def _record(self, schema: Json, depth: int, via: tuple[str, ...]) -> Record | None:
        properties = schema.get("properties")
        if not isinstance(properties, Mapping):
            return None
        required = schema.get("required")
        names = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
        attributes = []
        for name, subschema in properties.items():
            if name in RESERVED or self._attributes <= 0:
                continue
            self._attributes -= 1
            shape, nullable = self.read(subschema, depth + 1, via)
            if shape is not None:
                attributes.append(Attribute(name, shape, name in names and not nullable))
        return Record(tuple(attributes))

    def _set(self, schema: Json, depth: int, via: tuple[str, ...]) -> SetOf | None:
        if "prefixItems" in schema:
            return None
        shape = self.read(schema.get("items"), depth + 1, via).shape
        return None if shape is None else SetOf(shape)

    def _flat(self, schema: Json, via: tuple[str, ...]) -> tuple[Json, tuple[str, ...]] | None:
        """`schema` with what it refers to and all of its `allOf` in one; None where that cannot be said exactly."""
        parts: list[Json] = [schema]
        merged: dict[str, Any] = {}
        while parts:
            part = parts.pop()
            self._steps -= 1 + sum(len(value) for value in part.values() if isinstance(value, Mapping | list))
            reference = part.get("$ref")
            if reference is not None:
                target = self._target(reference)
                if target is None or reference in via or len(via) >= MAX_DEPTH:
                    return None
                via = (*via, reference)
                parts.append(target)
            branches = part.get("allOf", ())
            if not isinstance(branches, list | tuple) or not all(isinstance(each, Mapping) for each in branches):
                return None
            if self._steps < 0:
                return None
            parts.extend(reversed(branches))
            if not _merge(merged, part):
                return None
        return merged, via

    def _target(self, reference: object) -> Json | None:
        """What a local reference points to (RFC 6901 in a fragment)."""
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            return None
        node: object = self._root
        for token in unquote(reference[1:]).split("/")[1:]:
            key = token.replace("~1", "/").replace("~0", "~")
            if isinstance(node, Mapping) and key in node:
                node = node[key]
            elif isinstance(node, list) and _INDEX.fullmatch(key) and int(key) < len(node):
                node = node[int(key)]
            else:
                return None
        return node if isinstance(node, Mapping) else None


def _merge(merged: dict[str, Any], part: Json) -> bool:
    """Add `part` to `merged`; false where both say something of the same thing."""
    for key in _SINGLE:
        if key in part and merged.setdefault(key, part[key]) != part[key]:
            return False
    properties = part.get("properties")
    if isinstance(properties, Mapping):
        known = merged.setdefault("properties", {})
        for name, subschema in properties.items():
            # Said twice and differently, it is not typed: that is what a schema saying nothing means here.
            known[name] = subschema if known.get(name, subschema) == subschema else {}
    if isinstance(part.get("required"), list):
        merged["required"] = [*merged.get("required", ()), *part["required"]]
    return True


def _is_null(schema: object) -> bool:
    return isinstance(schema, Mapping) and (
        schema.get("type") == "null" or ("const" in schema and schema["const"] is None) or schema.get("enum") == [None]
    )


def _of_values(values: Sequence[object]) -> _Read:
    """The type of all `values` but null."""
    kinds = {_of_value(value) for value in values if value is not None}
    nullable = any(value is None for value in values)
    if kinds == {Scalar.LONG, Scalar.DECIMAL}:
        return _Read(Scalar.DECIMAL, nullable)
    return _Read(kinds.pop(), nullable) if len(kinds) == 1 else _NOTHING


def _of_value(value: object) -> Scalar | None:
    match value:
        case bool():
            return Scalar.BOOLEAN
        case str():
            return Scalar.STRING
        case int():
            return Scalar.LONG
        case float():
            return Scalar.LONG if value.is_integer() else Scalar.DECIMAL
    return None
