"""The rules of one virtual server, compiled: which calls each is about, and in which pools it counts them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from hashlib import sha256
from itertools import product
from typing import Final, Literal, Protocol

from mcp_gateway.core.metadata import no_metadata
from mcp_gateway.core.principal import Principal, subjects_of
from mcp_gateway.envelopes.policy.limits.gcra import Rate, Unit

_METADATA: Final = "metadata."

SHARED: Final = ""
"""Stands for what a call does not have. Such calls share a pool: leaving something out is no way round a limit."""

TEAMS: Final = 16
"""The most teams of one caller that are counted apart. The rest share a pool, so that a call stays cheap."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What limits see of a call. `tool` is the upstream's own name, `exposed` the one that the agent used."""

    server: str
    principal: Principal
    upstream: str
    tool: str
    exposed: str
    metadata: Mapping[str, str] = field(default_factory=no_metadata)


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

    @classmethod
    def of(cls, server: str, spec: LimitSpec) -> Rule:
        """The rule `spec` of the virtual server `server`."""
        per = tuple(sorted(set(spec.per)))
        globs = [translate(glob) for glob in spec.when.tools]
        return cls(
            id=spec.id,
            server=server,
            name="\0".join((server, spec.id, str(spec.limit), spec.unit, *per)),
            rate=Rate.of(spec.limit, spec.unit),
            per=per,
            subjects=frozenset(spec.when.subjects),
            tools=re.compile("|".join(globs)) if globs else None,
            metadata=frozenset(spec.when.metadata.items()),
            enforced=spec.mode == "enforce",
            fails_open=spec.on_store_error == "allow",
        )

    def matches(self, call: Counted) -> bool:
        """Whether the rule is about `call`. Globs are held against all three names that a tool goes by."""
        if self.tools is not None:
            names = (f"{call.upstream}/{call.tool}", call.tool, call.exposed)
            if not any(self.tools.match(name) for name in names):
                return False
        if not self.metadata <= call.metadata.items():
            return False
        return not self.subjects or not self.subjects.isdisjoint(subjects_of(call.principal))

    def pools(self, call: Counted) -> list[bytes]:
        """The keys of the pools that must all have room for `call`: several where the caller is in several teams."""
        return keys_of(self.name, self.per, call, {"tool": f"{call.upstream}/{call.tool}"})


def rules_of(specs: Mapping[str, Sequence[LimitSpec]]) -> dict[str, tuple[Rule, ...]]:
    """The rules of those virtual servers that have any."""
    return {server: tuple(Rule.of(server, spec) for spec in rules) for server, rules in specs.items() if rules}


class Called(Protocol):
    """What is read of any call to tell whose it is."""

    @property
    def principal(self) -> Principal: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...


def _user(call: Called) -> Sequence[str]:
    return (call.principal.id if call.principal.kind == "user" else SHARED,)


def _account(call: Called) -> Sequence[str]:
    return (call.principal.id if call.principal.kind == "virtual_account" else SHARED,)


def _teams(call: Called) -> Sequence[str]:
    teams = sorted(set(call.principal.teams) - {SHARED})
    return (*teams[:TEAMS], SHARED) if len(teams) > TEAMS else teams or (SHARED,)


_CALLERS: Final[Mapping[str, Callable[[Called], Sequence[str]]]] = {
    "user": _user,
    "virtual_account": _account,
    "team": _teams,
}


def keys_of(name: str, per: Sequence[str], call: Called, own: Mapping[str, str]) -> list[bytes]:
    """The keys of the pools of the rule `name` in which `call` is counted; `own` are the values of a plane's own words.

    Of one length whatever a caller is called, and nothing that reads a store learns who calls.
    """
    return [_key(name, combination) for combination in product(*(_values(each, call, own) for each in per))]


def _values(per: str, call: Called, own: Mapping[str, str]) -> Sequence[str]:
    if per.startswith(_METADATA):
        return (call.metadata.get(per.removeprefix(_METADATA), SHARED),)
    return (own[per],) if per in own else _CALLERS[per](call)


def _key(name: str, values: Sequence[str]) -> bytes:
    encoded = [value.encode("utf-8", "surrogatepass") for value in values]
    return sha256(b"".join([name.encode(), *(b"%d:%b" % (len(each), each) for each in encoded)])).digest()
