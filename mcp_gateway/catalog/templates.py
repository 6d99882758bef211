"""Matching URIs against RFC 6570 templates: all eight operators, explode and prefix modifiers included.

A template becomes one regular expression for a linear-time engine, so that no template and no URI can make
matching slow. Matching is by character class, as RFC 6570 section 1.4 describes for simple templates: a plain
variable never crosses a ``/``, a reserved one (``{+path}``, ``{#fragment}``) does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import jsonschema_rs

from mcp_gateway.catalog.findings import LeftOut, clip

_EXPRESSION: Final = re.compile(r"\{([^{}]*)\}")
_VARIABLE: Final = re.compile(r"((?:\w|%[0-9A-Fa-f]{2})(?:[\w.]|%[0-9A-Fa-f]{2})*)(\*|:[1-9][0-9]{0,3})?", re.ASCII)
_SPECIAL: Final = re.compile(r"([.^$*+?()\[\]{}|\\/])")
_OPERATORS: Final = "+#./;?&"

_VALUE: Final = r"[^\/?#&=;]*"  # a simple expansion: reserved characters arrive percent-encoded; "," joins lists
_SEGMENT: Final = r"[^\/?#]*"
_NAMED_VALUE: Final = r"[^&#]*"
_MATRIX_VALUE: Final = r"[^\/?#;]*"
_LABEL: Final = r"[^\/?#]*"
_LONGEST: Final = 2048


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template. `literal` counts its characters outside expressions; `fits` matches a whole URI."""

    text: str
    literal: int
    fits: Callable[[str], bool]


def compile_template(text: str) -> Template:
    """Compile a URI template. Raises `LeftOut` when it is not one."""
    if len(text) > _LONGEST:
        raise LeftOut(f"its template is longer than {_LONGEST} characters")
    pattern: list[str] = []
    literal = position = 0
    prefix = ""
    for match in _EXPRESSION.finditer(text):
        before = _literal(text[position : match.start()])
        prefix = prefix if position else before
        pattern += [_SPECIAL.sub(r"\\\1", before), _expression(match[1])]
        literal += len(before)
        position = match.end()
    if not position:
        raise LeftOut("its template has no variables")
    rest = _literal(text[position:])
    pattern.append(_SPECIAL.sub(r"\\\1", rest))
    try:
        engine = jsonschema_rs.validator_for(
            {"pattern": f"^{''.join(pattern)}$"}, pattern_options=jsonschema_rs.RegexOptions(), offline=True
        )
    except (jsonschema_rs.ValidationError, ValueError) as error:
        raise LeftOut(f"its template {clip(text)!r} cannot be matched") from error
    return Template(text, literal + len(rest), _guarded(prefix, engine.is_valid))


def _guarded(prefix: str, fits: Callable[[object], bool]) -> Callable[[str], bool]:
    def matches(uri: str) -> bool:
        return uri.startswith(prefix) and fits(uri)

    return matches


def _literal(text: str) -> str:
    if "{" in text or "}" in text:
        raise LeftOut("its template has unbalanced braces")
    return text


def _expression(inner: str) -> str:
    operator = inner[:1] if inner[:1] and inner[0] in _OPERATORS else ""
    variables: list[tuple[str, bool]] = []
    for part in inner[len(operator) :].split(","):
        match = _VARIABLE.fullmatch(part)
        if match is None:
            raise LeftOut(f"its template has an expression {clip('{' + inner + '}')!r} that is not of RFC 6570")
        variables.append((match[1], match[2] == "*"))
    exploded = any(star for _, star in variables)
    count = "*" if exploded else f"{{0,{len(variables)}}}"
    names = "|".join(_SPECIAL.sub(r"\\\1", name) for name, _ in variables)
    # An exploded map names its own parameters, so any name may come.
    name = r"[^=&;\/?#]+" if exploded else f"(?:{names})"
    match operator:
        case "+":
            return "[^?#]*" if len(variables) == 1 else ".*"
        case "#":
            return "(?:#.*)?"
        case ".":
            return rf"(?:\.{_LABEL}){count}"
        case "/":
            return rf"(?:\/{_SEGMENT}){count}"
        case ";":
            return f"(?:;{name}(?:={_MATRIX_VALUE})?){count}"
        case "?":
            return rf"(?:\?(?:{name}={_NAMED_VALUE})(?:&{name}={_NAMED_VALUE})*)?"
        case "&":
            return f"(?:&{name}={_NAMED_VALUE}){count}"
        case _:
            return _VALUE
