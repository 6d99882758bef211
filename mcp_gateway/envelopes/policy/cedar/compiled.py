"""A set of policies as the engine asks it: in full, in part, and only those whose scope fits."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from cedarpy import PolicySet, policies_to_pst, pst

from mcp_gateway.envelopes.policy.cedar.model import Path, PolicyText
from mcp_gateway.envelopes.policy.cedar.possible import possible, relevant
from mcp_gateway.envelopes.policy.cedar.reads import paths

MAX_SLICES: Final = 1024
"""Most combinations of policies kept: one for each set of policies that some principal and action have in common."""

_AFTERWARDS: Final = frozenset({"output", "output_info"})


@dataclass(frozen=True, slots=True)
class Slice:
    """The policies whose scope fits one principal, action and resource: the only ones that can say anything there.

    `enforced` lacks the policies in audit mode; `shadow` has them too and is None where there are none. `roots` are
    the attributes of the context that any of them reads, `late` tells whether one reads what comes back. `reads` are
    the paths that each enforced one reads.
    """

    enforced: PolicySet
    shadow: PolicySet | None
    roots: frozenset[str]
    late: bool
    reads: Mapping[str, frozenset[Path]]


class Compiled:
    """Policies, parsed once. `ids` are their `@id`s by the engine's names.

    `scopes` permits what is in a policy's scope, whatever its effect and conditions. `possible` decides without a
    context, `relevant` tells which policies could hold in some.
    """

    def __init__(self, text: PolicyText) -> None:
        """Raises `ValueError` where the text is not a policy set, as `read_policies` reports it too."""
        self._every = policies_to_pst(text.text).static_policies
        self._audited = frozenset(policy.key for policy in text.policies if policy.audit)
        self._reads = {key: paths(policy) for key, policy in self._every.items()}
        self._slices: OrderedDict[frozenset[str], Slice] = OrderedDict()
        enforced = {key: policy for key, policy in self._every.items() if key not in self._audited}
        self.ids: Mapping[str, str] = {policy.key: policy.id for policy in text.policies}
        self.scopes = _set(_each(self._every, _scope))
        self.possible = _set(_each(enforced, possible))
        self.relevant = _set(_each(enforced, relevant))

    def slice(self, keys: frozenset[str]) -> Slice:
        """The slice of the policies with these keys."""
        found = self._slices.get(keys)
        if found is None:
            found = self._slices[keys] = self._cut(keys)
            if len(self._slices) > MAX_SLICES:
                self._slices.popitem(last=False)
        else:
            self._slices.move_to_end(keys)
        return found

    def whole(self) -> Slice:
        """All policies, for what cannot be cut."""
        return self.slice(frozenset(self._every))

    def _cut(self, keys: frozenset[str]) -> Slice:
        every = {key: policy for key, policy in self._every.items() if key in keys}
        enforced = {key: policy for key, policy in every.items() if key not in self._audited}
        roots = frozenset(path[0] for key in every for path in self._reads[key])
        return Slice(
            enforced=_set(enforced.items()),
            shadow=None if len(enforced) == len(every) else _set(every.items()),
            roots=roots,
            late=not roots.isdisjoint(_AFTERWARDS),
            reads={key: self._reads[key] for key in enforced if self._reads[key]},
        )


def _scope(policy: pst.Template) -> pst.Template:
    return replace(policy, effect="permit", clauses=())


def _set(policies: Iterable[tuple[str, pst.Template]]) -> PolicySet:
    return PolicySet.from_pst(pst.PolicySet(pst.FrozenMap(), pst.FrozenMap(policies), ()))


def _each(
    policies: Mapping[str, pst.Template], rewrite: Callable[[pst.Template], pst.Template]
) -> Iterable[tuple[str, pst.Template]]:
    return ((key, rewrite(policy)) for key, policy in policies.items())
