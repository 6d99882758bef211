"""Which target answers: documents of the type `gateway-load-balancing-config`, and the same for virtual models."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, Strict, model_validator

from mcp_gateway.core.frozen import freeze
from mcp_gateway.settings.base import Flag, FrozenMapping, Model, Text, empty_mapping, refusal, section
from mcp_gateway.settings.llm_words import Code, Millis, ModelsWhenSettings, Target
from mcp_gateway.settings.words import looks_secret

Strategy = Literal["weight-based-routing", "latency-based-routing", "priority-based-routing"]

RETRIED: Final = ("429", "500", "502", "503")
"""What is tried again on the same target, if the file does not say."""

FALLEN_BACK: Final = ("401", "403", "404", "429", "500", "502", "503")
"""What leads to the next target, if the file does not say."""

_FIELD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_TEXT: Final = re.compile(r"[\x20-\x7e]{0,1024}")
_OURS: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-api-key",
        "x-goog-api-key",
    }
)
_NOT_OVERRIDDEN: Final[Mapping[str, str]] = {
    "model": "`target` says the model",
    "stream": "the client says whether it streams",
    "prompt_version_fqn": "there are no stored prompts here",
}


def header_name(name: str) -> str:
    """A header field that an admin may set on requests to providers."""
    if not _FIELD.fullmatch(name):
        raise refusal("expected the name of a header field")
    if name.lower() in _OURS or name.lower().startswith("proxy-"):
        raise refusal("this header is set by the gateway itself", "credentials are given as `api_key`")
    return name


def _plain(value: str) -> str:
    if not _TEXT.fullmatch(value):
        raise refusal("expected a header value of visible ASCII characters")
    return value


def _parameters(value: Mapping[str, Any]) -> Mapping[str, Any]:
    for name, why in _NOT_OVERRIDDEN.items():
        if name in value:
            raise refusal(f"`{name}` cannot be overridden", why, (name,))
    return MappingProxyType({name: freeze(held) for name, held in value.items()})


HeaderField = Annotated[str, Strict(), AfterValidator(header_name)]
PlainValue = Annotated[str, Strict(), AfterValidator(_plain)]
Weight = Annotated[int, Strict(), Field(ge=0, le=100)]
Priority = Annotated[int, Strict(), Field(ge=0, le=1000)]
Threshold = Annotated[float, Strict(), Field(gt=0)]


class RetrySettings(Model):
    """Trying the same target again."""

    attempts: Annotated[int, Strict(), Field(ge=0, le=10)] = Field(
        default=2, description="How many times it is tried again after the first."
    )
    delay: Millis = Field(default=100, description="Milliseconds before each; a provider's Retry-After counts if more.")
    on_status_codes: tuple[Code, ...] = Field(default=RETRIED, description="What is tried again.")


class SlaSettings(Model):
    """From when on a target counts as too slow."""

    time_per_output_token_ms: Threshold | None = Field(default=None, description="Milliseconds for one output token.")
    time_to_first_token_ms: Threshold | None = Field(default=None, description="Milliseconds to the first token.")

    @model_validator(mode="after")
    def _says_something(self) -> SlaSettings:
        if self.time_per_output_token_ms is None and self.time_to_first_token_ms is None:
            raise refusal("expected `time_per_output_token_ms` or `time_to_first_token_ms`")
        return self


class HeadersOverride(Model):
    """Changes to the header fields of a request to a provider."""

    set: FrozenMapping[HeaderField, PlainValue] = Field(
        default_factory=empty_mapping, description="Fields to set; no secrets."
    )
    remove: tuple[HeaderField, ...] = Field(default=(), description="Fields to leave out.")

    @model_validator(mode="after")
    def _no_literal_secrets(self) -> HeadersOverride:
        for name in self.set:
            if looks_secret(name):
                raise refusal("a literal secret is refused", "give it under `headers` of the provider", ("set", name))
        return self


class TargetSettings(Model):
    """A model that may answer."""

    target: Target = Field(description="provider/model.")
    weight: Weight | None = Field(default=None, description="Its share of the requests, of weight-based-routing.")
    priority: Priority = Field(default=0, description="0 comes first, of priority-based-routing.")
    sla_cutoff: SlaSettings | None = Field(
        default=None, description="When it is too slow to be chosen, of priority-based-routing."
    )
    retry_config: RetrySettings = section()
    fallback_status_codes: tuple[Code, ...] = Field(
        default=FALLEN_BACK, description="What leads to the next target; anything else fails at once."
    )
    fallback_candidate: Flag = Field(default=True, description="false: not used when another one failed.")
    override_params: Annotated[FrozenMapping[str, Any], AfterValidator(_parameters)] = Field(
        default_factory=empty_mapping, description="Put into the body that goes to it."
    )
    headers_override: HeadersOverride = section()
    metadata_match: FrozenMapping[Text, str] = Field(
        default_factory=empty_mapping, description="Only for requests that carry this metadata."
    )


class SessionIdentifier(Model):
    """A part of what tells sessions apart."""

    source: Literal["headers", "metadata"] = Field(description="Where it stands in a request.")
    key: Text = Field(description="The header field or the key of the metadata.")


class StickySettings(Model):
    """Requests of one session go to one target, as long as it is healthy."""

    ttl_seconds: Annotated[int, Strict(), Field(ge=1, le=30 * 86_400)] = Field(
        description="How long a session stays with a target."
    )
    session_identifiers: tuple[SessionIdentifier, ...] = Field(
        min_length=1, description="What requests of one session have in common."
    )


class RoutingSettings(Model):
    """How one of several targets is chosen."""

    type: Strategy = Field(description="By weight, by measured speed, or in a fixed order.")
    load_balance_targets: tuple[TargetSettings, ...] = Field(min_length=1, max_length=100, description="The targets.")
    sticky_routing: StickySettings | None = Field(
        default=None, description="Keeps sessions together, of weight-based-routing."
    )

    @model_validator(mode="after")
    def _fits_its_type(self) -> RoutingSettings:
        for at, name, belongs in self._misplaced():
            raise refusal(f"`{name}` belongs to {belongs}", at=at)
        if self.type == "weight-based-routing":
            for index, target in enumerate(self.load_balance_targets):
                if target.weight is None:
                    raise refusal("missing key `weight`", at=("load_balance_targets", index))
            if not any(target.weight for target in self.load_balance_targets):
                raise refusal("at least one target has a weight of more than 0", at=("load_balance_targets",))
        return self

    def _misplaced(self) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
        weights, order = "weight-based-routing", "priority-based-routing"
        if self.sticky_routing is not None and self.type != weights:
            yield ("sticky_routing",), "sticky_routing", weights
        for index, target in enumerate(self.load_balance_targets):
            for name, belongs in (("weight", weights), ("priority", order), ("sla_cutoff", order)):
                if name in target.model_fields_set and self.type != belongs:
                    yield ("load_balance_targets", index, name), name, belongs


class RoutingRuleSettings(RoutingSettings):
    """Chooses for the requests that it matches. The first rule that matches decides alone."""

    id: Text = Field(description="Names the rule in records and metrics; unique in all documents.")
    when: ModelsWhenSettings = section()


class RoutingDocument(Model):
    """One file of rules."""

    name: Text | None = Field(default=None, description="For people.")
    type: Literal["gateway-load-balancing-config"] = Field(description="What kind of document it is.")
    rules: tuple[RoutingRuleSettings, ...] = Field(default=(), description="From the first to the last.")
