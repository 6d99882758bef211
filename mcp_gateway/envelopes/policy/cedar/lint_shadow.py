"""Policies that change nothing because of another: copies, and permits that are covered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from cedarpy import pst

from mcp_gateway.envelopes.policy.cedar.model import CALL_TOOL, UPSTREAM, Policy, Remark
from mcp_gateway.envelopes.policy.cedar.remarks import remark

_ALWAYS: Final[frozenset[pst.Clause]] = frozenset({pst.When(pst.BoolLit(True)), pst.Unless(pst.BoolLit(False))})


def shadowed(parsed: Sequence[tuple[Policy, pst.Template]]) -> Iterator[Remark]:
    """At most one warning a policy, the other one named. Only what is certain.

    A policy in audit mode shadows none, and is compared with its like: it is there to be compared.
    """
    for index, (policy, template) in enumerate(parsed):
        why = _copied(policy, template, parsed[:index]) or _covered(policy, template, parsed)
        if why is not None:
            yield remark(policy, (), "warning", "shadowed", why)


def _copied(policy: Policy, template: pst.Template, before: Sequence[tuple[Policy, pst.Template]]) -> str | None:
    bare = _bare(template)
    for other, theirs in before:
        if other.audit == policy.audit and _bare(theirs) == bare:
            return f"it says the same as `{other.id}` at {other.file}:{other.line}"
    return None


def _covered(policy: Policy, template: pst.Template, all_: Sequence[tuple[Policy, pst.Template]]) -> str | None:
    if policy.effect != "permit" or policy.audit:
        return None
    for other, theirs in all_:
        if other is policy or other.audit or not _covers(theirs, template) or not _ALWAYS.issuperset(theirs.clauses):
            continue
        if other.effect == "forbid":
            return f"it permits nothing: `{other.id}` at {other.file}:{other.line} forbids all of it"
        if not _same_scope(theirs, template) or not _ALWAYS.issuperset(template.clauses):
            return f"it adds nothing: `{other.id}` at {other.file}:{other.line} permits all of it"
    return None


def _bare(template: pst.Template) -> pst.Template:
    return replace(template, id="", annotations=pst.FrozenMap())


def _same_scope(one: pst.Template, other: pst.Template) -> bool:
    return (one.principal, one.action, one.resource) == (other.principal, other.action, other.resource)


def _covers(wide: pst.Template, narrow: pst.Template) -> bool:
    """Whether all that the scope of `narrow` admits is surely admitted by that of `wide`."""
    return (
        _entity_covers(wide.principal, narrow.principal)
        and _action_covers(wide.action, narrow.action)
        and _entity_covers(wide.resource, narrow.resource)
    )


def _action_covers(wide: pst.ActionConstraint, narrow: pst.ActionConstraint) -> bool:
    if wide == narrow or isinstance(wide, pst.ScopeAny):
        return True
    if isinstance(narrow, pst.ScopeAny):
        return False
    if isinstance(wide, pst.ActionEq):
        return isinstance(narrow, pst.ActionIn) and set(narrow.entities) == {wide.entity} and "*" not in wide.entity.id
    names = {entity.id for entity in wide.entities}
    wanted = (narrow.entity,) if isinstance(narrow, pst.ActionEq) else narrow.entities
    return all(_in_group(entity.id, names) for entity in wanted)


def _in_group(action: str, names: set[str]) -> bool:
    """Whether `action`, or every action of that group, is in one of the groups `names`."""
    upstream, slash, _ = action.partition("/")
    return action in names or bool(slash and (CALL_TOOL in names or f"{upstream}/*" in names))


def _entity_covers(wide: pst.PrincipalOrResourceConstraint, narrow: pst.PrincipalOrResourceConstraint) -> bool:
    match wide, narrow:
        case pst.ScopeAny(), _:
            return True
        case pst.ScopeIs(kind), (pst.ScopeIs(other) | pst.ScopeIsIn(other, _)):
            return kind == other
        case pst.ScopeIs(kind), pst.ScopeEq(pst.EntityUid(other, _)):
            return kind == other
        case pst.ScopeIn(group), pst.ScopeIsIn(_, inner):
            return group == inner
        case pst.ScopeIn(pst.EntityUid(kind, name)), pst.ScopeEq(pst.EntityUid(other, inner)):
            in_upstream = str(kind) == UPSTREAM and str(other) == "Tool" and inner.partition("/")[0] == name
            return (kind, name) == (other, inner) or in_upstream
    return wide == narrow
