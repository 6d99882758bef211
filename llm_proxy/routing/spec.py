"""What is read here of the configuration, as protocols: the settings room's models satisfy them structurally."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, Protocol

StrategyName = Literal["weight-based-routing", "latency-based-routing", "priority-based-routing"]


class RetrySpec(Protocol):
    """How often the same target is tried again. `delay` is in milliseconds."""

    @property
    def attempts(self) -> int: ...
    @property
    def delay(self) -> int: ...
    @property
    def on_status_codes(self) -> Sequence[str]: ...


class SlaSpec(Protocol):
    """What is too slow, in milliseconds."""

    @property
    def time_per_output_token_ms(self) -> float | None: ...
    @property
    def time_to_first_token_ms(self) -> float | None: ...


class HeadersSpec(Protocol):
    """Changes to header fields."""

    @property
    def set(self) -> Mapping[str, str]: ...
    @property
    def remove(self) -> Sequence[str]: ...


class TargetSpec(Protocol):
    """A target as an admin writes it."""

    @property
    def target(self) -> str: ...
    @property
    def weight(self) -> int | None: ...
    @property
    def priority(self) -> int: ...
    @property
    def sla_cutoff(self) -> SlaSpec | None: ...
    @property
    def retry_config(self) -> RetrySpec: ...
    @property
    def fallback_status_codes(self) -> Sequence[str]: ...
    @property
    def fallback_candidate(self) -> bool: ...
    @property
    def override_params(self) -> Mapping[str, Any]: ...
    @property
    def headers_override(self) -> HeadersSpec: ...
    @property
    def metadata_match(self) -> Mapping[str, str]: ...


class IdentifierSpec(Protocol):
    """A part of what tells sessions apart."""

    @property
    def source(self) -> Literal["headers", "metadata"]: ...
    @property
    def key(self) -> str: ...


class StickySpec(Protocol):
    """How long sessions stay, and what tells them apart."""

    @property
    def ttl_seconds(self) -> int: ...
    @property
    def session_identifiers(self) -> Sequence[IdentifierSpec]: ...


class RoutingSpec(Protocol):
    """How one of several targets is chosen."""

    @property
    def type(self) -> StrategyName: ...
    @property
    def load_balance_targets(self) -> Sequence[TargetSpec]: ...
    @property
    def sticky_routing(self) -> StickySpec | None: ...


class WhenSpec(Protocol):
    """Which requests; what is empty matches everything."""

    @property
    def subjects(self) -> Sequence[str]: ...
    @property
    def models(self) -> Sequence[str]: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...


class RuleSpec(RoutingSpec, Protocol):
    """A rule."""

    @property
    def id(self) -> str: ...
    @property
    def when(self) -> WhenSpec: ...


class ProviderSpec(Protocol):
    """What routing reads of a provider: the models that it wants listed."""

    @property
    def models(self) -> Collection[str]: ...
