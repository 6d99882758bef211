"""The small values of which the files of the LLM plane consist: names of models, selectors, status codes, amounts."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, Strict, WithJsonSchema

from mcp_gateway.settings.base import FrozenMapping, Model, Text, empty_mapping, refusal
from mcp_gateway.settings.rate_limits import SUBJECT_PATTERN, Subject

TARGET_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,62}/[^\s/][^\s]{0,255}$"
MODEL_PATTERN: Final = r"^[^\s]{1,256}$"
PER_PATTERN: Final = r"^(user|team|virtual_?account|model|metadata\..+)$"
CODE_PATTERN: Final = (
    r"^([45][0-9][0-9]|rate_limit|overloaded|context_window|content_filter|authentication|invalid|server)$"
)

_TARGET: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}/[^\s/\x00-\x1f\x7f][^\s\x00-\x1f\x7f]{0,255}")
_MODEL: Final = re.compile(r"[^\s\x00-\x1f\x7f]{1,256}")
_PER: Final = re.compile(r"user|team|virtual_account|model|metadata\.[^\s]{1,128}")
_STATUS: Final = re.compile(r"[45][0-9][0-9]")
_KINDS: Final = frozenset(
    {"rate_limit", "overloaded", "context_window", "content_filter", "authentication", "invalid", "server"}
)
METADATA: Final = "metadata."
"""What `per` puts before a key of the metadata."""

_SCALE: Final = 9
"""Digits after the point that an amount may have: a billionth of a dollar."""


def provider_of(target: str) -> str:
    """The provider in `provider/model`."""
    return target.partition("/")[0]


def _target(value: str) -> str:
    if not _TARGET.fullmatch(value):
        raise refusal("expected provider/model", "the provider by its name in `providers`, the model by the provider's")
    return value


def _model(value: str) -> str:
    if not _MODEL.fullmatch(value):
        raise refusal("expected a model's name of 1 to 256 characters without spaces")
    return value


def _account(value: object) -> object:
    """`virtualaccount:` and `virtualaccount`, as other gateways write them."""
    if isinstance(value, str) and value.startswith("virtualaccount"):
        return value.replace("virtualaccount", "virtual_account", 1)
    return value


def _per(value: str) -> str:
    if not _PER.fullmatch(value):
        raise refusal("expected user, team, virtual_account, model or metadata.<key>")
    return value


def _code(value: object) -> str:
    """A status, which YAML may read as a number, or a class of errors."""
    text = str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not _STATUS.fullmatch(text) and text not in _KINDS:
        raise refusal("expected a status such as '429' or one of " + ", ".join(sorted(_KINDS)))
    return text


def _amount(value: object) -> Decimal:
    number = isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
    amount = Decimal(str(value)) if number else Decimal(-1)
    if not amount.is_finite() or not 0 <= amount <= 10**9:
        raise refusal("expected an amount in USD, at least 0 and at most 1000000000")
    if amount != round(amount, _SCALE):
        raise refusal(f"an amount has at most {_SCALE} digits after the point")
    return amount


Target = Annotated[str, Strict(), AfterValidator(_target), Field(json_schema_extra={"pattern": TARGET_PATTERN})]
"""A model of a provider: `provider/model`."""

ModelName = Annotated[str, Strict(), AfterValidator(_model), Field(json_schema_extra={"pattern": MODEL_PATTERN})]
"""What a client may ask for."""

Caller = Annotated[
    Subject,
    BeforeValidator(_account),
    WithJsonSchema({"type": "string", "pattern": SUBJECT_PATTERN.replace("virtual_account", "virtual_?account")}),
]
Per = Annotated[
    str, Strict(), BeforeValidator(_account), AfterValidator(_per), Field(json_schema_extra={"pattern": PER_PATTERN})
]
Code = Annotated[
    str,
    PlainValidator(_code),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": CODE_PATTERN}, {"type": "integer", "minimum": 400, "maximum": 599}]}
    ),
]
"""A status of a provider (`'429'`), or the class of an error whatever its status (`context_window`)."""

Usd = Annotated[
    Decimal,
    PlainValidator(_amount),
    PlainSerializer(float, return_type=float),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 10**9}),
]
"""An exact amount."""

Millis = Annotated[int, Strict(), Field(ge=0, le=3_600_000)]
"""Milliseconds."""


class ModelsWhenSettings(Model):
    """Which requests. What is left out matches everything; of each list one entry must match, of metadata all."""

    subjects: tuple[Caller, ...] = Field(
        default=(), description="Principals such as user:alice@example.com or team:payments."
    )
    models: tuple[Text, ...] = Field(default=(), description="Globs over the model that was asked for.")
    metadata: FrozenMapping[Text, str] = Field(
        default_factory=empty_mapping, description="Metadata the request must carry."
    )
