"""`policies`, `metadata`, `egress` and `telemetry`: what is allowed, declared, reachable and recorded."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Discriminator, Field, Strict, StringConstraints, Tag, model_validator

from mcp_gateway.core.linear import full_match
from mcp_gateway.core.metadata import MAX_KEY, MAX_KEYS, MAX_VALUE, is_key, is_value
from mcp_gateway.settings.addresses import Endpoint
from mcp_gateway.settings.base import Flag, FrozenMapping, Model, empty_mapping, refusal, section
from mcp_gateway.settings.rate_limits import Subject
from mcp_gateway.settings.references import LocalPath
from mcp_gateway.settings.shipping import CollectorField, CollectorValue, ShipSettings, check_ship
from mcp_gateway.settings.units import Duration, Size

_NOT_IN_LABELS: Final = re.compile(r"[^a-zA-Z0-9_]")
_HOST: Final = re.compile(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?(:[0-9]{1,5})?")


class PolicySettings(Model):
    """Cedar policies. Present means deny by default."""

    path: LocalPath = Field(default="policies/", validate_default=True, description="Folder of the policies.")
    mode: Literal["enforce", "audit"] = Field(default="enforce", description="audit only records what would be denied.")
    record: Literal["facts", "values"] = Field(
        default="facts",
        description="values: what policies read of arguments and results is recorded as well, for `policy replay`.",
    )


def _policy_kind(value: Any) -> str:
    return "folder" if isinstance(value, (Mapping, PolicySettings)) else "none"


Policies = Annotated[
    Annotated[PolicySettings, Tag("folder")] | Annotated[Literal["none"], Tag("none")],
    Discriminator(_policy_kind),
]
"""A folder of policies, or the word `none`: serve another interface without any."""


def _metadata_key(value: str) -> str:
    if not is_key(value):
        raise refusal(f"expected a key of 1 to {MAX_KEY} characters without spaces and control characters")
    return value


def _metadata_value(value: str) -> str:
    if not is_value(value):
        raise refusal(f"a metadata value has at most {MAX_VALUE} characters, no control characters among them")
    return value


MetadataName = Annotated[str, Strict(), AfterValidator(_metadata_key)]
MetadataValue = Annotated[str, Strict(), AfterValidator(_metadata_value)]


class MetadataKey(Model):
    """What one key of the metadata may hold."""

    required: Flag = Field(default=False, description="Calls without it are refused.")
    allowed: tuple[MetadataValue, ...] = Field(default=(), description="The values it may have; [] is any.")
    pattern: str | None = Field(default=None, description="A regular expression for the whole value, in RE2's syntax.")

    @model_validator(mode="after")
    def _compiles(self) -> MetadataKey:
        if self.pattern is None:
            return self
        try:
            matches = full_match(self.pattern)
        except ValueError as error:
            raise refusal(f"not a regular expression: {error}", at=("pattern",)) from error
        for index, value in enumerate(self.allowed):
            if not matches(value):
                raise refusal("this value does not match the pattern", at=("allowed", index))
        return self

    def takes(self, value: str) -> bool:
        """Whether it may have this value."""
        if self.required and not value:
            return False
        return (not self.allowed or value in self.allowed) and (self.pattern is None or full_match(self.pattern)(value))


class StampWhen(Model):
    """Whose calls are stamped."""

    subjects: tuple[Subject, ...] = Field(default=(), description="Principals such as team:payments; [] is everybody.")


class StampSettings(Model):
    """Metadata that the gateway sets itself: identity outranks what the caller claims."""

    when: StampWhen = section()
    set: FrozenMapping[MetadataName, MetadataValue] = Field(min_length=1, description="Keys and values to set.")


class MetadataSettings(Model):
    """The contract for what callers say about a request."""

    keys: FrozenMapping[MetadataName, MetadataKey] = Field(
        default_factory=empty_mapping, max_length=MAX_KEYS, description="The keys, by name."
    )
    unknown_keys: Literal["allow", "reject"] = Field(default="allow", description="What happens to other keys.")
    mode: Literal["enforce", "audit"] = Field(
        default="enforce", description="audit only records what would be refused."
    )
    stamp: tuple[StampSettings, ...] = Field(default=(), description="Metadata set by identity.")

    @model_validator(mode="after")
    def _stamps_fit(self) -> MetadataSettings:
        for index, name, value in self._stamped():
            if name in self.keys and not self.keys[name].takes(value):
                raise refusal("this value is not what `keys` says of it", at=("stamp", index, "set", name))
        return self

    def _stamped(self) -> Iterator[tuple[int, str, str]]:
        for index, stamp in enumerate(self.stamp):
            for name, value in stamp.set.items():
                yield index, name, value

    def may_have(self, key: str) -> bool:
        """Whether a request can have `key`."""
        return self.unknown_keys == "allow" or key in self.keys or any(key == name for _, name, _ in self._stamped())


def _reachable(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError as error:
        if not _HOST.fullmatch(value) or "/" in value:
            raise refusal(
                "expected a network such as 10.1.0.0/16 or a host name", "a network has no host bits set"
            ) from error
    return value


class EgressSettings(Model):
    """Where addresses that were learned, not configured, may lead besides the public internet."""

    allow: tuple[Annotated[str, Strict(), AfterValidator(_reachable)], ...] = Field(
        default=(), description="Networks and hosts."
    )


class AuditSettings(Model):
    """The record of every call."""

    path: LocalPath | None = Field(
        default=None, description="Folder of the record. Left out, records are lines on standard output only."
    )
    bodies: Literal["none", "hashes", "redacted"] = Field(
        default="none", description="What of the contents is recorded."
    )
    sync: Literal["interval", "always"] = Field(
        default="interval", description="always: what may change something waits until its record is on the disk."
    )
    on_failure: Literal["refuse", "allow"] = Field(
        default="refuse", description="What becomes of calls that may change something while nothing can be recorded."
    )
    unknown_per_minute: Annotated[int, Strict()] = Field(
        default=600, ge=0, le=1_000_000, description="Refusals of unknown callers that are recorded one by one."
    )
    keep_for: Duration | None = Field(default=None, description="How long files of the record are kept. null: forever.")
    keep_size: Size | None = Field(default=None, description="Most bytes of a chain's files that are kept. null: all.")

    ship: tuple[ShipSettings, ...] = Field(
        default=(), max_length=8, description="Where copies of the record are kept: databases, collectors, files."
    )

    @model_validator(mode="after")
    def _somewhere(self) -> AuditSettings:
        if self.path is None:
            for name in ("bodies", "sync", "on_failure", "keep_for", "keep_size", "ship"):
                if name in self.model_fields_set and getattr(self, name) not in (None, "none", ()):
                    raise refusal("this needs a `path` that the record is kept in", at=(name,))
        check_ship(self.path, self.ship)
        return self


_BaggageKey = Annotated[str, Strict(), StringConstraints(pattern=r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$")]


class BaggageSettings(Model):
    """What is taken of the W3C baggage that callers send. Left out, nothing is."""

    forward: tuple[_BaggageKey, ...] = Field(
        default=(), max_length=64, description="Keys that go on to upstreams and providers."
    )
    attributes: tuple[_BaggageKey, ...] = Field(
        default=(), max_length=64, description="Keys that become attributes of spans."
    )


class TelemetrySettings(Model):
    """Traces, metrics and the audit record."""

    otlp_endpoint: Endpoint | None = Field(
        default=None, description="The collector that traces and metrics are sent to; null makes none."
    )
    otlp_protocol: Literal["http", "grpc"] = Field(default="http", description="How the collector is spoken to.")
    otlp_headers: FrozenMapping[CollectorField, CollectorValue] = Field(
        default_factory=empty_mapping, description="Header fields for the collector, as env:NAME or file:/path."
    )
    trace_ratio: Annotated[float, Strict()] = Field(
        default=1.0, ge=0, le=1, description="Share of requests that are traced."
    )
    prometheus: Flag = Field(default=True, description="Serve /metrics on the control plane.")
    metric_labels: tuple[MetadataName, ...] = Field(
        default=(), max_length=8, description="Keys of `metadata.keys` that become labels of metrics."
    )
    content: Literal["none", "redacted"] = Field(
        default="none", description="What of arguments, results, prompts and answers spans hold."
    )
    baggage: BaggageSettings = section()
    audit: AuditSettings = section()

    @model_validator(mode="after")
    def _labels_apart(self) -> TelemetrySettings:
        seen: set[str] = set()
        for index, key in enumerate(self.metric_labels):
            label = _NOT_IN_LABELS.sub("_", key)
            if label in seen:
                raise refusal(
                    "an earlier key is the same label: others than letters, digits and _ become _",
                    at=("metric_labels", index),
                )
            seen.add(label)
        return self
