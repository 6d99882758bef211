"""Validation errors to problems with a file, a position and the nearest known key. Pure.

Messages say what was expected and, for plain settings, what was found. Wherever a secret could stand the
validators raise their own message, which is shown as it is; a found value is shown only if it is short,
and never with the user part of a URL.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mcp_gateway.core.errors import Problem
from mcp_gateway.settings.fields import known_keys
from mcp_gateway.settings.nodes import Entries, Found, Items, Loc, Mark, Node, Scalar, find
from mcp_gateway.settings.words import looks_secret

_QUOTED: Final = re.compile(r"'([^']*)'")
_USERINFO: Final = re.compile(r"//[^/?#\s]*@")
_KINDS: Final[Mapping[str, str]] = {
    "string_type": "a string",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "mapping_type": "a mapping",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "none_required": "nothing",
}
_BOUNDS: Final[Mapping[str, tuple[str, str]]] = {
    "greater_than_equal": ("ge", "expected {} or more"),
    "less_than_equal": ("le", "expected {} or less"),
    "greater_than": ("gt", "expected more than {}"),
    "less_than": ("lt", "expected less than {}"),
}


def problem_at(file: str, root: Node, loc: Loc, message: str, hint: str = "") -> Problem:
    """A problem with the part of the document that `loc` leads to, or with the mapping that lacks it."""
    mark = find(root, loc).mark
    return Problem(file, mark.line, mark.column, message, hint)


def translate(file: str, root: Node, error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """The problems in `error`, which came of validating `root` as `model`, in the order of the file."""
    details = error.errors(include_url=False, include_context=True)
    found = [_problem(file, root, each, model) for each in details if not _is_echo(each, details)]
    return sorted(found, key=lambda problem: (problem.line, problem.column))


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint naming the closest of `known`, or all of them where none is close and they are few."""
    names = sorted(set(known))
    close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    return "known: " + ", ".join(names) if 0 < len(names) <= 16 else ""


def _is_echo(error: ErrorDetails, all_errors: Sequence[ErrorDetails]) -> bool:
    """A list whose items were all wrong is reported once more, as too short."""
    loc = error["loc"]
    return error["type"] == "too_short" and any(
        len(o["loc"]) > len(loc) and o["loc"][: len(loc)] == loc for o in all_errors
    )


def _problem(file: str, root: Node, error: ErrorDetails, model: type[BaseModel]) -> Problem:
    context = cast("Mapping[str, Any]", error.get("ctx", {}))
    loc = tuple(part for part in error["loc"] if part != "[key]")
    if error["type"] == "union_tag_invalid":
        loc += ("type",)
    about_key = "[key]" in error["loc"] or error["type"] == "extra_forbidden"
    found = find(root, loc + tuple(context.get("at", ())))
    mark = found.mark
    if about_key and found.key is not None:
        mark = found.key
    elif error["type"] == "missing":
        mark = _lacking(root, loc)
    message, hint = _wording(error, context, found, loc, model)
    return Problem(file, mark.line, mark.column, message, hint)


def _lacking(root: Node, loc: Loc) -> Mark:
    return find(root, loc[:-1]).mark


def _wording(
    error: ErrorDetails, context: Mapping[str, Any], found: Found, loc: Loc, model: type[BaseModel]
) -> tuple[str, str]:
    kind, last = error["type"], str(loc[-1]) if loc else ""
    if kind == "configuration":
        return error["msg"], str(context.get("hint", ""))
    if kind == "extra_forbidden":
        return f"unknown key `{_short(last)}`", nearest(last, known_keys(model, loc[:-1]))
    if kind == "missing":
        return f"missing key `{last}`", ""
    if kind in _KINDS:
        return f"expected {_KINDS[kind]}, found {shown(found.node, last)}", ""
    if kind in ("literal_error", "union_tag_invalid"):
        choices = _QUOTED.findall(str(context.get("expected") or context.get("expected_tags")))
        written = found.node.value if isinstance(found.node, Scalar) else None
        hint = _close(str(written), choices)
        return f"expected {' or '.join(choices)}, found {shown(found.node, last)}", hint
    if kind == "union_tag_not_found":
        return "missing key `type`", ""
    if kind in _BOUNDS:
        name, text = _BOUNDS[kind]
        return f"{text.format(format(context.get(name), 'g'))}, found {shown(found.node, last)}", ""
    if kind in ("string_too_short", "too_short"):
        return "expected at least one entry" if kind == "too_short" else "expected a string that is not empty", ""
    return error["msg"], ""


def _close(written: str, choices: Sequence[str]) -> str:
    close = difflib.get_close_matches(written.lower(), choices, n=1, cutoff=0.6)
    return f"did you mean `{close[0]}`?" if close else ""


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "…"


def shown(node: Node, key: str = "") -> str:
    """What stands at `node`, fit for a message."""
    if isinstance(node, Entries):
        return "a mapping"
    if isinstance(node, Items):
        return "a list"
    value = node.value
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if looks_secret(key):
        return "a value that is not shown"
    if isinstance(value, str):
        return f"`{_short(_USERINFO.sub('//…@', value))}`"
    return f"the number {_short(str(value))}"
