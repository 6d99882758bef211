"""Which guardrails look at a call: the rules that match it and what its header names. Pure."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import Final, Protocol

from mcp_gateway.envelopes.safety.bundled import ABSENT
from mcp_gateway.envelopes.safety.guard import Guard
from mcp_gateway.envelopes.safety.header import BadHeader, read_header
from mcp_gateway.envelopes.safety.verdict import MCP_HOOKS, Hook

_MESSAGE: Final = "{{guardrail_message}}"


class WhenSpec(Protocol):
    """Which calls; what is empty matches everything."""

    @property
    def servers(self) -> Sequence[str]: ...
    @property
    def tools(self) -> Sequence[str]: ...
    @property
    def models(self) -> Sequence[str]: ...
    @property
    def subjects(self) -> Sequence[str]: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...


class RuleSpec(Protocol):
    """One rule as an admin writes it."""

    @property
    def id(self) -> str: ...
    @property
    def when(self) -> WhenSpec: ...
    @property
    def custom_error_message(self) -> str | None: ...

    def named(self, hook: str) -> Sequence[str]:
        """The guardrails that it brings to `hook`."""
        ...


MAX_HEADERS: Final = 64
"""Most different headers of which it is kept what they say: an application sends the same one with every call."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What rules see of a call. `names` are all spellings of what is called, `model` empty where that is no model."""

    server: str = ""
    names: Sequence[str] = ()
    model: str = ""
    subjects: frozenset[str] = frozenset()
    metadata: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """A guardrail for one call, with what the rule that brought it says when it blocks."""

    guard: Guard
    message: str | None = None

    def says(self, plain: str) -> str:
        """What a caller is told, given what they would be told without a message of the rule's own."""
        return plain if self.message is None else self.message.replace(_MESSAGE, plain)


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled rule."""

    servers: re.Pattern[str] | None
    tools: re.Pattern[str] | None
    models: re.Pattern[str] | None
    subjects: frozenset[str]
    metadata: Mapping[str, str]
    chosen: Mapping[Hook, tuple[Chosen, ...]]

    @classmethod
    def of(cls, spec: RuleSpec, guards: Mapping[str, Guard]) -> Rule:
        """The rule `spec`, all of whose guardrails are among `guards`."""
        return cls(
            servers=_globs(spec.when.servers),
            tools=_globs(spec.when.tools),
            models=_globs(spec.when.models),
            subjects=frozenset(spec.when.subjects),
            metadata=spec.when.metadata,
            chosen={
                hook: tuple(Chosen(guards[name], spec.custom_error_message) for name in spec.named(hook))
                for hook in Hook
            },
        )

    @property
    def asks(self) -> bool:
        """Whether there are requests that it is not about."""
        patterns = (self.servers, self.tools, self.models)
        return any(pattern is not None for pattern in patterns) or bool(self.subjects or self.metadata)

    def matches(self, asked: Asked) -> bool:
        """Whether the rule is about what is asked. `models` says nothing about tools, nor the rest about models."""
        if asked.model:
            if self.models is not None and not self.models.match(asked.model):
                return False
        elif not self._about(asked):
            return False
        if self.subjects and self.subjects.isdisjoint(asked.subjects):
            return False
        told = asked.metadata or {}
        return all(told.get(key) == value for key, value in self.metadata.items())

    def _about(self, asked: Asked) -> bool:
        if self.servers is not None and not self.servers.match(asked.server):
            return False
        return self.tools is None or any(self.tools.match(name) for name in asked.names)


class Rulebook:
    """All guardrails of a configuration, the bundled ones included, and the rules that bring them to calls."""

    __slots__ = ("_always", "_guards", "_headers", "_rules", "asks", "hooks")

    def __init__(self, guards: Mapping[str, Guard], rules: Iterable[RuleSpec]) -> None:
        self._guards = guards
        self._headers: OrderedDict[tuple[Sequence[Hook], tuple[str, ...]], Mapping[Hook, tuple[str, ...]]] = (
            OrderedDict()
        )
        self._rules = tuple(Rule.of(rule, guards) for rule in rules)
        self.hooks = frozenset(hook for rule in self._rules for hook, chosen in rule.chosen.items() if chosen)
        """The hooks at which a rule has something to say."""
        self.asks = any(rule.asks for rule in self._rules)
        """Whether a rule is about some requests only."""
        self._always = {} if self.asks else {hook: self._chosen(hook, Asked(), ()) for hook in Hook}

    @property
    def names(self) -> Iterable[str]:
        """The names that rules and headers may use."""
        return self._guards.keys()

    def guard(self, name: str) -> Guard:
        """The guardrail of that name."""
        return self._guards[name]

    def added(self, header: Sequence[str], hooks: Sequence[Hook] = MCP_HOOKS) -> Mapping[Hook, tuple[str, ...]]:
        """What the values of a request's header add to each hook, of which `hooks` are asked. Raises `BadHeader`.

        A bundled name under which there is nothing yet may stand where it is not asked: one header does for all planes.
        """
        values = (hooks, tuple(header))
        known = self._headers.get(values)
        if known is None:
            known = self._headers[values] = self._read(header, hooks)
            if len(self._headers) > MAX_HEADERS:
                self._headers.popitem(last=False)
        return known

    def _read(self, header: Sequence[str], hooks: Sequence[Hook]) -> Mapping[Hook, tuple[str, ...]]:
        added = read_header(header, {**ABSENT, **self._guards})
        for hook, names in added.items():
            missing = [name for name in names if name not in self._guards]
            if missing and hook in hooks:
                raise BadHeader(f"the guardrail {missing[0]} is not available: {ABSENT[missing[0]]}")
        return {hook: tuple(name for name in names if name in self._guards) for hook, names in added.items()}

    def choose(self, hook: Hook, asked: Asked, added: Sequence[str] = ()) -> Sequence[Chosen]:
        """Every guardrail that a matching rule or the header brings, each once, in that order."""
        if self.asks or added:
            return self._chosen(hook, asked, added)
        return self._always[hook]

    def _chosen(self, hook: Hook, asked: Asked, added: Sequence[str]) -> Sequence[Chosen]:
        chosen: dict[str, Chosen] = {}
        for rule in self._rules if hook in self.hooks else ():
            if rule.chosen[hook] and rule.matches(asked):
                for each in rule.chosen[hook]:
                    chosen.setdefault(each.guard.name, each)
        for name in added:
            chosen.setdefault(name, Chosen(self._guards[name]))
        return tuple(chosen.values())


def _globs(globs: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(translate, globs))) if globs else None
