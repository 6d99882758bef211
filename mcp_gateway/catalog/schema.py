"""Checking arguments against a tool's input schema, with validators built when the catalog is compiled.

Draft 2020-12 unless ``$schema`` names another draft; formats are annotations; references are never fetched.
Patterns run on a linear-time engine. Those it cannot express (look-around, back-references) run on a
backtracking engine that gives up after a fixed number of steps, which counts as not matching.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import jsonschema_rs
import orjson

from mcp_gateway.catalog.bounds import DEFAULT_LIMITS, Limits, measure
from mcp_gateway.catalog.findings import LeftOut, clip
from mcp_gateway.catalog.walk import REFERENCES, children
from mcp_gateway.core.call import Json

Check = Callable[[Json], tuple[str, str] | None]
"""None for arguments that fit, else (JSON pointer into the request, message without any argument value)."""

ROOT: Final = "/params/arguments"

_LINEAR: Final = jsonschema_rs.RegexOptions()
_BOUNDED: Final = jsonschema_rs.FancyRegexOptions(backtrack_limit=2_000)


def compile_check(schema: Json, limits: Limits = DEFAULT_LIMITS) -> Check:
    """Build the check of an input schema.

    Raises `LeftOut` when the schema is not a valid one of type object, is too large or too costly, or
    refers to something outside itself.
    """
    if schema.get("type") != "object":
        raise LeftOut('its inputSchema is not of type "object"')
    measured = measure(schema, limits)
    validator = build(schema)
    explain = validator if not (measured.forks or measured.recursive) else None
    properties = {} if explain else property_validators(schema)
    fits = validator.is_valid

    def check(arguments: Json) -> tuple[str, str] | None:
        if fits(arguments):
            return None
        return _explain(explain, arguments) if explain else _locate(schema, properties, arguments)

    return check


def encoded_size(value: object) -> int:
    """Bytes of `value` as compact JSON. Raises `LeftOut` when it has no such form."""
    try:
        return len(orjson.dumps(value))
    except (TypeError, RecursionError) as error:  # too deep, an integer beyond 64 bits, a lone surrogate
        raise LeftOut("its definition cannot be written as JSON") from error


def writable(value: object, most: int = DEFAULT_LIMITS.definition) -> bool:
    """True when `value` has a compact JSON form of at most `most` bytes."""
    try:
        return encoded_size(value) <= most
    except LeftOut:
        return False


def build(schema: Json) -> jsonschema_rs.Validator:
    """A validator for `schema`. Raises `LeftOut` when there can be none."""
    try:
        return jsonschema_rs.validator_for(schema, validate_formats=False, offline=True, pattern_options=_LINEAR)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError):
        pass
    try:
        return jsonschema_rs.validator_for(schema, validate_formats=False, offline=True, pattern_options=_BOUNDED)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise LeftOut(f"its schema is not usable: {clip(str(error).partition(chr(10))[0], 160)}") from error


Properties = dict[str, tuple[jsonschema_rs.Validator, bool]]
"""Per top-level property: a validator of an object with that one property, and whether it has no alternatives."""


def property_validators(schema: Json) -> Properties:
    """Validators of the top-level properties, one by one.

    For schemas with alternatives, where collecting every error costs the product of all branches, and for
    single values that an admin wrote. A property that refers to a place outside itself has none.
    """
    named = schema.get("properties")
    if not isinstance(named, dict):
        return {}
    validators: Properties = {}
    base: Json = {key: schema[key] for key in ("$schema", "$id", "$defs", "definitions") if key in schema}
    for name, child in named.items():
        if isinstance(child, dict):
            try:
                validators[name] = (build({**base, "properties": {name: child}}), _plain(child))
            except LeftOut:
                continue
    return validators


def _plain(schema: Json) -> bool:
    pending = [schema]
    while pending:
        node = pending.pop()
        if "anyOf" in node or "oneOf" in node or any(keyword in node for keyword in REFERENCES):
            return False
        pending.extend(child.schema for child in children(node))
    return True


def _locate(schema: Json, properties: Properties, arguments: Json) -> tuple[str, str]:
    required = schema.get("required")
    for name in required if isinstance(required, list) else ():
        if name not in arguments:
            return ROOT, f"required property {clip(str(name))!r} is missing"
    for name, value in arguments.items():
        known = properties.get(name)
        if known is not None:
            validator, plain = known
            part = {name: value}
            if not validator.is_valid(part):
                return _explain(validator, part) if plain else (_pointer([name]), "does not fit any allowed form")
    if schema.get("additionalProperties") is False and isinstance(schema.get("properties"), dict):
        for name in arguments:
            if name not in schema["properties"] and "patternProperties" not in schema:
                return ROOT, f"unexpected property {clip(name)!r}"
    return ROOT, "the arguments do not fit the tool's input schema"


def _explain(validator: jsonschema_rs.Validator, arguments: Json) -> tuple[str, str]:
    try:
        validator.validate(arguments)
    except jsonschema_rs.ValidationError as error:
        return _pointer(error.instance_path), _message(error.kind)
    return ROOT, "the arguments do not fit the tool's input schema"


def _pointer(path: list[str | int]) -> str:
    return ROOT + "".join("/" + clip(str(part)).replace("~", "~0").replace("/", "~1") for part in path)


def _message(kind: jsonschema_rs.ValidationErrorKind) -> str:
    """Says what the schema wants; facts of the schema and names of properties, never a value."""
    facts = kind.as_dict()
    match kind.name:
        case "type":
            return f"must be of type {' or '.join(facts['types'])}"
        case "required":
            return f"required property {clip(str(facts['property']))!r} is missing"
        case "additionalProperties" | "unevaluatedProperties":
            return f"unexpected property {clip(str(facts['unexpected'][0]))!r}"
        case "enum":
            return f"must be one of {_shown(facts['options'])}"
        case "const":
            return f"must be {_shown(facts['expected_value'])}"
        case "pattern" if "pattern" in facts:  # absent where the engine gave up
            return f"must match the pattern {clip(str(facts['pattern']), 200)!r}"
        case name if "limit" in facts:
            return f"must keep to {name} {facts['limit']}"
        case name:
            return f"does not satisfy {clip(str(name))!r}"


def _shown(value: object) -> str:
    """A value of the schema, which is public, in a message."""
    try:
        return clip(orjson.dumps(value).decode(), 200)
    except TypeError:  # numbers beyond 64 bits come as decimals
        return clip(str(value), 200)
