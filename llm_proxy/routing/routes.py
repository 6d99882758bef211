"""Which route a request takes. Compiled at load. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from fnmatch import translate
from types import MappingProxyType
from typing import Final

from llm_proxy.routing.spec import ProviderSpec, RoutingSpec, RuleSpec
from llm_proxy.routing.targets import Route
from mcp_gateway.core.errors import UnknownName

REMEMBERED: Final = 1024
"""Most routes to targets that clients named which are kept."""

_NAME: Final = re.compile(r"[^\s\x00-\x1f\x7f]{1,256}")
_GLOB: Final = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: which requests, and their route."""

    route: Route
    subjects: frozenset[str]
    models: re.Pattern[str] | None
    metadata: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, spec: RuleSpec) -> Rule:
        """The rule that `spec` describes."""
        when = spec.when
        return cls(
            route=Route.of(spec.id, spec),
            subjects=frozenset(when.subjects),
            models=re.compile("|".join(translate(glob) for glob in when.models)) if when.models else None,
            metadata=frozenset(when.metadata.items()),
        )

    def matches(self, model: str, subjects: Set[str], metadata: Mapping[str, str]) -> bool:
        """Whether the rule is about a request for `model`."""
        if self.models is not None and self.models.match(model) is None:
            return False
        return self.metadata <= metadata.items() and (not self.subjects or not self.subjects.isdisjoint(subjects))


@dataclass(frozen=True, slots=True)
class Routes:
    """All routes of one configuration. `names` are the models that are listed, in their order."""

    rules: tuple[Rule, ...]
    virtual: Mapping[str, Route]
    providers: frozenset[str]
    names: tuple[str, ...]
    _direct: dict[str, Route] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        rules: Sequence[RuleSpec],
        virtual: Mapping[str, RoutingSpec],
        providers: Mapping[str, ProviderSpec],
    ) -> Routes:
        """The routes of a configuration. Listed are virtual models, models that rules name (not by a glob), and those
        that providers offer."""
        named = [name for rule in rules for name in rule.when.models if not _GLOB.search(name)]
        offered = [f"{provider}/{name}" for provider, each in providers.items() for name in each.models]
        return cls(
            rules=tuple(Rule.of(rule) for rule in rules),
            virtual=MappingProxyType({name: Route.of(name, spec) for name, spec in virtual.items()}),
            providers=frozenset(providers),
            names=tuple(dict.fromkeys([*virtual, *named, *offered])),
        )

    @property
    def targets(self) -> tuple[str, ...]:
        """Every target (`provider/model`) that a rule or a virtual model leads to, and those that providers offer."""
        routes = [*(rule.route for rule in self.rules), *self.virtual.values()]
        led = [target.name for route in routes for target in route.targets]
        offered = [name for name in self.names if name.partition("/")[0] in self.providers]
        return tuple(dict.fromkeys([*led, *offered]))

    def find(self, model: str, subjects: Set[str], metadata: Mapping[str, str]) -> Route:
        """The route of a request for `model`: the first rule that matches, else the virtual model of this name, else
        `provider/model` as it says. `subjects` are the caller's (`core.principal.subjects_of`).

        Raises `UnknownName`.
        """
        known = self._direct.get(model)
        if known is not None or _NAME.fullmatch(model):
            for rule in self.rules:
                if rule.matches(model, subjects, metadata):
                    return rule.route
            if known is not None:
                return known
            route = self.virtual.get(model)
            if route is not None:
                return route
            provider, _, name = model.partition("/")
            if name and provider in self.providers:
                return self._to(provider, name)
        raise UnknownName("there is no such model", pointer="/model")

    def _to(self, provider: str, name: str) -> Route:
        """The route to a target that only the client named; those that were asked for are kept, up to `REMEMBERED`."""
        if len(self._direct) >= REMEMBERED:
            self._direct.clear()
        route = self._direct[f"{provider}/{name}"] = Route.to(provider, name)
        return route
