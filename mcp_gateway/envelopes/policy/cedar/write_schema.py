"""The schema in Cedar's own notation, for editors and reviewers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from mcp_gateway.envelopes.policy.cedar.model import Facts
from mcp_gateway.envelopes.policy.cedar.schema import cedar_schema

_INDENT: Final = "  "
_IDENTIFIER: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_KEYWORDS: Final = frozenset({"true", "false", "if", "then", "else", "in", "is", "like", "has"})
"""Words that are no identifiers in policies, so that a member of that name is read as ``input["in"]``."""

_ESCAPES: Final[Mapping[str, str]] = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}
_NAMED: Final[Mapping[str, str]] = {"Boolean": "Bool"}


def schema_text(facts: Facts) -> str:
    """The schema of `facts` as a reviewer reads it, equivalent to `cedar_schema`."""
    schema = cedar_schema(facts)[""]
    types = (f"type {name} = {_type(shape, 0)};" for name, shape in schema["commonTypes"].items())
    entities = (_entity(name, entity) for name, entity in schema["entityTypes"].items())
    actions = (_action(name, action) for name, action in schema["actions"].items())
    return "\n\n".join((*types, *entities, *actions)) + "\n"


def quoted(text: str) -> str:
    """`text` as a string of Cedar's. What does not show is written by its number: reviewers read this."""
    return '"' + "".join(_ESCAPES.get(char) or (char if char.isprintable() else _number(char)) for char in text) + '"'


def _number(char: str) -> str:
    return f"\\u{{{ord(char):x}}}"


def _entity(name: str, entity: dict[str, Any]) -> str:
    parents = entity.get("memberOfTypes", ())
    within = f" in [{', '.join(parents)}]" if parents else ""
    shape = f" = {_type(entity['shape'], 0)}" if "shape" in entity else ""
    tags = f" tags {_type(entity['tags'], 0)}" if "tags" in entity else ""
    return f"entity {name}{within}{shape}{tags};"


def _action(name: str, action: dict[str, Any]) -> str:
    groups = [f"Action::{quoted(group['id'])}" for group in action.get("memberOf", ())]
    within = f" in [{', '.join(groups)}]" if groups else ""
    applies = action.get("appliesTo")
    if applies is None:
        return f"action {quoted(name)}{within};"
    parts = _lines(
        (
            f"principal: [{', '.join(applies['principalTypes'])}]",
            f"resource: [{', '.join(applies['resourceTypes'])}]",
            f"context: {_type(applies['context'], 1)}",
        ),
        0,
    )
    return f"action {quoted(name)}{within} appliesTo {parts};"


def _type(shape: dict[str, Any], level: int) -> str:
    match shape["type"]:
        case "Record":
            return _lines(
                (
                    f"{_attribute(name)}{'' if member.get('required', True) else '?'}: {_type(member, level + 1)}"
                    for name, member in shape["attributes"].items()
                ),
                level,
            )
        case "Set":
            return f"Set<{_type(shape['element'], level)}>"
        case "Extension":
            return str(shape["name"])
    kind = str(shape["type"])
    return _NAMED.get(kind, kind)


def _attribute(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) and name not in _KEYWORDS else quoted(name)


def _lines(parts: Iterable[str], level: int) -> str:
    body = [_INDENT * (level + 1) + part for part in parts]
    return "{\n" + ",\n".join(body) + "\n" + _INDENT * level + "}" if body else "{}"
