"""Targets and how one of them is chosen, compiled. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Final, Literal

from llm_proxy.routing.policy import DEFAULT, Policy
from llm_proxy.routing.spec import RoutingSpec, StickySpec, StrategyName, TargetSpec
from mcp_gateway.core.frozen import freeze

Strategy = Literal["weight", "latency", "priority"]

_STRATEGIES: Final[Mapping[StrategyName, Strategy]] = MappingProxyType(
    {"weight-based-routing": "weight", "latency-based-routing": "latency", "priority-based-routing": "priority"}
)


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Target:
    """A model that may answer: `model` of `provider`.

    `parameters` go into the body that is sent to it (read-only all through: `core.frozen.thaw` before writing), the
    header fields `set_headers` are set and `drop_headers` (in lower case) left out. From `slow_first_token` and
    `slow_token` on, in seconds, it is too slow. `metadata` must be in that of a request. `seed` is what sessions are
    dealt by; equal for no two targets of a route.
    """

    provider: str
    model: str
    weight: int = 1
    priority: int = 0
    slow_first_token: float | None = None
    slow_token: float | None = None
    policy: Policy = DEFAULT
    fallback: bool = True
    parameters: Mapping[str, Any] = field(default_factory=_nothing, hash=False)
    set_headers: tuple[tuple[str, str], ...] = ()
    drop_headers: frozenset[str] = frozenset()
    metadata: frozenset[tuple[str, str]] = frozenset()
    seed: str = ""
    name: str = field(init=False)
    """`provider/model`: what health, prices and records are kept by."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"{self.provider}/{self.model}")

    @property
    def watched(self) -> bool:
        """Whether it may be too slow."""
        return self.slow_first_token is not None or self.slow_token is not None

    @classmethod
    def of(cls, spec: TargetSpec, seed: str) -> Target:
        """The target that `spec` describes."""
        provider, _, model = spec.target.partition("/")
        sla = spec.sla_cutoff
        return cls(
            provider=provider,
            model=model,
            weight=spec.weight or 0,
            priority=spec.priority,
            slow_first_token=None if sla is None else _seconds(sla.time_to_first_token_ms),
            slow_token=None if sla is None else _seconds(sla.time_per_output_token_ms),
            policy=Policy.of(spec),
            fallback=spec.fallback_candidate,
            parameters=MappingProxyType({key: freeze(value) for key, value in spec.override_params.items()}),
            set_headers=tuple(spec.headers_override.set.items()),
            drop_headers=frozenset(name.lower() for name in spec.headers_override.remove),
            metadata=frozenset(spec.metadata_match.items()),
            seed=seed,
        )


@dataclass(frozen=True, slots=True)
class Sticky:
    """Sessions stay with their targets for `ttl` seconds. Nothing is kept of them: the time is part of their key."""

    ttl: int
    identifiers: tuple[tuple[Literal["headers", "metadata"], str], ...]

    @classmethod
    def of(cls, spec: StickySpec) -> Sticky:
        """What `spec` describes; names of header fields are compared in lower case."""
        return cls(
            spec.ttl_seconds,
            tuple(
                (each.source, each.key.lower() if each.source == "headers" else each.key)
                for each in spec.session_identifiers
            ),
        )

    def session(self, headers: Mapping[str, str], metadata: Mapping[str, str], time: float) -> bytes | None:
        """The key of a request's session at `time`, in seconds since 1970; None if it has none of the identifiers.

        `headers` are by name in lower case. Sessions do not all change at once: each has a moment of its own.
        """
        found = [(headers if source == "headers" else metadata).get(key) for source, key in self.identifiers]
        if all(value is None for value in found):
            return None
        digest = blake2b(digest_size=16)
        for value in found:
            digest.update(b"-" if value is None else b"%d:%b" % (len(value), value.encode("utf-8", "surrogatepass")))
        moment = int.from_bytes(digest.digest()[:8], "big") % self.ttl
        digest.update(b"@%d" % ((int(time) + moment) // self.ttl))
        return digest.digest()


@dataclass(frozen=True, slots=True)
class Route:
    """Where requests of one kind go. `id` is the rule's or the virtual model's; empty for a model that was named."""

    id: str
    strategy: Strategy
    targets: tuple[Target, ...]
    sticky: Sticky | None = None

    @classmethod
    def of(cls, id: str, spec: RoutingSpec) -> Route:
        """The route that `spec` describes."""
        seen: Counter[str] = Counter()
        targets = []
        for each in spec.load_balance_targets:
            targets.append(Target.of(each, f"{each.target}\0{seen[each.target]}"))
            seen[each.target] += 1
        sticky = None if spec.sticky_routing is None else Sticky.of(spec.sticky_routing)
        return cls(id, _STRATEGIES[spec.type], tuple(targets), sticky)

    @classmethod
    def to(cls, provider: str, model: str) -> Route:
        """The route to one target."""
        return cls("", "priority", (Target(provider, model),))


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
