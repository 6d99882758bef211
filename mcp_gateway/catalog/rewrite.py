"""The exposed input schema: the upstream's verbatim, with only the touched properties changed.

Renaming is carried through every subschema that applies to the same object; hiding is carried through the
root's own keywords. What cannot be carried through soundly raises `LeftOut`: a tool that is missing is better
than a schema that lies.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from mcp_gateway.catalog.arguments import UNSET, Rule
from mcp_gateway.catalog.findings import LeftOut, Severity, clip
from mcp_gateway.catalog.walk import IN_PLACE, REFERENCES, children
from mcp_gateway.core.call import Json

_STORED: Final = ("#/$defs/", "#/definitions/")
_ANCHOR: Final = re.compile(r"#[^/]")


class _Plan(NamedTuple):
    renamed: dict[str, str]
    supplied: frozenset[str]  # hidden, and always sent by the gateway
    dropped: frozenset[str]  # hidden, and never sent

    @property
    def touched(self) -> frozenset[str]:
        return self.supplied | self.dropped | self.renamed.keys()


def expose(schema: Json, rules: Sequence[Rule]) -> Json:
    """The schema that the agent sees under `rules`, all of which concern declared properties of a sound schema.

    Raises `LeftOut` where no schema would be right.
    """
    plan = _Plan(
        {rule.name: rule.exposed for rule in rules if rule.exposed is not None and rule.reshapes},
        frozenset(rule.name for rule in rules if rule.hidden and rule.supplied),
        frozenset(rule.name for rule in rules if rule.hidden and not rule.supplied),
    )
    if plan.touched:
        _refuse_unsound(schema, plan)
        schema = _renamed(schema, plan.renamed)
        schema = _without(schema, plan)
    return _described(schema, rules)


def _wrong(message: str) -> LeftOut:
    return LeftOut(message, Severity.ERROR)


def _refuse_unsound(schema: Json, plan: _Plan) -> None:
    hidden = plan.supplied | plan.dropped
    if len(set(plan.renamed.values())) != len(plan.renamed):
        raise _wrong("two arguments would have the same name")
    for keyword in REFERENCES:
        if keyword in schema:
            raise _wrong("its schema refers elsewhere at the root, so that arguments cannot be renamed or hidden")
    _refuse_outside_references(schema)
    _refuse_name_rules(schema, plan)
    for child in children(schema):
        if child.keyword in IN_PLACE:
            if hidden and child.keyword == "dependentSchemas" and child.key in plan.supplied:
                raise _wrong(f"a schema depends on the hidden argument {clip(str(child.key))!r}")
            _refuse_in_place(child.schema, plan, hidden)


def _refuse_in_place(schema: Json, plan: _Plan, hidden: frozenset[str]) -> None:
    """`schema` applies to the arguments too: names it mentions can be renamed, but not be taken away."""
    if any(keyword in schema for keyword in REFERENCES):
        raise _wrong("an alternative of its schema refers elsewhere, so that arguments cannot be renamed or hidden")
    for name in _mentioned(schema) & hidden:
        raise _wrong(f"an alternative of its schema depends on the hidden argument {clip(name)!r}")
    if hidden and ("additionalProperties" in schema or "unevaluatedProperties" in schema):
        raise _wrong("an alternative of its schema limits which arguments exist, so that none can be hidden")
    _refuse_name_rules(schema, plan)
    for child in children(schema):
        if child.keyword in IN_PLACE:
            _refuse_in_place(child.schema, plan, hidden)


def _refuse_name_rules(schema: Json, plan: _Plan) -> None:
    if any(keyword in schema for keyword in ("patternProperties", "const", "enum")):
        raise _wrong("its schema speaks of arguments by pattern or example, so that none can be renamed or hidden")
    if "propertyNames" in schema and plan.renamed:
        raise _wrong("its schema has rules for names of arguments, so that none can be renamed")
    if ("minProperties" in schema or "maxProperties" in schema) and plan.supplied:
        raise _wrong("its schema counts arguments, so that none can be filled in")
    taken = _mentioned(schema) & (set(plan.renamed.values()) - plan.renamed.keys())
    if taken:
        raise _wrong(f"the name {clip(min(taken))!r} is taken by another argument")


def _refuse_outside_references(root: Json) -> None:
    """A reference to the root or into its properties would see the exposed shape where the upstream means its own."""
    if "$anchor" in root or "$dynamicAnchor" in root or "$recursiveAnchor" in root:
        raise _wrong("its schema can be referred to as a whole, so that arguments cannot be renamed or hidden")
    pending = [root]
    while pending:
        node = pending.pop()
        for keyword in REFERENCES:
            reference = node.get(keyword)
            if isinstance(reference, str) and not (reference.startswith(_STORED) or _ANCHOR.match(reference)):
                message = f"its schema refers to {clip(reference)!r}, so that arguments cannot be renamed or hidden"
                raise _wrong(message)
        pending.extend(child.schema for child in children(node))


def _mentioned(schema: Json) -> set[str]:
    names: set[str] = set()
    for keyword in ("properties", "dependentRequired", "dependentSchemas", "dependencies"):
        value = schema.get(keyword)
        if isinstance(value, dict):
            names.update(value)
            if keyword in {"dependentRequired", "dependencies"}:
                names.update(name for listed in value.values() for name in _strings(listed))
    names.update(_strings(schema.get("required")))
    return names


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _renamed(schema: Json, names: dict[str, str]) -> Json:
    """`schema` with `names` replaced wherever it speaks about the arguments object itself."""
    if not names:
        return schema

    def listed(value: object) -> object:
        if not isinstance(value, list):
            return value
        return [names.get(item, item) if isinstance(item, str) else item for item in value]

    def applied(value: object) -> object:
        if isinstance(value, dict):
            return _renamed(value, names)
        return [applied(item) for item in value] if isinstance(value, list) else value

    out: Json = {}
    for keyword, value in schema.items():
        if keyword == "required":
            out[keyword] = listed(value)
        elif keyword == "properties" and isinstance(value, dict):
            out[keyword] = _rekeyed(value, names)
        elif keyword == "dependentRequired" and isinstance(value, dict):
            out[keyword] = _rekeyed({key: listed(item) for key, item in value.items()}, names)
        elif keyword in {"dependentSchemas", "dependencies"} and isinstance(value, dict):
            each = {key: listed(item) if isinstance(item, list) else applied(item) for key, item in value.items()}
            out[keyword] = _rekeyed(each, names)
        elif keyword in IN_PLACE:
            out[keyword] = applied(value)
        else:
            out[keyword] = value
    return out


def _rekeyed(value: Json, names: dict[str, str]) -> Json:
    return {names.get(key, key): item for key, item in value.items()}


def _without(schema: Json, plan: _Plan) -> Json:
    """`schema` without the hidden arguments. No other argument has taken the name of one."""
    hidden = plan.supplied | plan.dropped
    if not hidden:
        return schema
    out = dict(schema)
    out["properties"] = {key: value for key, value in schema["properties"].items() if key not in hidden}
    required = schema.get("required")
    missing = [name for name in required if name in plan.dropped] if isinstance(required, list) else []
    if missing:
        raise _wrong(f"the hidden argument {clip(missing[0])!r} is required and has no value")
    needed: list[str] = []
    for keyword in ("dependentRequired", "dependencies"):
        value = schema.get(keyword)
        if isinstance(value, dict):
            out[keyword] = _dependencies(value, plan, needed)
    schemas = schema.get("dependentSchemas")
    if isinstance(schemas, dict):
        out["dependentSchemas"] = {key: item for key, item in schemas.items() if key not in plan.dropped}
    if isinstance(required, list) or needed:
        kept = [name for name in (required or []) if name not in hidden]
        out["required"] = kept + [name for name in dict.fromkeys(needed) if name not in kept]
    return out


def _dependencies(value: Json, plan: _Plan, needed: list[str]) -> Json:
    out: Json = {}
    for key, listed in value.items():
        if key in plan.dropped:
            continue
        if not isinstance(listed, list):
            if key in plan.supplied:
                raise _wrong(f"a schema depends on the hidden argument {clip(key)!r}")
            out[key] = listed
            continue
        if any(name in plan.dropped for name in listed):
            raise _wrong(f"{clip(key)!r} depends on a hidden argument that is never sent")
        rest = [name for name in listed if name not in plan.supplied]
        if key in plan.supplied:
            needed.extend(rest)
        else:
            out[key] = rest
    return out


def _described(schema: Json, rules: Sequence[Rule]) -> Json:
    """`schema` with descriptions and defaults of visible arguments; one with a default is no longer required."""
    shown = [rule for rule in rules if not rule.hidden]
    changed = [rule for rule in shown if rule.description is not None or rule.default is not UNSET]
    if not changed:
        return schema
    properties = dict(schema["properties"])
    optional: set[str] = set()
    for rule in changed:
        name = rule.exposed or rule.name
        described: Json = dict(properties[name]) if isinstance(properties[name], dict) else {}
        if rule.description is not None:
            described["description"] = rule.description
        if rule.default is not UNSET:
            described["default"] = rule.default
            optional.add(name)
        properties[name] = described
    out = {**schema, "properties": properties}
    if isinstance(schema.get("required"), list):
        out["required"] = [name for name in schema["required"] if name not in optional]
    return out
