"""Reading the event stream that answers one request, and taking it up again where it broke off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from mcp_gateway.core.call import Json
from mcp_gateway.core.egress.response import Response
from mcp_gateway.core.errors import ProtocolViolation, TimedOut, Unreachable, UpstreamError
from mcp_gateway.core.sse import SseDecoder
from mcp_gateway.upstream.streamable import read_object, refusal

MAX_EVENT: Final = 16 * 1024 * 1024
"""Bytes of one event: a tool result with an image in it comes as one."""

LINGER: Final = 0.5
"""Seconds that an answered stream gets to end by itself, so that its connection can be used again."""

_RETRY: Final = 1.0
_RETRY_FLOOR: Final = 0.02
_RETRY_CEILING: Final = 30.0
_FRUITLESS: Final = 10
_GONE_SECONDS: Final = 3.0
"""An upstream that cannot be reached for so long has ended, and the request with it: its caller is told, not kept."""
_REFUSAL_SECONDS: Final = 5.0

Take = Callable[[Json], Json | None]
"""Takes a message of the stream; returns the result once the request is answered. Raises to give up."""

Reopen = Callable[[bytes], Awaitable[Response | None]]
"""Opens the rest of the stream, after the event with this id; None where that cannot be had."""


class StreamEnded(Unreachable):
    """The stream ended, or broke off, before the answer came."""

    def __init__(self) -> None:
        super().__init__("the upstream's event stream ended without an answer", sent=True)


async def read_until(
    response: Response,
    take: Take,
    deadline: float,
    *,
    max_event: int = MAX_EVENT,
    decoder: SseDecoder | None = None,
    read: Callable[[bytes], list[Json]] | None = None,
) -> Json:
    """Hand the stream's messages to `take` until it has the result. What comes after it is never looked at.

    Raises `StreamEnded`, `TimedOut`, whatever `take` raises, and `ProtocolViolation` for an event that is no message.
    """
    decoder = decoder or SseDecoder(max_event)
    try:
        while True:
            for event in decoder.feed(await _piece(response, deadline)):
                if not event.data or event.event != b"message":
                    continue  # an event that only primes the stream with an id, or one that is not the protocol's
                for message in read(event.data) if read is not None else (read_object(event.data),):
                    result = take(message)
                    if result is not None:
                        let_end(response)
                        return result
    except BaseException:
        response.abort()
        raise


async def _piece(response: Response, deadline: float) -> bytes:
    try:
        piece = await response.receive(deadline)
    except (Unreachable, ProtocolViolation) as error:
        # However the connection ended (reset, or cut inside a chunk): what matters is that the answer did not come.
        raise StreamEnded from error
    if not piece:
        raise StreamEnded
    return piece


def let_end(response: Response) -> None:
    """Give a stream that is of no more interest a moment to end, then drop its connection."""
    if not response.complete:
        asyncio.get_running_loop().call_later(LINGER, response.abort)


async def read_resuming(
    response: Response,
    take: Take,
    deadline: float,
    *,
    reopen: Reopen,
    max_event: int = MAX_EVENT,
    read: Callable[[bytes], list[Json]] | None = None,
) -> Json:
    """As `read_until`; a stream that ends early and whose events had ids is reopened until the deadline.

    Raises `StreamEnded` when it cannot be taken up again, otherwise as `read_until`. The request has been
    sent, so nothing that is raised here says that it may be repeated.
    """
    last_id, retry, fruitless = b"", _RETRY, 0
    following: Response | None = response
    while following is not None:
        decoder = SseDecoder(max_event)
        try:
            return await read_until(following, take, deadline, decoder=decoder, read=read)
        except StreamEnded:
            fruitless = 0 if decoder.last_event_id else fruitless + 1
            last_id = decoder.last_event_id or last_id
            if not last_id or fruitless > _FRUITLESS:
                raise
        if decoder.retry is not None:
            retry = retry_seconds(decoder.retry)
        following = await _resume(reopen, last_id, retry, deadline)
    raise StreamEnded


async def _resume(reopen: Reopen, last_id: bytes, retry: float, deadline: float) -> Response | None:
    """Reopen with growing waits. Raises `StreamEnded` once nobody was there for `_GONE_SECONDS`, or `TimedOut`."""
    loop = asyncio.get_running_loop()
    broke_off = loop.time()
    for attempt in range(_FRUITLESS):
        if loop.time() + retry >= deadline:
            break
        await asyncio.sleep(retry)
        try:
            return await reopen(last_id)
        except TimedOut:
            break
        except Unreachable as error:
            if attempt and loop.time() - broke_off > _GONE_SECONDS:
                raise StreamEnded from error
            retry = min(retry * 2, _RETRY_CEILING)
    else:
        raise StreamEnded
    raise TimedOut("the upstream's event stream broke off and was not resumed within the deadline")


def retry_seconds(milliseconds: int) -> float:
    """The wait before a reconnect that the upstream asked for, within reason."""
    return min(max(milliseconds / 1000, _RETRY_FLOOR), _RETRY_CEILING)


async def read_refusal(response: Response, request_id: int, deadline: float) -> UpstreamError:
    """What an answer with a status other than 200 means; its status speaks even if its body never comes."""
    patience = min(deadline, asyncio.get_running_loop().time() + _REFUSAL_SECONDS)
    try:
        raw = await response.read(patience)
    except UpstreamError:
        raw = b""
    return refusal(response.status, response.headers, raw, request_id)
