"""What every settings model stands on: strictness, immutability, names, and how a validator refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    Strict,
    StringConstraints,
    WrapSerializer,
)
from pydantic_core import PydanticCustomError

K = TypeVar("K")
V = TypeVar("V")


class Model(BaseModel):
    """A frozen section of the configuration in which unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, populate_by_name=True)


def _freeze(value: Mapping[K, V]) -> Mapping[K, V]:
    return MappingProxyType(dict(value))


def _thaw(value: Mapping[K, V], inner: SerializerFunctionWrapHandler) -> Any:
    return inner(dict(value))


def empty_mapping() -> Mapping[Any, Any]:
    """The default of mapping fields."""
    return MappingProxyType({})


FrozenMapping = Annotated[Mapping[K, V], AfterValidator(_freeze), WrapSerializer(_thaw)]
"""A mapping that cannot be changed after validation."""

Text = Annotated[str, Strict(), StringConstraints(min_length=1)]
"""A string with something in it."""

Flag = Annotated[bool, Strict()]
Whole = Annotated[int, Strict(), Field(ge=1)]
"""A whole number of one or more."""

Port = Annotated[int, Strict(), Field(ge=0, le=65535)]
"""A TCP port; 0 lets the system choose a free one."""

NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"
"""What upstreams, virtual servers and issuers may be called: it appears in URLs, policies and metrics."""

_NAME: Final = re.compile(NAME_PATTERN[:-1] + r"\Z")


def _name(value: str) -> str:
    if not _NAME.match(value):
        raise refusal(
            "expected a name of 1 to 63 lower-case letters, digits, `_` or `-`, starting with a letter or digit"
        )
    return value


Name = Annotated[str, Strict(), AfterValidator(_name), Field(json_schema_extra={"pattern": NAME_PATTERN})]


def refusal(message: str, hint: str = "", at: tuple[str | int, ...] = ()) -> PydanticCustomError:
    """The error that validators raise. `message` is shown as it is, so it never holds a secret.

    `at` leads from the validated value to the part of it that is wrong.
    """
    return PydanticCustomError("configuration", "{message}", {"message": message, "hint": hint, "at": at})


def section() -> Any:
    """A field holding a nested section. When absent it is validated as an empty one, so defaults resolve alike."""
    return Field(default_factory=dict, validate_default=True)
