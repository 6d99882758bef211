"""`models.yaml`: the LLM plane."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, Strict, model_validator

from mcp_gateway.settings.base import Flag, FrozenMapping, Model, Name, Whole, empty_mapping, refusal, section
from mcp_gateway.settings.llm_budgets import BudgetSettings, ModelRateLimitSettings
from mcp_gateway.settings.llm_words import Target, Usd, provider_of
from mcp_gateway.settings.problems import nearest
from mcp_gateway.settings.providers import ProviderSettings
from mcp_gateway.settings.references import LocalPath
from mcp_gateway.settings.routing import RoutingSettings
from mcp_gateway.settings.units import Duration

VIRTUAL_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,62}/[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
_VIRTUAL: Final = re.compile(VIRTUAL_PATTERN[:-1] + r"\Z")
_LONGEST_TTL: Final = 3 * 86_400


def _virtual(value: str) -> str:
    if not _VIRTUAL.match(value):
        raise refusal("expected group/name", "a group is written as a provider's name is")
    return value


VirtualName = Annotated[str, Strict(), AfterValidator(_virtual), Field(json_schema_extra={"pattern": VIRTUAL_PATTERN})]


class PriceSettings(Model):
    """What a model costs, in USD per million tokens. It outranks the bundled prices."""

    input: Usd = Field(description="Tokens of prompts.")
    output: Usd = Field(default=Decimal(0), description="Tokens of answers.")
    cache_read: Usd | None = Field(default=None, description="Read from the provider's cache; default as `input`.")
    cache_write: Usd | None = Field(default=None, description="Written to the provider's cache; default as `input`.")


class CacheSettings(Model):
    """Answers that are given again to the same request of the same caller."""

    enabled: Flag = Field(default=False, description="true: requests that ask for it are answered from it.")
    ttl: Duration = Field(default=3600.0, description="How long an answer is kept; at most 3d.")
    max_entries: Whole = Field(default=1000, description="Most answers that are kept.")

    @model_validator(mode="after")
    def _not_for_long(self) -> CacheSettings:
        if self.ttl > _LONGEST_TTL:
            raise refusal("expected at most 3d", at=("ttl",))
        return self


class DefaultSettings(Model):
    """What holds for every request that says nothing else."""

    max_output_tokens: Whole = Field(
        default=4096, description="Output for which a budget is held back if the client gives no limit."
    )
    on_disconnect: Literal["drain", "cancel"] = Field(
        default="drain",
        description="The client left: drain reads on to learn the usage, cancel stops and charges an estimate.",
    )
    timeout: Duration = Field(default=300.0, description="Time for one attempt at one target, all in all.")
    first_token_timeout: Duration | None = Field(
        default=None, description="Time until a stream has its first token; then the next target is tried."
    )
    idle_timeout: Duration = Field(default=60.0, description="Time between two pieces of a stream.")
    cache: CacheSettings = section()


class ModelsSettings(Model):
    """The file as a whole."""

    providers: FrozenMapping[Name, ProviderSettings] = Field(
        min_length=1, description="Where models are, by name.", json_schema_extra={"additionalProperties": False}
    )
    prices: FrozenMapping[Target, PriceSettings] = Field(
        default_factory=empty_mapping, description="Prices by provider/model, besides the bundled ones."
    )
    routing: tuple[LocalPath, ...] = Field(
        default=(), description="Files of the type gateway-load-balancing-config, in their order."
    )
    virtual_models: FrozenMapping[VirtualName, RoutingSettings] = Field(
        default_factory=empty_mapping, description="Models made of others, by group/name."
    )
    budgets: tuple[BudgetSettings, ...] = Field(default=(), description="How much may be spent, counted per what.")
    rate_limits: tuple[ModelRateLimitSettings, ...] = Field(default=(), description="How often, counted per what.")
    defaults: DefaultSettings = section()

    @model_validator(mode="after")
    def _names_differ(self) -> ModelsSettings:
        for key in ("budgets", "rate_limits"):
            ids = [each.id for each in getattr(self, key)]
            for index, name in enumerate(ids):
                if name in ids[:index]:
                    raise refusal("another one has this id", at=(key, index, "id"))
        for name in self.virtual_models:
            if provider_of(name) in self.providers:
                raise refusal(
                    f"`{provider_of(name)}` is a provider", "call the group otherwise", ("virtual_models", name)
                )
        return self

    @model_validator(mode="after")
    def _providers_exist(self) -> ModelsSettings:
        for at, name in self._named():
            if name not in self.providers:
                raise refusal(f"unknown provider `{name}`", nearest(name, self.providers), at)
        return self

    def _named(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for target in self.prices:
            yield ("prices", target), provider_of(target)
        for name, routing in self.virtual_models.items():
            for at, provider in named_in(routing):
                yield ("virtual_models", name, *at), provider


def named_in(routing: RoutingSettings) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The providers that targets name, and where in `routing`."""
    for index, target in enumerate(routing.load_balance_targets):
        yield ("load_balance_targets", index, "target"), provider_of(target.target)
