"""What a wire family has to say: how a request is written, how answers, streams and errors are read. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from llm_proxy.completion.answer import Answer, Event
from llm_proxy.completion.request import Completion
from llm_proxy.completion.wire import Fault, Wire
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.sse import SseEvent

Json = dict[str, Any]


class Reader(Protocol):
    """Reads one stream. Has state; serves one answer."""

    def read(self, event: SseEvent) -> Sequence[Event]:
        """The events that one server-sent event says. Raises `ProtocolViolation` for what no provider may send.

        Raises `StreamFault` where the event is an error of the provider.
        """
        ...

    def end(self) -> Sequence[Event]:
        """The body ended. Raises `ProtocolViolation` where the answer was not complete."""
        ...


class Codec(Protocol):
    """One wire family. Has no state."""

    @property
    def wire(self) -> Wire: ...

    def path(self, model: str, *, stream: bool) -> str:
        """What is added to the path of the provider's base URL; `model` is quoted where it stands in it."""
        ...

    def headers(self, key: str | None) -> Sequence[tuple[str, str]]:
        """The headers that this family needs, the credential among them if there is one."""
        ...

    def request(self, completion: Completion, model: str) -> Json:
        """The body for the provider's `model`. Raises `Invalid` where the family cannot say what is asked for."""
        ...

    def forward(self, body: Json, model: str) -> Json:
        """The body of a client that speaks this format, for the provider's `model`: a copy with nothing else changed.

        A stream is made to tell its usage.
        """
        ...

    def answer(self, body: Json) -> Answer:
        """Reads a whole answer. Raises `ProtocolViolation`."""
        ...

    def usage(self, body: Json) -> Usage | None:
        """What a whole answer, or one event of a stream, says about usage; cheap, and never raises."""
        ...

    def reader(self) -> Reader: ...

    def fault(self, status: int, body: object) -> Fault:
        """What an error answer means; `body` is its JSON, None if it is none. Never raises."""
        ...
