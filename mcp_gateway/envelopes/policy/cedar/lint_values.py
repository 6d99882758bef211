"""Conditions that hang on values in ways that are easily missed: sums that overflow, arguments that are left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from cedarpy import pst

from mcp_gateway.envelopes.policy.cedar.model import Facts, Path, Policy, Remark, groups_of
from mcp_gateway.envelopes.policy.cedar.reads import actions, every, path_of, paths, paths_in
from mcp_gateway.envelopes.policy.cedar.remarks import remark

_ARITHMETIC: Final[Mapping[str, str]] = {"add": "+", "sub": "-", "mul": "*"}


def overflow(parsed: Sequence[tuple[Policy, pst.Template]]) -> Iterator[Remark]:
    """Arithmetic on what the caller sends: beyond 64 bits it is an error, and an error denies."""
    for policy, template in parsed:
        for expr in every(template):
            operands: tuple[pst.Expr, ...] = ()
            sign = "-"
            if isinstance(expr, pst.BinaryOp) and expr.op in _ARITHMETIC:
                operands, sign = (expr.left, expr.right), _ARITHMETIC[expr.op]
            elif isinstance(expr, pst.UnaryOp) and expr.op == "neg":
                operands = (expr.arg,)
            read = sorted({path for each in operands for path in paths_in(each)})
            if read:
                name = ".".join(read[0])
                why = (
                    f"`{sign}` on `context.{name}` overflows for large values, and the call is denied: "
                    "compare the value itself with a constant"
                )
                yield remark(policy, read[0], "warning", "overflow", why)
                break


def absent_input(parsed: Sequence[tuple[Policy, pst.Template]], facts: Facts) -> Iterator[Remark]:
    """Forbids that ask first whether an optional argument is there: leaving it out goes past them.

    Not where some forbid for the same actions is about the absence.
    """
    covered = {(actions(template), path) for _, template in parsed for path in _about_absence(template)}
    for policy, template in parsed:
        if policy.effect != "forbid" or ("input_omitted",) in paths(template):
            continue
        for path in _guards(template):
            if (actions(template), path) in covered or not _optional(path, actions(template), facts):
                continue
            name = ".".join(path)
            why = (
                f"it does not apply when `{name}` is left out, whatever the tool does then: "
                f"forbid that, too (`unless {{ context.{'.'.join(path[:-1])} has {path[-1]} }}`), or say it is meant"
            )
            yield remark(policy, path, "warning", "absent-input", why)
            break


def _guards(template: pst.Template) -> list[Path]:
    """The `context.input has x` that must hold for `template` to apply."""
    found: list[Path] = []
    stack = [clause.expr for clause in template.clauses if isinstance(clause, pst.When)]
    while stack:
        expr = stack.pop()
        if isinstance(expr, pst.BinaryOp) and expr.op == "and":
            stack += (expr.right, expr.left)
        path = path_of(expr) if isinstance(expr, pst.HasAttr) else None
        if path is not None and path[0] == "input" and len(path) > 1:
            found.append(path)
    return found


def _about_absence(template: pst.Template) -> Iterator[Path]:
    """The arguments whose absence `template` may forbid: `!(… has x)` and `unless { … has x }`."""
    if template.effect != "forbid":
        return
    negated = [clause.expr for clause in template.clauses if isinstance(clause, pst.Unless)]
    negated += [expr.arg for expr in every(template) if isinstance(expr, pst.UnaryOp) and expr.op == "not"]
    while negated:
        expr = negated.pop()
        if isinstance(expr, pst.BinaryOp) and expr.op in ("and", "or"):
            negated += (expr.left, expr.right)
        path = path_of(expr) if isinstance(expr, pst.HasAttr) else None
        if path is not None:
            yield path


def _optional(path: Path, named: frozenset[str] | None, facts: Facts) -> bool:
    """Whether a tool that `named` is about has the argument `path` and can be called without it."""
    for tool in facts.tools:
        if named is not None and not named & {tool.action, *groups_of(tool.upstream)}:
            continue
        if _omissible(path[1:], tool.input_schema):
            return True
    return False


def _omissible(steps: Path, schema: Any) -> bool:
    for step in steps:
        properties = schema.get("properties", {}) if isinstance(schema, dict) else {}
        if step not in properties:
            return False
        if step not in schema.get("required", ()):
            return True
        schema = properties[step]
    return False
