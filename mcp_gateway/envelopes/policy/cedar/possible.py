"""What a policy could say whatever the context: policies evaluated in part, once, when they are loaded.

A list is made before there are arguments. Each policy is rewritten to one that does not read the context: where a
condition reads it, a permit takes what could hold (its upper bound), a forbid what must (its lower bound). The
rewritten set then decides for a principal and a resource by an ordinary evaluation: allowed means that some
context could be permitted as far as principal, action and resource go, denied that none is. The other way round,
permits at their lower and forbids at their upper bound, allowed means that every context is.

Between the two stands a context of which a part is `Known`: what reads only that part is kept as it is written.

Before a call there is no output: ``context has output`` is false then, and is taken as that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from cedarpy import pst

from mcp_gateway.envelopes.policy.cedar.model import Path
from mcp_gateway.envelopes.policy.cedar.reads import ROOTS, parts, path_of, tag_of

_TRUE: Final = pst.BoolLit(True)
_FALSE: Final = pst.BoolLit(False)
AFTERWARDS: Final = frozenset({"output", "output_info"})
"""The attributes of the context that there are once the call was made."""

Bounds = tuple[pst.Expr, pst.Expr]
"""What must hold and what could hold, neither reading what is not known of the context."""


@dataclass(frozen=True, slots=True)
class Known:
    """The part of a context that is known.

    Of `paths` all is known, what is below them too. Of `tested` attributes of the context it is known whether they
    are there, and `absent` are those that are not. Of the principal everything is known but the tags called `hidden`.
    """

    paths: frozenset[Path] = frozenset()
    tested: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()

    def covers(self, path: Path) -> bool:
        """Whether everything at `path` is known."""
        return any(path[: len(known)] == known for known in self.paths)


@dataclass(frozen=True, slots=True)
class Told:
    """Of which policies it is known, by the engine's names of them, that they hold or do not: by a decision of before.

    What they read need not be known then.
    """

    held: frozenset[str] = frozenset()
    not_held: frozenset[str] = frozenset()


NOTHING: Final = Known()
BEFORE: Final = Known(absent=AFTERWARDS)
"""A call of which nothing is known but that it was not made yet."""


def possible(policy: pst.Template, known: Known = BEFORE) -> pst.Template:
    """`policy` as far as it can be told by what is `known`: more of it permits, less of it forbids."""
    must, could = _condition(policy, known)
    return replace(policy, clauses=(pst.When(could if policy.effect == "permit" else must),))


def certain(policy: pst.Template, known: Known = NOTHING) -> pst.Template:
    """The other bound: less of it permits, more of it forbids."""
    must, could = _condition(policy, known)
    return replace(policy, clauses=(pst.When(must if policy.effect == "permit" else could),))


def relevant(policy: pst.Template) -> pst.Template:
    """A permit that holds wherever some context, with an output or without, could make `policy` hold."""
    return replace(policy, effect="permit", clauses=(pst.When(_condition(policy, NOTHING)[1]),))


def unknown_in(policy: pst.Template, known: Known) -> frozenset[Path]:
    """The paths below `context` that `policy` reads and that are not `known`; tags are below ``principal``."""
    return frozenset(path for clause in policy.clauses for path in _unknown(clause.expr, known))


def _condition(policy: pst.Template, known: Known) -> Bounds:
    must: pst.Expr = _TRUE
    could: pst.Expr = _TRUE
    for clause in policy.clauses:
        low, high = _bounds(clause.expr, known)
        if isinstance(clause, pst.Unless):
            low, high = _not(high), _not(low)
        must, could = _and(must, low), _and(could, high)
    return must, could


def _unknown(expr: pst.Expr, known: Known) -> set[Path]:
    found: set[Path] = set()
    stack: list[pst.Expr] = [expr]
    while stack:
        node = stack.pop()
        if _tests(node) in known.tested:
            continue
        if known.hidden and (tag := tag_of(node)) is not None and (not tag or tag in known.hidden):
            found.add(("principal", tag))
        path = path_of(node)
        if path is None:
            stack.extend(parts(node))
        else:
            found.update(each for each in ([path] if path else [(root,) for root in ROOTS]) if not known.covers(each))
    return found


def _tests(expr: pst.Expr) -> str | None:
    """The attribute that `expr` asks the context for: `input` of ``context has input``."""
    if isinstance(expr, pst.HasAttr) and expr.base == pst.Var("context") and len(expr.attrs) == 1:
        return str(expr.attrs[0])
    return None


def _bounds(expr: pst.Expr, known: Known) -> Bounds:
    if isinstance(expr, pst.HasAttr) and expr.base == pst.Var("context") and expr.attrs[0] in known.absent:
        return _FALSE, _FALSE
    if not _unknown(expr, known):
        return expr, expr
    match expr:
        case pst.UnaryOp("not", arg):
            low, high = _bounds(arg, known)
            return _not(high), _not(low)
        case pst.BinaryOp("and", left, right):
            (low, high), (low2, high2) = _bounds(left, known), _bounds(right, known)
            return _and(low, low2), _and(high, high2)
        case pst.BinaryOp("or", left, right):
            (low, high), (low2, high2) = _bounds(left, known), _bounds(right, known)
            return _or(low, low2), _or(high, high2)
        case pst.IfThenElse(cond, then, otherwise):
            (low, high), (low2, high2), (low3, high3) = (
                _bounds(cond, known),
                _bounds(then, known),
                _bounds(otherwise, known),
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
