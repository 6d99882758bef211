"""One response as its caller sees it: status and headers at once, the body whole or in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from types import TracebackType
from typing import Final, Protocol, Self, TypeVar

from mcp_gateway.core.errors import ProtocolViolation, UpstreamError

T = TypeVar("T")

HIGH_WATER: Final = 64 * 1024
"""Bytes of body held for a caller that has not asked for them; reading from the socket pauses beyond."""


class Await(Enum):
    """What the caller is waiting for; anything less does not wake it."""

    HEAD = "head"
    SMALL = "head, and the body if it is short"
    PIECE = "more of the body"
    WHOLE = "the end"


class Source(Protocol):
    """What a response needs from the connection it comes from."""

    def watch(self, deadline: float) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def discard(self) -> None: ...


class Response:
    """A response whose head has arrived. Its connection returns to the pool by itself once the body has.

    Consume it with `read` or `stream`, or give it up with `abort`. As a context manager it aborts on the way
    out unless the body is complete: use `with` wherever the body might not be consumed. Cancelling a task that
    waits here closes the connection. `headers` has lower-case names; repeated fields are joined by ``, ``.
    """

    __slots__ = ("_await", "_body", "_error", "_limit", "_loop", "_source", "_waiter", "complete", "headers", "status")

    def __init__(self, source: Source, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        self.status = 0
        self.headers: Mapping[bytes, bytes] = {}
        self.complete = False
        self._source: Source | None = source
        self._loop = loop
        self._limit = limit
        self._body: bytes | bytearray = b""
        self._await = Await.HEAD
        self._error: UpstreamError | None = None
        self._waiter: asyncio.Future[None] | None = None

    # ------------------------------------------------------------ for the caller

    async def read(self, deadline: float) -> bytes:
        """The rest of the body, whole. `deadline` is in the loop's clock.

        Raises:
            ProtocolViolation: the body exceeds the client's `body_bytes` or breaks its framing.
            Unreachable, TimedOut: the connection broke; the deadline passed.
        """
        if not self.complete:
            self._refuse_long(self.headers.get(b"content-length"))
            self._await = Await.WHOLE
            if self._source is not None:
                self._source.resume()
            while not self.complete:
                await self._wait(deadline, self._self)
        if len(self._body) > self._limit:
            raise self._too_long()
        return self._take()

    def receive(self, deadline: float) -> Awaitable[bytes]:
        """The next piece of the body, as much as has arrived; empty at its end. Raises as `read` does."""
        if self._body or self.complete:
            return _at_once(self._take())
        if self._error is None and self._source is not None:
            self._await = Await.PIECE
            self._source.resume()
        return self._wait(deadline, self._take)

    def stream(self, *, idle_timeout: float, deadline: float) -> Pieces:
        """Iterate over the body as it comes. The caller's pace is the sender's: reading pauses in between.

        Raises:
            TimedOut: nothing came for `idle_timeout` seconds, or the deadline passed.
            ProtocolViolation, Unreachable: the body broke off. What came before has been delivered.
        """
        return Pieces(self, self._loop, idle_timeout, deadline)

    def abort(self) -> None:
        """Drop the connection, unless the response is complete. This is how a call is cancelled upstream."""
        source, self._source = self._source, None
        if source is not None:
            self._error = self._error or UpstreamError("the response was abandoned")
            source.discard()
            self._wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    # ------------------------------------------------------------ for the connection

    @property
    def waiting(self) -> bool:
        return self._waiter is not None

    def begun(self, deadline: float) -> Awaitable[Self]:
        """The response, once its head is there: for whoever sent the request."""
        return self._wait(deadline, self._self)

    async def _wait(self, deadline: float, then: Callable[[], T]) -> T:
        """Wait until something that the caller asked for has happened; then what `then` gives.

        One coroutine for all that waits here: whoever is woken passes through each that stands between.
        """
        if self._error is not None:
            raise self._error
        source = self._source
        if source is None or self._waiter is not None:
            raise RuntimeError("a response has one reader at a time")
        waiter = self._waiter = self._loop.create_future()
        source.watch(deadline)
        try:
            await waiter
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._waiter = None
        if self._error is not None:
            raise self._error
        return then()

    def begin(self, status: int, headers: Mapping[bytes, bytes], *, whole: bool) -> None:
        """The head is there. With `whole` the caller is woken together with the body if that is short."""
        self.status = status
        self.headers = headers
        if whole and self._await is Await.HEAD:
            self._await = Await.SMALL

    def extend(self, data: bytes) -> None:
        """More of the body. A bytearray from the second piece on: many tiny pieces would cost many times their size."""
        if not self._body:
            self._body = data
            return
        if isinstance(self._body, bytes):
            self._body = bytearray(self._body)
        self._body += data

    def progress(self) -> None:
        """Everything that was in one packet has been taken in: wake the caller, or hold the sender back."""
        held = len(self._body)
        if self._await is Await.WHOLE:
            if held > self._limit:
                self.fail(self._too_long())
            return
        if held > HIGH_WATER and self._source is not None:
            self._source.pause()
        if self._await is Await.HEAD or held > (HIGH_WATER if self._await is Await.SMALL else 0):
            self._wake()

    def finish(self) -> None:
        """The body is complete and the connection has other things to do."""
        self.complete = True
        self._source = None
        self._wake()

    def fail(self, error: UpstreamError) -> None:
        """The connection is of no more use to this response."""
        if self._error is None and not self.complete:
            self._error = error
            self.abort()

    # ------------------------------------------------------------ inside

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _self(self) -> Self:
        return self

    def _take(self) -> bytes:
        body, self._body = self._body, b""
        return body if isinstance(body, bytes) else bytes(body)

    def _too_long(self) -> ProtocolViolation:
        return ProtocolViolation(f"the response body exceeds {self._limit} bytes")

    def _refuse_long(self, declared: bytes | None) -> None:
        if declared is not None and int(declared) > self._limit:
            self.fail(self._too_long())


async def _at_once(piece: bytes) -> bytes:
    return piece


class Pieces:
    """Asynchronous iterator over the pieces of one body. A plain object: leaving it needs no clean-up of its own."""

    __slots__ = ("_deadline", "_idle_timeout", "_loop", "_response")

    def __init__(
        self, response: Response, loop: asyncio.AbstractEventLoop, idle_timeout: float, deadline: float
    ) -> None:
        self._response = response
        self._loop = loop
        self._idle_timeout = idle_timeout
        self._deadline = deadline

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._response.receive(min(self._loop.time() + self._idle_timeout, self._deadline))
        if not piece:
            raise StopAsyncIteration
        return piece
