"""What carries messages both ways: the line between a channel's correlation and its transport.

Stdio and HTTP+SSE implement `Duplex`; `memory_pair` is the implementation without a transport, for a
server in the same process and for tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from mcp_gateway.core.errors import Unreachable, UpstreamError

MAX_MESSAGE: Final = 16 * 1024 * 1024
"""Longest message taken from an upstream, in bytes."""

HIGH_WATER: Final = 1024 * 1024
"""Bytes that may wait to be written before senders wait too."""


class Receiver(Protocol):
    """Who gets what arrives. Both methods are synchronous and must not raise."""

    def feed(self, raw: bytes) -> None:
        """One whole message, as it came."""
        ...

    def lost(self, reason: UpstreamError) -> None:
        """Nothing will come any more. Called once."""
        ...


class Duplex(Protocol):
    """A message channel to one upstream. Messages are one JSON text each, without framing."""

    @property
    def closed(self) -> UpstreamError | None:
        """Why the channel is dead; None while it is not."""
        ...

    def attach(self, receiver: Receiver) -> None:
        """Begin to deliver, starting with what came before. Called once."""
        ...

    async def send(self, message: bytes, deadline: float) -> None:
        """Hand over `message`, waiting for room until `deadline` (loop clock).

        Raises `TimedOut` or `Unreachable`; their `sent` tells whether any of the message may have left.
        """
        ...

    def post(self, message: bytes) -> bool:
        """Hand over `message` without waiting; False when there is no room or no channel."""
        ...

    async def close(self) -> None:
        """End the transport and free what it holds. Never raises; safe to call twice."""
        ...


class MemoryDuplex:
    """One end of a pair: what one end sends, the other's receiver gets on the next turn of the loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._peer: MemoryDuplex | None = None
        self._receiver: Receiver | None = None
        self._early: list[bytes] = []
        self._closed: UpstreamError | None = None

    @property
    def closed(self) -> UpstreamError | None:
        return self._closed

    def join(self, peer: MemoryDuplex) -> None:
        """Send to `peer` from now on."""
        self._peer = peer

    def attach(self, receiver: Receiver) -> None:
        self._receiver = receiver
        early, self._early = self._early, []
        for raw in early:
            receiver.feed(raw)
        if self._closed is not None:
            receiver.lost(self._closed)

    async def send(self, message: bytes, deadline: float) -> None:
        if not self.post(message):
            raise Unreachable("the channel is closed", sent=False)

    def post(self, message: bytes) -> bool:
        if self._closed is not None or self._peer is None:
            return False
        self._loop.call_soon(self._peer.deliver, message)
        return True

    def deliver(self, raw: bytes) -> None:
        """Take a message from the other end."""
        if self._receiver is None:
            self._early.append(raw)
        elif self._closed is None:
            self._receiver.feed(raw)

    def fail(self, reason: UpstreamError) -> None:
        """Die with `reason`, as a transport does when the other side goes away."""
        if self._closed is None:
            self._closed = reason
            if self._receiver is not None:
                self._receiver.lost(reason)

    async def close(self) -> None:
        for end in (self, self._peer):
            if end is not None:
                end.fail(Unreachable("the channel was closed", sent=True))


def memory_pair() -> tuple[MemoryDuplex, MemoryDuplex]:
    """Two ends of one channel inside the running loop."""
    one, other = MemoryDuplex(), MemoryDuplex()
    one.join(other)
    other.join(one)
    return one, other


class Waiters:
    """Senders that wait for room, woken together."""

    __slots__ = ("_futures",)

    def __init__(self) -> None:
        self._futures: set[asyncio.Future[None]] = set()

    async def wait(self, deadline: float) -> bool:
        """Wait until woken; False when `deadline` (loop clock) came first."""
        future = asyncio.get_running_loop().create_future()
        self._futures.add(future)
        try:
            async with asyncio.timeout_at(deadline if deadline != float("inf") else None):
                await future
        except TimeoutError:
            return False
        finally:
            self._futures.discard(future)
        return True

    def wake(self) -> None:
        """Wake everyone who waits; whoever finds no room waits again."""
        for future in self._futures:
            if not future.done():
                future.set_result(None)


EventHook = Callable[[str, dict[str, object]], None]
"""Receives (method, params) of a notification that belongs to no request. Must not wait or raise."""
