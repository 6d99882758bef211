"""What a request to a model is while it passes through the plane, and what comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from llm_proxy.completion.answer import Event
from llm_proxy.completion.dialect import Asked, Dialect, EmbeddingDialect
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.call import Trail
from mcp_gateway.core.errors import Blocked
from mcp_gateway.core.metadata import NO_METADATA
from mcp_gateway.core.principal import Principal

Json = dict[str, Any]

FORWARDED: Final = ("anthropic-beta", "openai-beta")
"""Headers of clients that go on to a provider which speaks their dialect: they switch on what the body asks for."""


class Out(Protocol):
    """The way back to the client."""

    @property
    def gone(self) -> bool:
        """Whether the client has gone away: nothing that is written arrives any more."""
        ...

    @property
    def committed(self) -> bool:
        """Whether something has left, so that the answer's status stands."""
        ...

    def tell(self, name: str, value: str) -> None:
        """A header field for the answer; without effect once something has left."""
        ...

    def write(self, piece: bytes) -> Awaitable[None]:
        """Send a piece of a stream; returns at once unless the client is slow to read. The first opens the stream."""
        ...


class Screen(Protocol):
    """Looks at a stream before it leaves. Serves one answer."""

    @property
    def refused(self) -> Blocked | None:
        """Why nothing more leaves, once that is so: to be raised when what left before is on its way."""
        ...

    def see(self, event: Event) -> Sequence[Event]:
        """What may leave now that `event` has come."""
        ...

    def end(self) -> Awaitable[Sequence[Event]]:
        """What may leave of the rest. Raises `Blocked`."""
        ...


class Screens(Protocol):
    """Makes a `Screen` for each attempt at an answer."""

    @property
    def alters(self) -> bool:
        """Whether screens may keep anything from leaving as it is; if not, the answer need not be written anew."""
        ...

    def __call__(self) -> Screen: ...


@dataclass(slots=True)
class Flow:
    """What has happened to a request so far: every attempt at a provider, in order. Records and the ledger read it."""

    attempts: list[Attempt] = field(default_factory=list)


@dataclass(slots=True)
class Attempt:
    """One request to a provider. `usage` is what the provider told; None if it did not.

    `written` counts the bytes of text that came, for an answer whose usage nobody told; then `estimated` is set. `cost`
    is in nano-dollars, None if nobody knows the price. `status` is the HTTP status, 0 if there was no answer. `error`
    is empty if it succeeded, and says what went wrong otherwise; `reason` is the word for that. Times are in seconds:
    `started` since 1970, the others since then.
    """

    target: str
    provider: str
    number: int
    started: float = 0.0
    sent: bool = False
    status: int = 0
    error: str = ""
    reason: str = ""
    usage: Usage | None = None
    estimated: bool = False
    cost: int | None = None
    written: int = 0
    first_token: float | None = None
    duration: float = 0.0


class Ask(NamedTuple):
    """One request to a model. A named tuple, as what is made for each request and has many fields should be: making a
    frozen dataclass takes several times as long.

    `body` is the request as parsed, read-only; rewriting makes a new one. `size` counts the bytes that it came as.
    `deadline` is in the loop's clock. `headers` are those of the request that the plane reads, lower case, each with
    all its values. `screens` is there if something looks at the answer before it leaves.
    """

    request_id: str
    dialect: Dialect | EmbeddingDialect
    asked: Asked
    body: Json
    size: int
    principal: Principal
    out: Out
    deadline: float
    snapshot: str
    ip: str
    headers: Mapping[str, tuple[str, ...]]
    trail: Trail
    flow: Flow
    metadata: Mapping[str, str] = NO_METADATA
    screens: Screens | None = None


class Reply(NamedTuple):
    """What the client is answered: a whole `body`, `raw` if it is still as the provider sent it.

    Without a body the answer was a stream and has left.
    """

    body: Json | None = None
    raw: bytes | None = None
