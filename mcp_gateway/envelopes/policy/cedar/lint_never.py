"""Policies that can never apply. The engine takes them; a forbid of that kind protects nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from cedarpy import Schema, pst, validate_policies

from mcp_gateway.envelopes.policy.cedar.model import CALL_TOOL, UPSTREAM, Policy, Remark
from mcp_gateway.envelopes.policy.cedar.reads import actions
from mcp_gateway.envelopes.policy.cedar.remarks import remark

_ILL_TYPED: Final = ' when { 1 < "" };'
"""A condition that no schema allows, so that the validator objects wherever it comes to look at it."""


def never(parsed: Sequence[tuple[Policy, pst.Template]], schema: Schema) -> Iterator[Remark]:
    """Policies, all well-typed, whose conditions or scope exclude each other. Only what is certain."""
    reached = _reached(parsed, schema)
    for policy, template in parsed:
        other = _elsewhere(template)
        if policy.key not in reached:
            why = "its condition is never true for any action that it is about"
        elif other is not None:
            why = f"it never applies: none of its actions acts upon {other}"
        elif _contradicts(template):
            why = "its condition is never true: it demands a thing and its opposite"
        else:
            continue
        yield remark(policy, (), "error", "never-applies", why)


def _reached(parsed: Sequence[tuple[Policy, pst.Template]], schema: Schema) -> set[str]:
    """The keys of the policies whose condition may be true.

    The validator knows the type of what is always false and does not look behind it: where it has nothing to say
    against a condition that is ill-typed, what stands before it is never true.
    """
    probes = [policy.text[:-1] + _ILL_TYPED for policy, _ in parsed]
    objections = validate_policies("\n".join(probes), schema).errors if probes else []
    keys = {f"policy{index}": policy.key for index, (policy, _) in enumerate(parsed)}
    return {keys[each.policy_id] for each in objections}


def _elsewhere(template: pst.Template) -> str | None:
    """What the scope names as the resource, where all its actions are of other tools or upstreams."""
    named = actions(template)
    if named is None or CALL_TOOL in named:
        return None
    match template.resource:
        case pst.ScopeEq(pst.EntityUid(kind, name)) if str(kind) == "Tool":
            upstream = name.partition("/")[0]
            fitting = {name, f"{upstream}/*"}
        case pst.ScopeIn(pst.EntityUid(kind, name)) | pst.ScopeIsIn(_, pst.EntityUid(kind, name)) if (
            str(kind) == UPSTREAM
        ):
            fitting = {each for each in named if each.partition("/")[0] == name}
        case _:
            return None
    of_tools = all("/" in each for each in named)
    return f'{kind}::"{name}"' if of_tools and not named & fitting else None


def _contradicts(template: pst.Template) -> bool:
    """Whether the conditions hold a thing and its negation, or two values of the same thing, at the top."""
    demanded: set[pst.Expr] = set()
    values: dict[pst.Expr, pst.Expr] = {}
    for clause in template.clauses:
        wanted = _conjuncts(clause.expr)
        demanded.update([_negated(clause.expr)] if isinstance(clause, pst.Unless) else wanted)
    for expr in demanded:
        if _negated(expr) in demanded:
            return True
        if not isinstance(expr, pst.BinaryOp) or expr.op != "eq" or not _literal(expr.right):
            continue
        if values.setdefault(expr.left, expr.right) != expr.right:
            return True
    return False


def _conjuncts(expr: pst.Expr) -> list[pst.Expr]:
    if isinstance(expr, pst.BinaryOp) and expr.op == "and":
        return [*_conjuncts(expr.left), *_conjuncts(expr.right)]
    return [expr]


def _negated(expr: pst.Expr) -> pst.Expr:
    return expr.arg if isinstance(expr, pst.UnaryOp) and expr.op == "not" else pst.UnaryOp("not", expr)


def _literal(expr: pst.Expr) -> bool:
    return isinstance(expr, (pst.BoolLit, pst.LongLit, pst.StringLit, pst.EntityLit))
