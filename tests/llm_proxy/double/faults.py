"""What a test can tell the double to do instead of answering well: one of these for each request, in turn.

`after` counts the frames (server-sent events) of a stream that go out before it happens. A whole answer breaks in the
middle of its body wherever a stream would break between frames. Nothing sleeps: what waits does so until the test calls
`release`, or until the client goes away, and `reached` tells the test that it waits.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tests.llm_proxy.double.question import Says

RATE_LIMIT, OVERLOADED, CONTEXT, FILTERED, SERVER = "rate_limit", "overloaded", "context", "filtered", "server"


@dataclass(frozen=True, slots=True)
class Failure:
    """An error answer. `kind` chooses its words, in the way of each family; `retry_after` is sent as it is."""

    status: int
    kind: str = SERVER
    retry_after: float | None = None


def Fault429(retry_after: float | None = None) -> Failure:
    """Too many requests."""
    return Failure(429, RATE_LIMIT, retry_after)


def Fault500() -> Failure:
    """The provider broke."""
    return Failure(500)


def Fault503(retry_after: float | None = None) -> Failure:
    """The provider has no room: 503, and 529 where the family says so."""
    return Failure(503, OVERLOADED, retry_after)


def ContextExceeded() -> Failure:
    """The prompt is too long for the model."""
    return Failure(400, CONTEXT)


def ContentFiltered() -> Failure:
    """A filter does not let the prompt through."""
    return Failure(400, FILTERED)


@dataclass(frozen=True, slots=True)
class _Waits:
    gate: asyncio.Event = field(default_factory=asyncio.Event, init=False, repr=False)
    reached: asyncio.Event = field(default_factory=asyncio.Event, init=False, repr=False)

    def release(self) -> None:
        """Go on."""
        self.gate.set()


@dataclass(frozen=True, slots=True)
class Silence(_Waits):
    """Not even a status line until released."""


@dataclass(frozen=True, slots=True)
class SlowFirstToken(_Waits):
    """Status and headers at once, nothing of the body until released."""


@dataclass(frozen=True, slots=True)
class StallMidStream(_Waits):
    """`after` frames, then nothing until released."""

    after: int = 2


@dataclass(frozen=True, slots=True)
class Cut:
    """`after` frames, then the connection ends without the end of the body. None: not even a status line."""

    after: int | None = 2


@dataclass(frozen=True, slots=True)
class MalformedChunk:
    """A frame whose data is not JSON, and the stream goes on. A whole answer is not JSON either."""

    after: int = 2


@dataclass(frozen=True, slots=True)
class ErrorInStream:
    """`after` frames, then an error as the family says it inside a stream, then the end. Else a plain error 500."""

    after: int = 2
    kind: str = OVERLOADED


@dataclass(frozen=True, slots=True)
class EndEarly:
    """`after` frames, then the body ends well though the answer is not complete."""

    after: int = 2


@dataclass(frozen=True, slots=True)
class Raw:
    """These bytes as the body, with status 200."""

    body: bytes
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class MissingUsage:
    """A good answer that does not tell its usage."""


@dataclass(frozen=True, slots=True)
class HugeUsage:
    """A good answer that tells `tokens` of input and of output: more than any model can, or nonsense."""

    tokens: int = 10**15


Step = (
    Failure
    | Silence
    | SlowFirstToken
    | StallMidStream
    | Cut
    | MalformedChunk
    | ErrorInStream
    | EndEarly
    | Raw
    | MissingUsage
    | HugeUsage
    | Says
)
"""What can be scripted for one request."""
