"""Outgoing event streams (WHATWG server-sent events), with replay where the era has it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final

from mcp_gateway.core import strictjson
from mcp_gateway.core.asgi import respond
from mcp_gateway.core.asgi.types import Send
from mcp_gateway.core.call import Json
from mcp_gateway.core.sse import comment, encode_event

KEEP_ALIVE_SECONDS: Final = 15.0
_SEND_SECONDS: Final = 30.0
_MAX_QUEUED: Final = 1_024
_MAX_KEPT_BYTES: Final = 1 << 20
"""What one stream keeps for replay, besides its newest event."""
_RETRY_MS: Final = 1_000
_COMMENT: Final = comment()


class EventStream:
    """Messages on their way to one client, in order.

    A stream with a `name` numbers its events (`id: name-number`) and keeps the last `keep` of them, so that a
    client that lost the connection can have them again. A stream has one reader at a time; a later reader
    takes over from an earlier one. Beyond a bound, notifications are dropped and counted in `dropped`.
    """

    __slots__ = (
        "_ended",
        "_keep",
        "_kept",
        "_kept_bytes",
        "_name",
        "_number",
        "_queue",
        "_queueing",
        "_reader",
        "_wake",
        "dropped",
    )

    def __init__(self, name: str | None = None, *, keep: int = 0, expected: bool = True) -> None:
        """`expected` says that a reader is about to come: until then messages wait instead of being kept only."""
        self._queueing = expected
        self._name = name
        self._number = 0
        self._kept: deque[tuple[int, bytes]] = deque()
        self._keep = keep
        self._kept_bytes = 0
        self._queue: deque[bytes] = deque()
        self._reader: object | None = None
        self._wake: asyncio.Future[None] | None = None
        self._ended = False
        self.dropped = 0

    @property
    def read(self) -> bool:
        """Whether somebody is reading now."""
        return self._reader is not None

    def push(self, message: Json, *, droppable: bool = True) -> None:
        """Queue one JSON-RPC message."""
        if droppable and len(self._queue) >= _MAX_QUEUED:
            self.dropped += 1
            return
        data = strictjson.dumps(message)
        if self._name is None:
            event = encode_event(data, event=b"message")
        else:
            self._number += 1
            event = encode_event(data, event=b"message", id=b"%s-%d" % (self._name.encode(), self._number))
            self._remember(event)
            if not self._queueing:
                return
        self._queue.append(event)
        self._rouse()

    def _remember(self, event: bytes) -> None:
        """Keep an event for replay; the newest stays whatever its size, since it may be the answer itself."""
        self._kept.append((self._number, event))
        self._kept_bytes += len(event)
        while len(self._kept) > 1 and (len(self._kept) > self._keep or self._kept_bytes > _MAX_KEPT_BYTES):
            self._kept_bytes -= len(self._kept.popleft()[1])

    def end(self) -> None:
        """Nothing more will come: the reader sends what is queued and ends the response."""
        self._ended = True
        self._rouse()

    async def pump(
        self, send: Send, headers: Iterable[tuple[bytes, bytes]], *, after: int | None = None, prime: bool = False
    ) -> None:
        """Be the reader: start the response and send until the stream ends or another reader takes over.

        `after` replays kept events with higher numbers first. With `prime` the response begins with an event
        without data that gives the client an id to come back with (2025-11-25, transports).
        """
        me = self._reader = object()
        self._queueing = True
        self._rouse()
        if after is not None:
            self._queue = deque(event for number, event in self._kept if number > after)
        try:
            await respond.start_sse(send, headers)
            if prime and self._name is not None:
                # What waits already comes after the primer: a client that comes back with its id gets it again.
                start = self._number - len(self._queue) if after is None else after
                primer = encode_event(b"", id=b"%s-%d" % (self._name.encode(), start), retry=_RETRY_MS)
                await respond.send_chunk(send, primer)
            while self._reader is me:
                if self._queue:
                    chunk = b"".join(self._queue)
                    self._queue.clear()
                elif self._ended:
                    break
                elif await self._woken():
                    continue
                else:
                    chunk = _COMMENT
                async with asyncio.timeout(_SEND_SECONDS):
                    await respond.send_chunk(send, chunk)
            await respond.end(send)
        except TimeoutError:
            # A client that reads nothing for so long is as good as gone; kept events wait for its return.
            return
        finally:
            if self._reader is me:
                self._reader = None
                self._queueing = False

    async def _woken(self) -> bool:
        """Wait for something to do; false when nothing came for a keep-alive interval."""
        loop = asyncio.get_running_loop()
        wake = self._wake = loop.create_future()
        timer = loop.call_later(KEEP_ALIVE_SECONDS, self._rouse)
        try:
            await wake
        finally:
            timer.cancel()
            if self._wake is wake:
                self._wake = None
        return bool(self._queue) or self._ended

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


def parse_event_id(value: str) -> tuple[str, int] | None:
    """The stream name and number in a Last-Event-ID of ours."""
    name, _, number = value.rpartition("-")
    return (name, int(number)) if name and number.isascii() and number.isdigit() and len(number) < 12 else None
