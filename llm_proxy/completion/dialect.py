"""What a dialect that clients speak has to say. No I/O."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypeGuard

from llm_proxy.completion.answer import Answer, Event
from llm_proxy.completion.embedding import Embedding, Vectors
from llm_proxy.completion.request import Completion
from llm_proxy.completion.wire import Wire
from mcp_gateway.core.errors import GatewayError

Json = dict[str, Any]


class Asked(NamedTuple):
    """What the gateway itself reads of any request.

    `output_limit` is the most tokens that one choice may have, None where the client says nothing.
    """

    model: str
    stream: bool = False
    choices: int = 1
    output_limit: int | None = None


class Writer(Protocol):
    """Writes one stream. Has state; serves one answer."""

    def write(self, event: Event) -> bytes:
        """The server-sent events that say `event`; may be empty."""
        ...

    def end(self) -> bytes:
        """What ends a stream that is complete."""
        ...


class Speech(Protocol):
    """What every kind of request has: its format, what is read of each, how a refusal is told. Has no state."""

    @property
    def wire(self) -> Wire: ...

    def asked(self, body: Json) -> Asked:
        """What the gateway reads of every request. Raises `Invalid` with a pointer."""
        ...

    def error(self, error: GatewayError, status: int, request_id: str) -> Json:
        """The body of a refusal or failure, in the dialect's own shape."""
        ...

    def stream_error(self, error: GatewayError, status: int, request_id: str) -> bytes:
        """The same as the last of a stream's server-sent events."""
        ...


class Dialect(Speech, Protocol):
    """One dialect of completions."""

    def read(self, body: Json) -> Completion:
        """The request in no dialect. Raises `Invalid` with a pointer to what is wrong or has no translation."""
        ...

    def answer(self, answer: Answer, completion: Completion) -> Json:
        """A whole answer to `completion`."""
        ...

    def writer(self, completion: Completion) -> Writer: ...

    def without_usage(self, event: bytes) -> bytes | None:
        """One event's data of a stream that is passed on, for a client that did not ask for the usage.

        None if nothing is left of it. It is asked about events only that hold `"usage"`.
        """
        ...

    def wants_usage(self, body: Json) -> bool:
        """Whether a client that streams asked to be told the usage; True where the dialect always tells."""
        ...


class EmbeddingDialect(Speech, Protocol):
    """The dialect of embeddings: nothing is streamed, nothing generated."""

    def read(self, body: Json) -> Embedding:
        """The request in no dialect. Raises `Invalid` with a pointer to what is wrong or has no translation."""
        ...

    def answer(self, answer: Vectors, embedding: Embedding) -> Json:
        """The answer to `embedding`."""
        ...


def completes(dialect: Dialect | EmbeddingDialect) -> TypeGuard[Dialect]:
    """Whether requests in `dialect` are completions."""
    return dialect.wire != "embeddings"


def embeds(dialect: Dialect | EmbeddingDialect) -> TypeGuard[EmbeddingDialect]:
    """Whether requests in `dialect` are for embeddings."""
    return dialect.wire == "embeddings"
