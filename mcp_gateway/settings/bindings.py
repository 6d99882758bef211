"""What becomes of a tool's argument: fixed, bound to the caller's identity, hidden, or shown (perhaps changed)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Discriminator, Field, JsonValue, Strict, Tag

from mcp_gateway.settings.base import Model, Text, refusal

FROM_PATTERN: Final = r"^(principal\.(id|subject|email|issuer|claims\..+)|metadata\..+)$"
_FROM: Final = re.compile(r"principal\.(id|subject|email|issuer|claims\.\S{1,128})|metadata\.\S{1,128}")


def _origin(value: str) -> str:
    if not _FROM.fullmatch(value):
        raise refusal("expected principal.{id,subject,email,issuer,claims.X} or metadata.X")
    return value


class FixedArgument(Model):
    """Always this value; the agent does not see the argument."""

    value: JsonValue = Field(description="The value, any JSON.")


class BoundArgument(Model):
    """Taken from the caller's identity or metadata; the agent does not see the argument."""

    source: Annotated[str, Strict(), AfterValidator(_origin)] = Field(
        validation_alias="from",
        serialization_alias="from",
        description="principal.{id,subject,email,issuer,claims.X} or metadata.X.",
        json_schema_extra={"pattern": FROM_PATTERN},
    )


class HiddenArgument(Model):
    """Never sent; the agent does not see the argument and the upstream uses its own default."""

    hidden: Literal[True] = Field(description="true: the agent does not see it, the upstream does not get it.")


class ShownArgument(Model):
    """Shown to the agent, under another name, with another description or with a default."""

    name: Text | None = Field(default=None, description="The name that the agent sees.")
    description: str | None = Field(default=None, description="The description that the agent sees.")
    default: JsonValue = Field(
        default=None, description="Used when the agent leaves the argument out; makes it optional."
    )

    @property
    def has_default(self) -> bool:
        """Whether a default was written; null is one."""
        return "default" in self.model_fields_set


def _meaning(value: Any) -> str:
    if isinstance(value, Mapping):
        if "value" in value:
            return "fixed"
        if "hidden" in value:
            return "hidden"
        return "bound" if "from" in value else "shown"
    if isinstance(value, FixedArgument):
        return "fixed"
    if isinstance(value, HiddenArgument):
        return "hidden"
    return "bound" if isinstance(value, BoundArgument) else "shown"


ArgumentBinding = Annotated[
    Annotated[FixedArgument, Tag("fixed")]
    | Annotated[BoundArgument, Tag("bound")]
    | Annotated[HiddenArgument, Tag("hidden")]
    | Annotated[ShownArgument, Tag("shown")],
    Discriminator(_meaning),
]
"""Exactly one meaning: `value`, or `from`, or `hidden`, or any of `name`, `description` and `default`."""
