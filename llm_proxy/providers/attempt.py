"""One attempt at one target: send, read, pass on; what it cost is settled whatever way it ends."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

from llm_proxy.asking import Ask, Attempt, Out, Reply
from llm_proxy.completion.wire import Fault, StreamFault
from llm_proxy.faults import ProviderRefused
from llm_proxy.providers.exchange import Exchange
from llm_proxy.providers.provider import Provider
from llm_proxy.providers.stream import Stream
from llm_proxy.routing.policy import Failure
from llm_proxy.routing.targets import Target
from mcp_gateway.core.egress.response import Response
from mcp_gateway.core.errors import Blocked, GatewayError, ProtocolViolation, TimedOut, Unreachable, UpstreamError

MOST_HELD: Final = 256 * 1024
"""Bytes of a stream that are held before its first content: until then another target can still answer."""

FIRST: Final = 4 * 1024
AT_FIRST: Final = 512
"""As long as nothing has left, so many bytes of what came in one go are read in parts of so many, an event or two: a
first token need not wait until all that came with it is read."""

MOST_ERROR: Final = 64 * 1024
_SECONDS: Final = re.compile(r"[0-9]{1,6}(\.[0-9]{1,3})?")


class AttemptFailed(Exception):
    """The attempt failed before anything of its answer had left: something else may still answer.

    `why` is for the client, `error` is what it is told if nothing else does.
    """

    def __init__(self, failure: Failure, why: str, error: GatewayError) -> None:
        super().__init__(why)
        self.failure = failure
        self.why = why
        self.error = error


@dataclass(frozen=True, slots=True)
class Patience:
    """How long streams are waited for, in seconds: for the first token (None: as long as all of it), for each piece."""

    first_token: float | None
    idle: float


async def attempt(
    loop: asyncio.AbstractEventLoop,
    ask: Ask,
    provider: Provider,
    target: Target,
    exchange: Exchange,
    noted: Attempt,
    patience: Patience,
) -> Reply:
    """Have `target` answer, in `loop`, which is running. What happened is noted as it happens.

    Raises `AttemptFailed` as long as nothing has left; `UpstreamError` after that; `Blocked`, `Overloaded`.
    """
    started = loop.time()
    deadline = min(ask.deadline, started + provider.terms.timeout)
    streams = ask.asked.stream
    head = min(deadline, started + patience.first_token) if streams and patience.first_token else deadline
    try:
        if not provider.try_enter():
            await provider.enter()
        try:
            noted.sent = True
            with await provider.send(exchange, ask, target, head) as response:
                noted.status = response.status
                if response.status != 200:
                    raise await _refused(response, exchange, deadline, target)
                if streams:
                    return await _stream(loop, ask, response, exchange, noted, patience, started, deadline)
                raw = await response.read(deadline)
                reply, noted.usage = exchange.whole(raw)
                noted.written = len(raw)
                return reply
        except (Unreachable, TimedOut, ProtocolViolation) as error:
            if isinstance(error, Unreachable | TimedOut) and not error.sent:
                noted.sent = False
            if ask.out.committed:
                raise
            raise _lost(error) from error
        except StreamFault as error:
            if ask.out.committed:
                raise UpstreamError("the provider failed in the middle of its answer", upstream=target.name) from error
            raise _faulty(error.fault, target) from error
        finally:
            provider.leave()
    finally:
        noted.duration = loop.time() - started
        ask.trail.upstream_seconds += noted.duration


async def _stream(
    loop: asyncio.AbstractEventLoop,
    ask: Ask,
    response: Response,
    exchange: Exchange,
    noted: Attempt,
    patience: Patience,
    started: float,
    deadline: float,
) -> Reply:
    """Pass the stream on, from its first content on. Before that it is held: nothing of it may have left."""
    stream = exchange.stream(ask.screens() if ask.screens is not None else None)
    held = bytearray()
    out = ask.out
    begin_by = deadline if patience.first_token is None else min(deadline, started + patience.first_token)
    try:
        while piece := await response.receive(_until(loop, stream, patience, begin_by, deadline)):
            for part in (piece,) if stream.begun else _parts(piece, stream):
                leaving = stream.feed(part)
                if stream.refused is not None:
                    await _refuse(out, leaving and bytes(held) + leaving, stream.refused)
                if not stream.begun:
                    held += leaving
                    if len(held) > MOST_HELD:
                        raise ProtocolViolation("the provider's stream does not begin")
                    continue
                if noted.first_token is not None:
                    await out.write(leaving)
                    continue
                noted.first_token = loop.time() - started
                await out.write(bytes(held) + leaving)
                held.clear()
                # What is written leaves at the end of the loop's turn, which would be when all that came is read.
                await asyncio.sleep(0)
        last = await stream.end()
        if stream.refused is not None:
            await _refuse(out, last and bytes(held) + last, stream.refused)
        await out.write(bytes(held) + last)
    finally:
        noted.usage = stream.usage
        noted.written = stream.written
    return Reply()


async def _refuse(out: Out, leaving: bytes, refused: Blocked) -> NoReturn:
    """Write what guardrails let pass before they refused. Where that is nothing, the refusal can still be an answer."""
    if leaving:
        await out.write(leaving)
    raise refused


def _parts(piece: bytes, stream: Stream) -> Iterator[bytes]:
    """What came in one go, in small parts until `stream` has begun."""
    done = 0
    while done < min(FIRST, len(piece)) and not stream.begun:
        yield piece[done : done + AT_FIRST]
        done += AT_FIRST
    if done < len(piece):
        yield piece[done:]


def _until(
    loop: asyncio.AbstractEventLoop, stream: Stream, patience: Patience, begin_by: float, deadline: float
) -> float:
    return min(loop.time() + patience.idle, deadline if stream.begun else begin_by)


async def _refused(response: Response, exchange: Exchange, deadline: float, target: Target) -> AttemptFailed:
    """The provider's error. Its text is read for what it means, and goes no further."""
    status = response.status
    raw = b""
    try:
        if int(response.headers.get(b"content-length", b"0")) <= MOST_ERROR:
            raw = await response.read(deadline)
    except (UpstreamError, ValueError):
        raw = b""
    fault = exchange.fault(status, raw)
    told = f"HTTP {status}" + (f" ({fault.code})" if fault.code else "")
    failure = Failure(status=status, kind=fault.kind, retry_after=_retry_after(response))
    shown = status if 400 <= status < 500 and status not in (401, 403, 407, 408) else 502
    error = ProviderRefused(
        f"the provider of `{target.name}` refused the request: {told}",
        status=shown,
        code=fault.code,
        upstream=target.name,
    )
    return AttemptFailed(failure, told, error)


def _faulty(fault: Fault, target: Target) -> AttemptFailed:
    why = f"failed at the beginning of its stream ({fault.kind})"
    return AttemptFailed(Failure(kind=fault.kind), why, UpstreamError(f"`{target.name}` {why}", upstream=target.name))


def _lost(error: Unreachable | TimedOut | ProtocolViolation) -> AttemptFailed:
    match error:
        case TimedOut():
            return AttemptFailed(Failure(lost="timeout"), "no answer in time", error)
        case Unreachable():
            return AttemptFailed(Failure(lost="connection"), "no connection, or it broke", error)
    return AttemptFailed(Failure(kind="server"), "an answer that is none", error)


def _retry_after(response: Response) -> float | None:
    """Seconds; a date is not waited for (RFC 9110 §10.2.3)."""
    value = response.headers.get(b"retry-after", b"").decode("latin-1")
    milliseconds = response.headers.get(b"retry-after-ms", b"").decode("latin-1")
    if _SECONDS.fullmatch(milliseconds):
        return float(milliseconds) / 1000
    return float(value) if _SECONDS.fullmatch(value) else None
