"""One attempt in bytes: the request to a provider, and how its answer becomes the client's. No I/O."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, Protocol

from llm_proxy.asking import Reply, Screen
from llm_proxy.completion.dialect import Dialect, EmbeddingDialect
from llm_proxy.completion.request import Completion
from llm_proxy.completion.wire import Fault, Wire
from llm_proxy.providers.codec import Codec
from llm_proxy.providers.embedding import EmbeddingCodec
from llm_proxy.providers.stream import Stream
from llm_proxy.spend.usage import Usage
from mcp_gateway.core import strictjson
from mcp_gateway.core.errors import Invalid, ProtocolViolation
from mcp_gateway.core.frozen import thaw
from mcp_gateway.core.strictjson import JsonError

Json = dict[str, Any]

_PLACES: Final[Mapping[tuple[Wire, str], str]] = MappingProxyType(
    {
        ("responses", "/messages"): "/input",
        ("responses", "/response_format"): "/text/format",
        ("messages", "/response_format"): "/output_config/format",
        ("messages", "/stop"): "/stop_sequences",
    }
)
"""What providers' codecs point at, which name things as chat completions do, by how other dialects name it."""


class Exchange(Protocol):
    """What goes to a provider for one attempt, and what comes of its answer."""

    @property
    def path(self) -> str:
        """What is added to the provider's base URL."""
        ...

    @property
    def body(self) -> bytes: ...

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """What the family needs, without the credential."""
        ...

    def whole(self, raw: bytes) -> tuple[Reply, Usage | None]:
        """The answer for the client, and what it used. Raises `ProtocolViolation`."""
        ...

    def stream(self, screen: Screen | None) -> Stream:
        """What makes the client's stream of the provider's."""
        ...

    def fault(self, status: int, raw: bytes) -> Fault:
        """What an error answer means. Never raises."""
        ...


class CompletionExchange:
    """A completion: passed on where both sides speak one format, else translated."""

    __slots__ = ("_asked", "_codec", "_completion", "_dialect", "body", "headers", "path")

    def __init__(
        self, dialect: Dialect, codec: Codec, asked: Json, parameters: Mapping[str, Any], model: str, *, screened: bool
    ) -> None:
        """`asked` is the client's body, `parameters` are put into it. `screened`: a stream is looked at first.

        Raises `Invalid` where the provider's family cannot say what is asked for.
        """
        self._dialect = dialect
        self._codec = codec
        self._asked = {**asked, **{name: thaw(value) for name, value in parameters.items()}} if parameters else asked
        passes = dialect.wire == codec.wire
        if passes:
            # A stream that is looked at is written anew, and then something of the request is told again.
            self._completion = _readable(dialect, self._asked) if screened else None
        else:
            self._completion = dialect.read(self._asked)
        if passes:
            outgoing = codec.forward(self._asked, model)
        else:
            assert self._completion is not None
            outgoing = _translated(codec, self._completion, model, dialect.wire)
        self.path: Final = codec.path(model, stream=self._asked.get("stream") is True)
        self.headers: Final = codec.headers(None)
        self.body: Final = strictjson.dumps(outgoing)

    def whole(self, raw: bytes) -> tuple[Reply, Usage | None]:
        body = _object(raw)
        if self._dialect.wire == self._codec.wire:
            return Reply(body, raw), self._codec.usage(body)
        assert self._completion is not None
        answer = self._codec.answer(body)
        if not answer.created:  # some families do not say, and in others it has to be there
            answer = replace(answer, created=int(time.time()))
        return Reply(self._dialect.answer(answer, self._completion)), answer.usage

    def stream(self, screen: Screen | None) -> Stream:
        return Stream(
            self._codec,
            self._dialect,
            writer=None if self._completion is None else self._dialect.writer(self._completion),
            screen=screen,
            keep_usage=self._dialect.wants_usage(self._asked),
        )

    def fault(self, status: int, raw: bytes) -> Fault:
        return self._codec.fault(status, _any(raw))


class EmbeddingExchange:
    """Embeddings: the same, and never a stream."""

    __slots__ = ("_asked", "_codec", "_dialect", "_embedding", "body", "headers", "path")

    def __init__(
        self, dialect: EmbeddingDialect, codec: EmbeddingCodec, asked: Json, parameters: Mapping[str, Any], model: str
    ) -> None:
        """Raises `Invalid` where the provider's family cannot say what is asked for."""
        self._dialect = dialect
        self._codec = codec
        self._asked = {**asked, **{name: thaw(value) for name, value in parameters.items()}} if parameters else asked
        if dialect.wire == codec.wire:
            self._embedding = None
            outgoing = codec.forward(self._asked, model)
        else:
            self._embedding = dialect.read(self._asked)
            outgoing = codec.request(self._embedding, model)
        self.path: Final = codec.path(model)
        self.headers: Final = codec.headers(None)
        self.body: Final = strictjson.dumps(outgoing)

    def whole(self, raw: bytes) -> tuple[Reply, Usage | None]:
        body = _object(raw)
        if self._embedding is None:
            return Reply(body, raw), self._codec.usage(body)
        vectors = self._codec.answer(body, self._embedding)
        return Reply(self._dialect.answer(vectors, self._embedding)), vectors.usage

    def stream(self, screen: Screen | None) -> Stream:
        raise ProtocolViolation("embeddings are not streamed")

    def fault(self, status: int, raw: bytes) -> Fault:
        return self._codec.fault(status, _any(raw))


def _readable(dialect: Dialect, asked: Json) -> Completion:
    """The request, as far as it has a translation: the provider gets it as it came."""
    try:
        return dialect.read(asked)
    except Invalid:
        return Completion(
            model=dialect.asked(asked).model, messages=(), stream=True, stream_usage=dialect.wants_usage(asked)
        )


def _translated(codec: Codec, completion: Completion, model: str, wire: Wire) -> Json:
    """The request as the provider's family says it. What it cannot say is pointed at as the client said it."""
    try:
        return codec.request(completion, model)
    except Invalid as error:
        place = _PLACES.get((wire, error.pointer))
        if place is None:
            raise
        raise Invalid(error.message, pointer=place) from None


def _object(raw: bytes) -> Json:
    try:
        body = strictjson.loads_upstream(raw)
    except JsonError as error:
        raise ProtocolViolation("the provider's answer is not valid JSON") from error
    if not isinstance(body, dict):
        raise ProtocolViolation("the provider's answer is not a JSON object")
    return body


def _any(raw: bytes) -> object:
    try:
        return strictjson.loads_upstream(raw)
    except JsonError:
        return None
