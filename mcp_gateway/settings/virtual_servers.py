"""`virtual_servers/*.yaml`: compositions of upstreams, one a file."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, Strict, model_validator

from mcp_gateway.settings.base import Flag, FrozenMapping, Model, Name, Text, Whole, empty_mapping, refusal
from mcp_gateway.settings.bindings import ArgumentBinding, ShownArgument
from mcp_gateway.settings.rate_limits import RateLimitSettings
from mcp_gateway.settings.units import Duration

EXPOSED_PATTERN: Final = r"^[A-Za-z0-9_./-]{1,64}$"
_EXPOSED: Final = re.compile(EXPOSED_PATTERN[:-1] + r"\Z")
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_./-]{0,63}")


def _exposed(value: str) -> str:
    if not _EXPOSED.match(value):
        raise refusal("expected a tool name of 1 to 64 characters of [A-Za-z0-9_./-]")
    return value


def _prefix(value: str) -> str:
    if not _PREFIX.fullmatch(value):
        raise refusal("expected a prefix of at most 63 characters of [A-Za-z0-9_./-]")
    return value


def _scope(value: str) -> str:
    if not _SCOPE.fullmatch(value):
        raise refusal("expected one scope (RFC 6749 §3.3): no spaces, quotes or backslashes")
    return value


Scope = Annotated[str, Strict(), AfterValidator(_scope)]
ExposedName = Annotated[str, Strict(), AfterValidator(_exposed), Field(json_schema_extra={"pattern": EXPOSED_PATTERN})]
Prefix = Annotated[str, Strict(), AfterValidator(_prefix)]


class AnnotationSettings(Model):
    """Hints about a tool, in the protocol's own words. What is given outranks what the upstream says."""

    title: Text | None = Field(default=None, description="A title for people.")
    readOnlyHint: Flag | None = Field(default=None, description="It changes nothing.")
    destructiveHint: Flag | None = Field(default=None, description="It may destroy.")
    idempotentHint: Flag | None = Field(default=None, description="A repetition changes nothing more.")
    openWorldHint: Flag | None = Field(default=None, description="It reaches out into the world.")


class ToolSettings(Model):
    """Changes to one tool of a source; what is left out stays as the upstream has it."""

    name: ExposedName | None = Field(
        default=None, description="The exposed name; the upstream's own name stays the identity."
    )
    title: Text | None = Field(default=None, description="A title for people.")
    description: str | None = Field(default=None, description="The description that the agent sees.")
    annotations: AnnotationSettings | None = Field(default=None, description="Hints that outrank the upstream's.")
    arguments: FrozenMapping[Text, ArgumentBinding] = Field(
        default_factory=empty_mapping, description="What becomes of arguments, by the upstream's names."
    )
    scopes: tuple[Scope, ...] = Field(
        default=(), description="Scopes that a caller's token needs for this tool, besides those of the server."
    )
    tags: tuple[Text, ...] = Field(default=(), description="Words for policies: resource.tags.contains(...).")
    cost: Annotated[float, Strict()] = Field(default=0.0, ge=0, description="USD per call, counted against budgets.")

    @model_validator(mode="after")
    def _distinct(self) -> ToolSettings:
        seen: set[str] = set()
        for argument, binding in self.arguments.items():
            name = binding.name if isinstance(binding, ShownArgument) else None
            if name is not None and name in seen:
                raise refusal("two arguments get the same name", at=("arguments", argument, "name"))
            seen.update({name} if name is not None else ())
        return self


class SourceSettings(Model):
    """What a virtual server takes from one upstream. Globs are over the upstream's own names."""

    upstream: Name = Field(description="Name of the upstream.")
    prefix: Prefix = Field(default="", description="Put before every exposed name.")
    enabled_tools: tuple[Text, ...] = Field(default=("*",), description="Tools to take.")
    disabled_tools: tuple[Text, ...] = Field(default=(), description="Tools to leave out of those.")
    tags: tuple[Text, ...] = Field(default=(), description="Words for policies about every tool of this source.")
    enabled_prompts: tuple[Text, ...] = Field(default=(), description="Prompts to take.")
    enabled_resources: tuple[Text, ...] = Field(default=(), description="Resources and templates to take, by URI.")
    tools: FrozenMapping[Text, ToolSettings] = Field(
        default_factory=empty_mapping, description="Changes to single tools, by the upstream's names."
    )


class VirtualServerSettings(Model):
    """One composition, served at {public_url}/servers/{name}/mcp."""

    name: Name = Field(description="Its name in the address.")
    title: Text | None = Field(default=None, description="A title for people.")
    instructions: str | None = Field(default=None, description="What the agent is told about the server.")
    sources: tuple[SourceSettings, ...] = Field(
        min_length=1, description="Where tools, prompts and resources come from."
    )
    conflicts: Literal["error", "prefix", "priority"] = Field(
        default="error",
        description="Two sources expose the same name: error, prefix with the upstream's name, or first source wins.",
    )
    best_effort: Flag = Field(default=True, description="A source that is down leaves the list; false: listing fails.")
    timeout: Duration = Field(default=60.0, description="Time for one call, all in all.")
    max_concurrency: Whole | None = Field(default=None, description="Calls at once; without it there is no limit.")
    scopes: tuple[Scope, ...] = Field(
        default=(), description="Scopes that a caller's token needs; without them the answer is 403."
    )
    rate_limits: tuple[RateLimitSettings, ...] = Field(default=(), description="How often, counted per what.")

    @model_validator(mode="after")
    def _distinct(self) -> VirtualServerSettings:
        seen: set[str] = set()
        for index, rule in enumerate(self.rate_limits):
            if rule.id in seen:
                raise refusal("two rate limits have the same id", at=("rate_limits", index, "id"))
            seen.add(rule.id)
        return self
