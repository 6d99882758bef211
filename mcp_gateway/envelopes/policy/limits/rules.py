"""The rules of one virtual server, compiled: which calls each is about, and in which pools it counts them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from typing import Literal, NamedTuple, Protocol

from mcp_gateway.core.metadata import NO_METADATA
from mcp_gateway.core.principal import Principal, subjects_of
from mcp_gateway.envelopes.policy.limits.gcra import Rate, Unit
from mcp_gateway.envelopes.policy.limits.keys import Keys


class Counted(NamedTuple):
    """What limits see of a call. `tool` is the upstream's own name, `exposed` the one that the agent used."""

    server: str
    principal: Principal
    upstream: str
    tool: str
    exposed: str
    metadata: Mapping[str, str] = NO_METADATA


class WhenSpec(Protocol):
    """Which calls; what is empty matches everything."""

    @property
    def subjects(self) -> Sequence[str]: ...
    @property
    def tools(self) -> Sequence[str]: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...


class LimitSpec(Protocol):
    """One limit as an admin writes it."""

    @property
    def id(self) -> str: ...
    @property
    def limit(self) -> int: ...
    @property
    def unit(self) -> Unit: ...
    @property
    def per(self) -> Sequence[str]: ...
    @property
    def when(self) -> WhenSpec: ...
    @property
    def mode(self) -> Literal["enforce", "audit"]: ...
    @property
    def on_store_error(self) -> Literal["allow", "deny"]: ...


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled limit. `name` stands for all that decides its pools: a rule that changes starts with fresh ones."""

    id: str
    server: str
    name: str
    rate: Rate
    per: tuple[str, ...]
    subjects: frozenset[str]
    tools: re.Pattern[str] | None
    metadata: frozenset[tuple[str, str]]
    enforced: bool
    fails_open: bool
    keys: Keys = field(compare=False, repr=False)

    @classmethod
    def of(cls, server: str, spec: LimitSpec) -> Rule:
        """The rule `spec` of the virtual server `server`."""
        per = tuple(sorted(set(spec.per)))
        globs = [translate(glob) for glob in spec.when.tools]
        name = "\0".join((server, spec.id, str(spec.limit), spec.unit, *per))
        return cls(
            id=spec.id,
            server=server,
            name=name,
            rate=Rate.of(spec.limit, spec.unit),
            per=per,
            subjects=frozenset(spec.when.subjects),
            tools=re.compile("|".join(globs)) if globs else None,
            metadata=frozenset(spec.when.metadata.items()),
            enforced=spec.mode == "enforce",
            fails_open=spec.on_store_error == "allow",
            keys=Keys(name, per, {"tool": _tool}),
        )

    def matches(self, call: Counted) -> bool:
        """Whether the rule is about `call`. Globs are held against all three names that a tool goes by."""
        if self.tools is not None:
            names = (f"{call.upstream}/{call.tool}", call.tool, call.exposed)
            if not any(self.tools.match(name) for name in names):
                return False
        if self.metadata and not self.metadata <= call.metadata.items():
            return False
        return not self.subjects or not self.subjects.isdisjoint(subjects_of(call.principal))

    def pools(self, call: Counted) -> Sequence[bytes]:
        """The keys of the pools that must all have room for `call`: several where the caller is in several teams."""
        return self.keys.of(call)


def _tool(call: Counted) -> Sequence[str]:
    return (f"{call.upstream}/{call.tool}",)


def rules_of(specs: Mapping[str, Sequence[LimitSpec]]) -> dict[str, tuple[Rule, ...]]:
    """The rules of those virtual servers that have any."""
    return {server: tuple(Rule.of(server, spec) for spec in rules) for server, rules in specs.items() if rules}
