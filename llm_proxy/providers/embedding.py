"""Embeddings: texts in, vectors out; what a wire family has to say of them. They are no completions. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from llm_proxy.completion.embedding import Embedding, Vectors
from llm_proxy.completion.wire import Fault, Wire
from llm_proxy.spend.usage import Usage

Json = dict[str, Any]


class EmbeddingCodec(Protocol):
    """One wire family. Has no state."""

    @property
    def wire(self) -> Wire: ...

    def path(self, model: str) -> str:
        """What is added to the path of the provider's base URL."""
        ...

    def headers(self, key: str | None) -> Sequence[tuple[str, str]]:
        """The headers that this family needs, the credential among them if there is one."""
        ...

    def request(self, embedding: Embedding, model: str) -> Json:
        """The body for the provider's `model`. Raises `Invalid` where the family cannot say what is asked for."""
        ...

    def forward(self, body: Json, model: str) -> Json:
        """The body of a client that speaks this format, for the provider's `model`: nothing else is changed."""
        ...

    def answer(self, body: Json, embedding: Embedding) -> Vectors:
        """Reads an answer to `embedding`. Raises `ProtocolViolation`, also for fewer or more vectors than texts."""
        ...

    def usage(self, body: Json) -> Usage | None:
        """What an answer says about usage; cheap, and never raises."""
        ...

    def fault(self, status: int, body: object) -> Fault:
        """What an error answer means; `body` is its JSON, None if it is none. Never raises."""
        ...
