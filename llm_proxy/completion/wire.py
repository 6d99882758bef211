"""The formats of bodies, and what a provider's error means. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Wire = Literal["chat", "responses", "messages", "gemini", "embeddings"]
"""The formats of bodies. A client and a provider that use one of them need no translation."""

ErrorClass = Literal[
    "rate_limit", "overloaded", "context_window", "content_filter", "authentication", "invalid", "server"
]
"""What a provider's error means, apart from its status. Fallbacks may name it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A provider's error: what class it is of, and its code if that is a short plain word (else empty).

    Never the provider's text: it may quote the prompt or a key.
    """

    kind: ErrorClass
    code: str = ""


class StreamFault(Exception):
    """The provider says inside a stream that it failed."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.kind)
        self.fault = fault
