"""A set of policies as the engine asks it: in full, in part, and only those whose scope fits."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from cedarpy import PolicySet, policies_to_pst, pst

from mcp_gateway.core import named
from mcp_gateway.envelopes.policy.cedar.fit import INFO
from mcp_gateway.envelopes.policy.cedar.model import ACCOUNT, TEAM, USER, Path, PolicyText
from mcp_gateway.envelopes.policy.cedar.possible import AFTERWARDS, Known, Told, certain, possible, relevant, unknown_in
from mcp_gateway.envelopes.policy.cedar.reads import every, paths, tag_of

MAX_SLICES: Final = 1024
"""Most combinations of policies kept: one for each set of policies that some principal and action have in common."""

MAX_BOUNDED: Final = 256
"""Most pairs of bounds kept: one for each slice and each part of a context that was ever known of it."""

_PREFIXES: Final[Mapping[str, str]] = MappingProxyType({USER: "", ACCOUNT: named.ACCOUNT, TEAM: named.TEAM})


@dataclass(frozen=True, slots=True)
class Slice:
    """The policies whose scope fits one principal, action and resource: the only ones that can say anything there.

    `enforced` lacks the policies in audit mode; `shadow` has them too and is None where there are none. `roots` are
    the attributes of the context that any of them reads, `info` the members of `output_info` among what they read,
    `late` tells whether one reads what comes back. `reads` are the paths that each enforced one reads.
    """

    enforced: PolicySet
    shadow: PolicySet | None
    roots: frozenset[str]
    info: frozenset[str]
    late: bool
    reads: Mapping[str, frozenset[Path]]
    paths: frozenset[Path]
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Bounded:
    """The enforced policies of a slice over a context that is known in part.

    What `could` denies, every such context denies; what `must` allows, every one allows. `unknown` are the paths
    that are read and not known: where there are none, the two are the same.
    """

    could: PolicySet
    must: PolicySet
    unknown: frozenset[Path]


class Compiled:
    """Policies, parsed once. `ids` are their `@id`s by the engine's names.

    `scopes` permits what is in a policy's scope, whatever its effect and conditions. `possible` decides without a
    context, and so does `certain`, of what every context allows; `relevant` tells which policies could hold in some.
    `identities` are the users, virtual accounts and teams that they name, as `core.named` takes them, `tags` the tags
    of principals that they read by name.
    """

    def __init__(self, text: PolicyText) -> None:
        """Raises `ValueError` where the text is not a policy set, as `read_policies` reports it too."""
        self._every = policies_to_pst(text.text).static_policies
        self._audited = frozenset(policy.key for policy in text.policies if policy.audit)
        self._reads = {key: paths(policy) for key, policy in self._every.items()}
        self._slices: OrderedDict[frozenset[str], Slice] = OrderedDict()
        self._bounded: OrderedDict[tuple[frozenset[str], Known, Told], Bounded] = OrderedDict()
        enforced = {key: policy for key, policy in self._every.items() if key not in self._audited}
        self.ids: Mapping[str, str] = {policy.key: policy.id for policy in text.policies}
        self.tags = frozenset(tag for policy in self._every.values() for expr in every(policy) if (tag := tag_of(expr)))
        self.identities = tuple(sorted({name for policy in self._every.values() for name in _named(policy)}))
        self.scopes = _set(_each(self._every, _scope))
        self.possible = _set(_each(enforced, possible))
        self.certain = _set(_each(enforced, certain))
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

    def bounded(self, cut: Slice, known: Known, told: Told) -> Bounded:
        """The policies of `cut` where only a part of the context is `known`, and of some policies what they say."""
        key = (cut.keys, known, told)
        found = self._bounded.get(key)
        if found is None:
            enforced = {
                name: replace(self._every[name], clauses=()) if name in told.held else self._every[name]
                for name in cut.keys - self._audited - told.not_held
            }
            found = self._bounded[key] = Bounded(
                could=_set((name, possible(policy, known)) for name, policy in enforced.items()),
                must=_set((name, certain(policy, known)) for name, policy in enforced.items()),
                unknown=frozenset(path for policy in enforced.values() for path in unknown_in(policy, known)),
            )
            if len(self._bounded) > MAX_BOUNDED:
                self._bounded.popitem(last=False)
        else:
            self._bounded.move_to_end(key)
        return found

    def _cut(self, keys: frozenset[str]) -> Slice:
        every = {key: policy for key, policy in self._every.items() if key in keys}
        enforced = {key: policy for key, policy in every.items() if key not in self._audited}
        paths = frozenset(path for key in every for path in self._reads[key])
        roots = frozenset(path[0] for path in paths)
        return Slice(
            enforced=_set(enforced.items()),
            shadow=None if len(enforced) == len(every) else _set(every.items()),
            roots=roots,
            info=_info(paths),
            late=not roots.isdisjoint(AFTERWARDS),
            reads={key: self._reads[key] for key in enforced if self._reads[key]},
            paths=paths,
            keys=frozenset(every),
        )


def _named(policy: pst.Template) -> Iterator[str]:
    for uid in pst.entity_uids(policy):
        prefix = _PREFIXES.get(str(uid.type))
        if prefix is not None:
            yield prefix + uid.id


def _info(paths: Iterable[Path]) -> frozenset[str]:
    read = [path[1:2] for path in paths if path[0] == "output_info"]
    return INFO if () in read else frozenset(name for (name,) in read)


def _scope(policy: pst.Template) -> pst.Template:
    return replace(policy, effect="permit", clauses=())


def _set(policies: Iterable[tuple[str, pst.Template]]) -> PolicySet:
    return PolicySet.from_pst(pst.PolicySet(pst.FrozenMap(), pst.FrozenMap(policies), ()))


def _each(
    policies: Mapping[str, pst.Template], rewrite: Callable[[pst.Template], pst.Template]
) -> Iterable[tuple[str, pst.Template]]:
    return ((key, rewrite(policy)) for key, policy in policies.items())
