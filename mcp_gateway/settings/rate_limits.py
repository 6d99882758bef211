"""`rate_limits`: how often, counted per what."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, Strict

from mcp_gateway.settings.base import FrozenMapping, Model, Text, empty_mapping, refusal, section

PER_PATTERN: Final = r"^(user|team|virtual_account|tool|metadata\..+)$"
_PER: Final = re.compile(r"user|team|virtual_account|tool|metadata\.[^\s]{1,128}")

SUBJECT_PATTERN: Final = r"^(user|team|virtual_account):.+$"
_SUBJECT: Final = re.compile(r"(user|team|virtual_account):[^\x00-\x1f]{1,512}")
MOST: Final = 100_000_000
"""The largest limit that every store counts exactly."""


def _per(value: str) -> str:
    if not _PER.fullmatch(value):
        raise refusal("expected user, team, virtual_account, tool or metadata.<key>")
    return value


def _subject(value: str) -> str:
    if not _SUBJECT.fullmatch(value):
        raise refusal("expected user:<name>, team:<name> or virtual_account:<name>")
    return value


Subject = Annotated[str, Strict(), AfterValidator(_subject), Field(json_schema_extra={"pattern": SUBJECT_PATTERN})]
Limit = Annotated[int, Strict(), Field(ge=1, le=MOST)]
Per = Annotated[str, Strict(), AfterValidator(_per), Field(json_schema_extra={"pattern": PER_PATTERN})]


class WhenSettings(Model):
    """Which calls a rule is about. What is left out matches everything."""

    subjects: tuple[Subject, ...] = Field(
        default=(), description="Principals such as user:alice@example.com or team:payments."
    )
    tools: tuple[Text, ...] = Field(
        default=(), description="Globs over upstream/tool, the upstream's own name and the exposed name."
    )
    metadata: FrozenMapping[Text, str] = Field(
        default_factory=empty_mapping, description="Metadata the call must carry."
    )


class RateLimitSettings(Model):
    """One limit. Every rule that matches a call must allow it."""

    id: Text = Field(description="Names the rule in refusals, metrics and records.")
    limit: Limit = Field(description="Calls per unit.")
    unit: Literal["calls_per_second", "calls_per_minute", "calls_per_hour", "calls_per_day"] = Field(
        description="The unit."
    )
    per: tuple[Per, ...] = Field(
        default=(), description="Each combination has a pool of its own; [] is one shared pool."
    )
    when: WhenSettings = section()
    mode: Literal["enforce", "audit"] = Field(
        default="enforce", description="audit only records what would be refused."
    )
    on_store_error: Literal["allow", "deny"] = Field(
        default="allow", description="What happens when the shared store is down."
    )
