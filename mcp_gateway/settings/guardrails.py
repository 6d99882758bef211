"""`guardrails.yaml`: guardrails in groups, and the rules that bring them to calls.

The documents of the gateways that the field names come from load too: `integrations` for `guardrails`,
`enforcing_strategy` for `mode`, types with a path before them, and conditions in the form of `target`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, Strict, ValidationInfo, model_validator

from mcp_gateway.settings.base import Flag, FrozenMapping, Model, Name, Text, empty_mapping, refusal, section
from mcp_gateway.settings.guardrail_spellings import conditions, kind, renamed
from mcp_gateway.settings.rate_limits import Subject
from mcp_gateway.settings.references import is_reference, resolve_secret
from mcp_gateway.settings.units import Duration

HOOKS: Final = (
    "llm_input_guardrails",
    "llm_output_guardrails",
    "mcp_tool_pre_invoke_guardrails",
    "mcp_tool_post_invoke_guardrails",
)

Priority = Annotated[int, Strict(), Field(ge=0, le=10_000)]
Failures = Annotated[int, Strict(), Field(ge=1, le=10_000)]
Kind = Annotated[str, Strict(), BeforeValidator(kind)]


def _secrets(value: object, info: ValidationInfo) -> object:
    """Headers of external guardrails may hold secrets, keys are some, and those are only ever named."""
    if not isinstance(value, Mapping):
        return value
    resolved = dict(value)
    headers = value.get("headers")
    if isinstance(headers, Mapping):
        resolved["headers"] = {
            name: resolve_secret(held, info) if is_reference(held) or name.lower() == "authorization" else held
            for name, held in headers.items()
        }
    if "api_key" in value:
        resolved["api_key"] = resolve_secret(value["api_key"], info)
    return resolved


Config = Annotated[FrozenMapping[str, Any], BeforeValidator(_secrets)]


class GuardrailCircuitSettings(Model):
    """When a guardrail that keeps failing is left alone."""

    failures: Failures = Field(default=5, description="Failures in a row after which it is left alone.")
    cooldown: Duration = Field(default=10.0, description="Time until it is asked again, for one call.")


class GuardrailSettings(Model):
    """One guardrail."""

    name: Name = Field(description="Its name in the group; rules and headers say group/name.")
    type: Kind = Field(description="What looks: pii, secrets, prompt_injection, sql, regex, size, code_safety, …")
    description: str | None = Field(default=None, description="For people.")
    operation: Literal["validate", "mutate"] = Field(
        default="validate", description="validate only refuses; mutate takes out what it finds."
    )
    mode: Literal["audit", "enforce_but_ignore_on_error", "enforce"] = Field(
        default="enforce", description="What a finding, and what a failure of the guardrail leads to."
    )
    priority: Priority = Field(default=1, description="Of several that mutate, lower ones come first.")
    timeout: Duration = Field(default=5.0, description="How long it may take.")
    circuit: GuardrailCircuitSettings = section()
    config: Config = Field(default_factory=empty_mapping, description="Options of its type.")

    @model_validator(mode="before")
    @classmethod
    def _spellings(cls, value: object) -> object:
        return renamed(value, {"enforcing_strategy": "mode"})


class GroupSettings(Model):
    """Guardrails under one name."""

    name: Name = Field(description="The first half of their names.")
    type: Literal["provider-account/guardrail-config-group"] | None = Field(default=None, description="Ignored.")
    guardrails: tuple[GuardrailSettings, ...] = Field(default=(), description="The guardrails.")

    @model_validator(mode="before")
    @classmethod
    def _spellings(cls, value: object) -> object:
        return renamed(value, {"integrations": "guardrails"})

    @model_validator(mode="after")
    def _names_differ(self) -> GroupSettings:
        for index in _again([guardrail.name for guardrail in self.guardrails]):
            raise refusal("another guardrail of the group has this name", at=("guardrails", index, "name"))
        return self


class GuardrailWhenSettings(Model):
    """Which calls a rule is about. What is left out matches everything."""

    servers: tuple[Text, ...] = Field(default=(), description="Globs over names of virtual servers.")
    tools: tuple[Text | Literal[""], ...] = Field(
        default=(), description="Globs over upstream/tool, upstream:tool, server:tool and the names alone."
    )
    models: tuple[Text | Literal[""], ...] = Field(default=(), description="Globs over names of models.")
    subjects: tuple[Subject, ...] = Field(default=(), description="Principals such as team:payments.")
    metadata: FrozenMapping[Text, str] = Field(default_factory=empty_mapping, description="Metadata it must carry.")

    @model_validator(mode="before")
    @classmethod
    def _spellings(cls, value: object) -> object:
        return conditions(value)


class GuardrailRuleSettings(Model):
    """Brings guardrails to the calls that it matches. All rules that match add up."""

    id: Text = Field(description="Names the rule for people.")
    when: GuardrailWhenSettings = section()
    llm_input_guardrails: tuple[Text, ...] = Field(default=(), description="They look at prompts.")
    llm_output_guardrails: tuple[Text, ...] = Field(default=(), description="They look at completions.")
    mcp_tool_pre_invoke_guardrails: tuple[Text, ...] = Field(
        default=(), description="They look at what goes to an upstream."
    )
    mcp_tool_post_invoke_guardrails: tuple[Text, ...] = Field(
        default=(), description="They look at what comes from an upstream."
    )
    custom_error_message: Text | None = Field(
        default=None, description="What a caller is told; {{guardrail_message}} stands for what they would be."
    )

    def named(self, hook: str) -> Sequence[str]:
        """The guardrails at `hook`."""
        names: Sequence[str] = getattr(self, hook)
        return names


class GuardrailsSettings(Model):
    """The file as a whole."""

    name: Text | None = Field(default=None, description="For people.")
    type: Literal["gateway-guardrails-config"] | None = Field(default=None, description="Ignored.")
    groups: tuple[GroupSettings, ...] = Field(default=(), description="Guardrails, besides the bundled ones.")
    rules: tuple[GuardrailRuleSettings, ...] = Field(default=(), description="Which calls they look at.")
    parallel: Flag = Field(
        default=True,
        description="true: guardrails that only refuse look at prompts while models answer; nothing leaves before.",
    )

    @model_validator(mode="before")
    @classmethod
    def _spellings(cls, value: object) -> object:
        return renamed(value, {"enable_parallel_execution": "parallel"})

    @model_validator(mode="after")
    def _names_differ(self) -> GuardrailsSettings:
        for index in _again([group.name for group in self.groups]):
            raise refusal("another group has this name", at=("groups", index, "name"))
        for index in _again([rule.id for rule in self.rules]):
            raise refusal("another rule has this id", at=("rules", index, "id"))
        return self


def _again(names: Sequence[str]) -> Iterator[int]:
    """The places of names that were there before."""
    for index, name in enumerate(names):
        if name in names[:index]:
            yield index
