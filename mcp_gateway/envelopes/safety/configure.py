"""From what an admin wrote to guardrails that work: every instance built, every rule's names found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final, Protocol

from mcp_gateway.core.circuit import Circuit
from mcp_gateway.envelopes.safety.bundled import ABSENT, BUNDLED, CEDAR, GROUP, Bundled, CircuitSpec
from mcp_gateway.envelopes.safety.content import Examiner
from mcp_gateway.envelopes.safety.examine_policy import ExaminePolicy
from mcp_gateway.envelopes.safety.guard import Guard
from mcp_gateway.envelopes.safety.rules import Rulebook, RuleSpec
from mcp_gateway.envelopes.safety.verdict import Hook, Mode, Operation

Make = Callable[[Mapping[str, Any], float], Examiner]
"""An examiner from the `config` of an instance and its timeout. Raises ValueError with a public message."""

POLICY: Final = "cedar"
"""The type whose instances ask a policy; its text is `config.policy`, without one the gateway's own are asked."""


class InstanceSpec(Protocol):
    """One guardrail as an admin writes it. `timeout` is in seconds."""

    @property
    def type(self) -> str: ...
    @property
    def operation(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def priority(self) -> int: ...
    @property
    def timeout(self) -> float: ...
    @property
    def circuit(self) -> CircuitSpec: ...
    @property
    def config(self) -> Mapping[str, Any]: ...


class NamedSpec(InstanceSpec, Protocol):
    """A guardrail in a group."""

    @property
    def name(self) -> str: ...


class GroupSpec(Protocol):
    """Guardrails under one name."""

    @property
    def name(self) -> str: ...
    @property
    def guardrails(self) -> Sequence[NamedSpec]: ...


class FileSpec(Protocol):
    """The file as a whole."""

    @property
    def groups(self) -> Sequence[GroupSpec]: ...
    @property
    def rules(self) -> Sequence[RuleSpec]: ...


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with the file, at the place that `at` leads to."""

    at: tuple[str | int, ...]
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Configured:
    """The guardrails of a configuration. `policies` are the texts of those that ask one of their own, by name."""

    rulebook: Rulebook
    policies: Mapping[str, str | None]


def configure(
    spec: FileSpec, makers: Mapping[str, Make], *, governed: bool
) -> tuple[Configured | None, Sequence[Fault]]:
    """The guardrails of `spec`, or everything that is wrong with it.

    `makers` build examiners by type. With `governed` there are policies of the gateway that a guardrail can ask.
    """
    faults: list[Fault] = []
    guards: dict[str, Guard] = {}
    policies: dict[str, str | None] = {}
    for name, at, instance in _instances(spec):
        if name == CEDAR and isinstance(instance, Bundled) and not governed:
            continue
        try:
            if instance.type == POLICY:
                policies[name] = _policy(instance.config, governed=governed)
            guards[name] = _guard(name, instance, makers)
        except ValueError as error:
            faults.append(Fault(at, str(error)))
    faults += _unknown(spec.rules, {name for name, _, _ in _instances(spec)}, guards)
    if faults:
        return None, faults
    return Configured(Rulebook(MappingProxyType(guards), spec.rules), MappingProxyType(policies)), ()


def _instances(spec: FileSpec) -> Iterator[tuple[str, tuple[str | int, ...], InstanceSpec]]:
    """Every guardrail by its full name, with its place in the file."""
    declared = set()
    for number, group in enumerate(spec.groups):
        for index, instance in enumerate(group.guardrails):
            name = f"{group.name}/{instance.name}"
            declared.add(name)
            bundled = BUNDLED.get(name)
            # What is said of a bundled one changes that, and what is not said stays.
            plain = bundled is not None and bundled.type == instance.type and not instance.config
            at = ("groups", number, "guardrails", index)
            yield name, at, _with_config(instance, bundled.config) if plain and bundled is not None else instance
    for name, bundled in BUNDLED.items():
        if name not in declared:
            yield name, (GROUP,), bundled


def _with_config(spec: InstanceSpec, config: Mapping[str, Any]) -> InstanceSpec:
    plain = Bundled(spec.type, spec.operation, spec.mode, spec.priority, spec.timeout, spec.circuit)
    return replace(plain, config=config)


def _guard(name: str, spec: InstanceSpec, makers: Mapping[str, Make]) -> Guard:
    if spec.type == POLICY:
        examine: Examiner = ExaminePolicy(name)
    elif spec.type in makers:
        examine = makers[spec.type](spec.config, spec.timeout)
    else:
        near = get_close_matches(spec.type, makers, 1)
        known = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(sorted((*makers, POLICY)))}"
        raise ValueError(f"there is no guardrail of the type `{spec.type}`: {known}")
    return Guard(
        name=name,
        operation=Operation(spec.operation),
        mode=Mode(spec.mode),
        priority=spec.priority,
        timeout=spec.timeout,
        examine=examine,
        circuit=Circuit(failures=spec.circuit.failures, cooldown=spec.circuit.cooldown),
    )


def _policy(config: Mapping[str, Any], *, governed: bool) -> str | None:
    unknown = sorted(config.keys() - {"policy"})
    if unknown:
        raise ValueError(f"`config` of a guardrail of the type `{POLICY}` knows only `policy`")
    text = config.get("policy")
    if text is None and not governed:
        raise ValueError("it needs `config.policy`: the gateway has no policies that it could ask")
    if text is not None and not isinstance(text, str):
        raise ValueError("`config.policy` must be the text of a policy")
    return text


def _unknown(rules: Sequence[RuleSpec], known: set[str], guards: Mapping[str, Guard]) -> Iterator[Fault]:
    for index, rule in enumerate(rules):
        for hook in Hook:
            for place, name in enumerate(rule.named(hook)):
                at = ("rules", index, hook.value, place)
                if name in ABSENT and name not in known:
                    yield Fault(at, f"the guardrail `{name}` is not available: {ABSENT[name]}")
                elif name == CEDAR and name in known and name not in guards:
                    yield Fault(at, f"the guardrail `{name}` has no policies that it could ask", "see `policies`")
                elif name not in known:
                    near = get_close_matches(name, known, 1)
                    hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(sorted(known))}"
                    yield Fault(at, f"there is no guardrail `{name}`", hint)
