"""`budgets` and `rate_limits` of `models.yaml`: how much may be spent, how often may be asked."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import Field, PlainSerializer, PlainValidator, Strict, ValidationInfo, WithJsonSchema, model_validator

from mcp_gateway.core.secret import REDACTED, Secret
from mcp_gateway.settings.addresses import is_loopback, split_url
from mcp_gateway.settings.base import FrozenMapping, Model, Text, empty_mapping, refusal, section
from mcp_gateway.settings.llm_words import Caller, ModelsWhenSettings, Per, Usd
from mcp_gateway.settings.rate_limits import Limit
from mcp_gateway.settings.references import is_reference, resolve_secret

THRESHOLDS: Final = (75.0, 90.0, 95.0, 100.0)

Tokens = Annotated[int, Strict(), Field(ge=1, le=10**15)]
Percent = Annotated[float, Strict(), Field(gt=0, le=1000)]
Mode = Literal["enforce", "audit"]
OnStoreError = Literal["allow", "deny"]


def _webhook(value: object, info: ValidationInfo) -> Secret:
    """An address, which may itself be a secret: whoever knows it can post."""
    held = resolve_secret(value, info) if isinstance(value, Secret) or is_reference(value) else None
    if held is None and not isinstance(value, str):
        raise refusal("expected a URL, env:NAME or file:/path")
    text = str(value) if held is None else held.reveal()
    parts = split_url(text)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise refusal("plain http is accepted for loopback addresses only", "use https")
    return held or Secret(text)


def _redacted(value: Secret | None) -> str | None:
    return None if value is None else REDACTED


Webhook = Annotated[
    Secret,
    PlainValidator(_webhook),
    PlainSerializer(_redacted, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["https://hooks.example.com/budgets", "env:BUDGET_HOOK"]}),
]


class BudgetWhenSettings(Model):
    """What counts. What is left out matches everything; of each list one entry must match, of metadata all.

    A budget that names only models counts no tools, and one that names only tools no models.
    """

    subjects: tuple[Caller, ...] = Field(
        default=(), description="Principals such as user:alice@example.com or team:payments."
    )
    models: tuple[Text, ...] = Field(default=(), description="Globs over the model asked for and the one that answers.")
    tools: tuple[Text, ...] = Field(default=(), description="Globs over upstream/tool, for tools that have a cost.")
    metadata: FrozenMapping[Text, str] = Field(
        default_factory=empty_mapping, description="Metadata the request must carry."
    )


class BudgetLimits(Model):
    """What may be used up in each period (UTC; weeks begin on Monday). A request must fit in all."""

    cost_per_day: Usd | None = Field(default=None, description="USD.")
    cost_per_week: Usd | None = Field(default=None, description="USD.")
    cost_per_month: Usd | None = Field(default=None, description="USD.")
    cost_per_quarter: Usd | None = Field(default=None, description="USD.")
    cost_per_lifetime: Usd | None = Field(default=None, description="USD, once and for all.")
    tokens_per_day: Tokens | None = Field(default=None, description="Tokens of prompts and answers.")
    tokens_per_week: Tokens | None = Field(default=None, description="Tokens of prompts and answers.")
    tokens_per_month: Tokens | None = Field(default=None, description="Tokens of prompts and answers.")
    tokens_per_quarter: Tokens | None = Field(default=None, description="Tokens of prompts and answers.")
    tokens_per_lifetime: Tokens | None = Field(default=None, description="Tokens, once and for all.")

    @model_validator(mode="after")
    def _limits_something(self) -> BudgetLimits:
        if not self.given:
            raise refusal("expected at least one limit", "such as `cost_per_day: 50`")
        return self

    @property
    def given(self) -> tuple[tuple[str, Decimal | int], ...]:
        """Those limits that are set, as (`cost_per_day`, amount), in their order here."""
        found = ((name, getattr(self, name)) for name in type(self).model_fields)
        return tuple((name, limit) for name, limit in found if limit is not None)


class AlertSettings(Model):
    """When people are told that a budget is being used up."""

    thresholds: tuple[Percent, ...] = Field(default=THRESHOLDS, description="Percents of a limit.")
    webhook: Webhook | None = Field(default=None, description="Where it is posted; an address or a secret's name.")

    @model_validator(mode="after")
    def _finite(self) -> AlertSettings:
        for index, threshold in enumerate(self.thresholds):
            if not math.isfinite(threshold) or threshold in self.thresholds[:index]:
                raise refusal("expected each threshold once", at=("thresholds", index))
        return self


class BudgetSettings(Model):
    """One budget. Every budget that matches must have room, and every one that matches is charged."""

    id: Text = Field(description="Names it in refusals, metrics and records.")
    when: BudgetWhenSettings = section()
    limits: BudgetLimits = Field(description="How much.")
    per: tuple[Per, ...] = Field(
        default=(), description="Each combination has a budget of its own; [] is one that all share."
    )
    mode: Mode = Field(default="enforce", description="audit only records what would be refused.")
    alerts: AlertSettings = section()
    on_store_error: OnStoreError = Field(default="allow", description="What happens when the shared store is down.")


class ModelRateLimitSettings(Model):
    """One limit. Every rule that matches a request must allow it."""

    id: Text = Field(description="Names the rule in refusals, metrics and records.")
    limit: Limit = Field(description="Requests or tokens per unit.")
    unit: Literal[
        "requests_per_second",
        "requests_per_minute",
        "requests_per_hour",
        "requests_per_day",
        "tokens_per_minute",
        "tokens_per_hour",
        "tokens_per_day",
    ] = Field(description="The unit.")
    per: tuple[Per, ...] = Field(
        default=(), description="Each combination has a pool of its own; [] is one shared pool."
    )
    when: ModelsWhenSettings = section()
    mode: Mode = Field(default="enforce", description="audit only records what would be refused.")
    on_store_error: OnStoreError = Field(default="allow", description="What happens when the shared store is down.")
