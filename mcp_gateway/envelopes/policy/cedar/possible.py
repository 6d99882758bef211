"""What a policy could say whatever the context: policies evaluated in part, once, when they are loaded.

A list is made before there are arguments. Each policy is rewritten to one that does not read the context: where a
condition reads it, a permit takes what could hold (its upper bound), a forbid what must (its lower bound). The
rewritten set then decides for a principal and a resource by an ordinary evaluation: allowed means that some
context could be permitted as far as principal, action and resource go, denied that none is.

Before a call there is no output: ``context has output`` is false then, and is taken as that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from cedarpy import pst

from mcp_gateway.envelopes.policy.cedar.reads import paths_in

_TRUE: Final = pst.BoolLit(True)
_FALSE: Final = pst.BoolLit(False)
_AFTERWARDS: Final = frozenset({"output", "output_info"})

Bounds = tuple[pst.Expr, pst.Expr]
"""What must hold and what could hold, neither reading the context."""


def possible(policy: pst.Template) -> pst.Template:
    """`policy` as far as it can be told without a context: more of it permits, less of it forbids."""
    must, could = _condition(policy, before=True)
    return replace(policy, clauses=(pst.When(could if policy.effect == "permit" else must),))


def relevant(policy: pst.Template) -> pst.Template:
    """A permit that holds wherever some context, with an output or without, could make `policy` hold."""
    return replace(policy, effect="permit", clauses=(pst.When(_condition(policy, before=False)[1]),))


def _condition(policy: pst.Template, *, before: bool) -> Bounds:
    must: pst.Expr = _TRUE
    could: pst.Expr = _TRUE
    for clause in policy.clauses:
        low, high = _bounds(clause.expr, before)
        if isinstance(clause, pst.Unless):
            low, high = _not(high), _not(low)
        must, could = _and(must, low), _and(could, high)
    return must, could


def _bounds(expr: pst.Expr, before: bool) -> Bounds:
    if before and isinstance(expr, pst.HasAttr) and expr.base == pst.Var("context") and expr.attrs[0] in _AFTERWARDS:
        return _FALSE, _FALSE
    if not paths_in(expr):
        return expr, expr
    match expr:
        case pst.UnaryOp("not", arg):
            low, high = _bounds(arg, before)
            return _not(high), _not(low)
        case pst.BinaryOp("and", left, right):
            (low, high), (low2, high2) = _bounds(left, before), _bounds(right, before)
            return _and(low, low2), _and(high, high2)
        case pst.BinaryOp("or", left, right):
            (low, high), (low2, high2) = _bounds(left, before), _bounds(right, before)
            return _or(low, low2), _or(high, high2)
        case pst.IfThenElse(cond, then, otherwise):
            (low, high), (low2, high2), (low3, high3) = (
                _bounds(cond, before),
                _bounds(then, before),
                _bounds(otherwise, before),
            )
            must = _or(_and(low, low2), _and(_not(high), low3))
            if _total(low2) and _total(low3):
                must = _or(must, _and(low2, low3))  # whichever branch it is
            return must, _or(_and(high, high2), _and(_not(low), high3))
    return _FALSE, _TRUE


def _total(expr: pst.Expr) -> bool:
    """Whether `expr` has a value for certain. A branch may rely on the condition before it: `has` before an access."""
    match expr:
        case pst.UnaryOp("not", arg):
            return _total(arg)
        case pst.BinaryOp("and" | "or" | "in", left, right):
            return _total(left) and _total(right)
        case pst.IfThenElse(cond, then, otherwise):
            return _total(cond) and _total(then) and _total(otherwise)
        case pst.HasAttr(base, attributes):
            return isinstance(base, pst.Var) and len(attributes) == 1
    return isinstance(expr, pst.BoolLit | pst.Var | pst.EntityLit)


def _not(expr: pst.Expr) -> pst.Expr:
    return pst.BoolLit(not expr.value) if isinstance(expr, pst.BoolLit) else pst.UnaryOp("not", expr)


def _and(left: pst.Expr, right: pst.Expr) -> pst.Expr:
    if left == _TRUE:
        return right
    return left if right == _TRUE or left == _FALSE else pst.BinaryOp("and", left, right)


def _or(left: pst.Expr, right: pst.Expr) -> pst.Expr:
    if left == _FALSE:
        return right
    return left if right == _FALSE or left == _TRUE else pst.BinaryOp("or", left, right)
