"""Which parts of the context a policy reads, and which actions it is about. Pure, on the engine's own tree."""

from __future__ import annotations

from typing import Final

from cedarpy import pst

from mcp_gateway.envelopes.policy.cedar.model import Path

ROOTS: Final = ("input", "input_omitted", "metadata", "agent", "now", "ip", "output", "output_info")
"""The attributes of the context."""


def paths(policy: pst.Template) -> frozenset[Path]:
    """The paths below `context` that `policy` reads.

    A path stands for all below it: `context.input` compared, or handed on, as a whole is ``("input",)``, and the
    context itself as a value is every one of `ROOTS`. No path is empty.
    """
    found: set[Path] = set()
    for clause in policy.clauses:
        found |= paths_in(clause.expr)
    return frozenset(found)


def paths_in(expr: pst.Expr) -> frozenset[Path]:
    """The paths below `context` that `expr` reads, as of `paths`."""
    found: set[Path] = set()
    stack: list[pst.Expr] = [expr]
    while stack:
        node = stack.pop()
        path = path_of(node)
        if path is not None:
            found.update([path] if path else [(root,) for root in ROOTS])
        else:
            stack.extend(parts(node))
    return frozenset(found)


def path_of(expr: pst.Expr) -> Path | None:
    """The path that `expr` itself is: `context.a.b` or `context.a has b.c`; ``()`` for `context`, else None."""
    names: list[str] = []
    if isinstance(expr, pst.HasAttr):
        names.extend(reversed(expr.attrs))
        expr = expr.base
    while isinstance(expr, pst.GetAttr):
        names.append(expr.attr)
        expr = expr.base
    return tuple(reversed(names)) if expr == pst.Var("context") else None


def parts(expr: pst.Expr) -> tuple[pst.Expr, ...]:
    """The expressions that `expr` is made of."""
    match expr:
        case pst.UnaryOp(_, arg):
            return (arg,)
        case pst.BinaryOp(_, left, right):
            return (left, right)
        case pst.GetAttr(base, _) | pst.HasAttr(base, _) | pst.Like(base, _):
            return (base,)
        case pst.Is(base, _, inside):
            return (base,) if inside is None else (base, inside)
        case pst.IfThenElse(cond, then, otherwise):
            return (cond, then, otherwise)
        case pst.Set(elements):
            return elements
        case pst.Record(fields):
            return tuple(fields.values())
    return ()


def tag_of(expr: pst.Expr) -> str | None:
    """The tag that `expr` reads or asks for; "" where only the evaluation tells which, None where it is about none."""
    if isinstance(expr, pst.BinaryOp) and expr.op in ("has_tag", "get_tag"):
        return expr.right.value if isinstance(expr.right, pst.StringLit) else ""
    return None


def every(policy: pst.Template) -> list[pst.Expr]:
    """Every expression in the conditions of `policy`, at any depth."""
    found: list[pst.Expr] = []
    stack: list[pst.Expr] = [clause.expr for clause in policy.clauses]
    while stack:
        node = stack.pop()
        found.append(node)
        stack.extend(parts(node))
    return found


def actions(policy: pst.Template) -> frozenset[str] | None:
    """The ids of the actions and groups in the scope of `policy`; None for any action."""
    match policy.action:
        case pst.ActionEq(entity):
            return frozenset((entity.id,))
        case pst.ActionIn(entities):
            return frozenset(entity.id for entity in entities)
    return None


def touches(read: Path, left_out: Path) -> bool:
    """Whether reading `read` could see that `left_out` is missing: one is the other or above it."""
    shorter = min(len(read), len(left_out))
    return read[:shorter] == left_out[:shorter]
