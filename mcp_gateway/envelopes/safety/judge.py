"""Asking a model for a judgement: what a guardrail says to one, and the way to it, whoever provides that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. `role` is `system` or `user`."""

    role: str
    text: str


class AskModel(Protocol):
    """A model that can be asked. It is bound to its name, its credentials and its deadline already."""

    async def __call__(self, messages: Sequence[Message], schema: Mapping[str, Any]) -> bytes:
        """What the model says, which it is told to write as JSON of `schema`; whether it did is not checked.

        Raises:
            UpstreamError: it did not answer, or not to the end.
        """
        ...
