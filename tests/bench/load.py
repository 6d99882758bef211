"""A closed loop over keep-alive connections: each sends a request, checks the answer, sends the next."""

from __future__ import annotations

import asyncio
import gc
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter_ns
from typing import Final, cast

from tests.bench.asking import FIRST_NUMBER, MARK, Judge, Judging, Target, delete, initialize, post, template
from tests.bench.models import ModelTarget
from tests.bench.wire import HttpMessage, Reader

_SPAN: Final = 1_000_000
"""How far the numbers of two connections are apart."""

_PATIENCE: Final = 15.0
"""Seconds for a handshake, and for the last answers after the end."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: answers per second, latencies in milliseconds, how many answers came in all, what was wrong.

    `first_ms` is the median time to the first words of a stream, whatever events come before them; `cpu_us` the time on
    the processor that the gateway took for each answer, in microseconds.
    """

    rps: float
    p50_ms: float
    p99_ms: float
    answers: int
    wrong: tuple[str, ...]
    first_ms: float = math.nan
    cpu_us: float = math.nan


@dataclass(slots=True)
class Tally:
    """What all connections of a run count together. `left` bounds the requests of each connection."""

    judge: Judging
    left: int
    measuring: bool = False
    stopping: bool = False
    answers: int = 0
    latencies: list[int] = field(default_factory=list)
    firsts: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, target: Target | ModelTarget, tally: Tally, index: int) -> None:
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._target = target
        self._handshake = target if isinstance(target, Target) and target.era == "old" else None
        self._streams = isinstance(target, ModelTarget) and target.stream
        self._tally = tally
        self._reader = Reader()
        self._transport: asyncio.WriteTransport
        self._waiter: asyncio.Future[HttpMessage] | None = None
        self._session = b""
        self._template = b""
        self._number = FIRST_NUMBER + index * _SPAN
        self._last = self._number + min(tally.left, _SPAN - 1)
        self._sent = 0
        self._first = 0
        self._begins = self._seen = b""
        self._running = False

    async def open(self) -> None:
        """Connect, and in the handshake era begin a session."""
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._target.port)
        if self._handshake is not None:
            answered = await self._exchange(post(self._handshake, initialize()))
            self._session = answered.field(b"mcp-session-id") or b""
            if not self._session:
                raise RuntimeError(f"no session: HTTP {answered.status} {answered.body[:300]!r}")
            initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            await self._exchange(post(self._handshake, initialized, self._session))
        target = self._target
        self._template = target.template() if isinstance(target, ModelTarget) else template(target, self._session)

    def start(self) -> None:
        """Begin the loop; `finished` is done when it has ended."""
        self._running = True
        self._next()

    async def close(self) -> None:
        """End the session and the connection."""
        if self._handshake is not None and self._session and not self._running and not self._transport.is_closing():
            try:
                await self._exchange(delete(self._handshake, self._session))
            except (ConnectionError, TimeoutError) as error:
                self._tally.wrong.append(f"the session could not be ended: {error!r}")
        self._transport.close()

    async def _exchange(self, request: bytes) -> HttpMessage:
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(_PATIENCE):
            return await self._waiter

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        problem = f"the connection was lost ({exc})"
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionError(problem))
        if self._running:
            self._end(problem)

    def data_received(self, data: bytes) -> None:
        arrived = perf_counter_ns()
        if self._streams and not self._first:
            self._look(data, arrived)
        messages = self._reader.feed(data)
        if not messages:
            return
        if self._running:
            self._answered(messages[0], arrived)
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(messages[0])

    def _look(self, data: bytes, arrived: int) -> None:
        """See whether the first words have come: they may be cut anywhere."""
        seen = self._seen + data
        if self._begins in seen:
            self._first = arrived
        self._seen = seen[1 - len(self._begins) :]

    def _answered(self, message: HttpMessage, arrived: int) -> None:
        tally = self._tally
        tally.answers += 1
        if tally.measuring:
            tally.latencies.append(arrived - self._sent)
            if self._first:
                tally.firsts.append(self._first - self._sent)
        problem = tally.judge(message, b"%d" % self._number)
        if problem is not None:
            tally.wrong.append(problem)
        self._number += 1
        if tally.stopping or self._number >= self._last:
            self._end(None)
        else:
            self._next()

    def _next(self) -> None:
        number = b"%d" % self._number
        request = self._template.replace(MARK, number)
        # The only text that begins with the number is what is said: in the id of each chunk it stands at the end.
        self._begins, self._seen, self._first = b'"' + number, b"", 0
        self._sent = perf_counter_ns()
        self._transport.write(request)

    def _end(self, problem: str | None) -> None:
        self._running = False
        if problem is not None:
            self._tally.wrong.append(problem)
        if not self.finished.done():
            self.finished.set_result(None)


async def drive(
    target: Target | ModelTarget,
    connections: int,
    *,
    warm: float,
    seconds: float,
    requests: int = _SPAN,
    spent: Callable[[], float] = lambda: math.nan,
) -> Sample:
    """Load `target` for `seconds` after `warm` seconds that do not count, or until each connection sent `requests`.

    `spent` tells how many seconds the gateway was on a processor so far.
    """
    tally = Tally(target.judge() if isinstance(target, ModelTarget) else Judge(target), requests)
    clients = [Client(target, tally, index) for index in range(connections)]
    for client in clients:
        await client.open()
    gc.collect()
    gc.disable()
    try:
        for client in clients:
            client.start()
        if warm:
            await asyncio.sleep(warm)
        tally.measuring = True
        began, before, already = perf_counter_ns(), spent(), tally.answers
        await _loaded(clients, tally, seconds)
        tally.measuring = False
        took, used, answered = perf_counter_ns() - began, spent() - before, tally.answers - already
        tally.stopping = True
        _, unanswered = await asyncio.wait([client.finished for client in clients], timeout=_PATIENCE)
    finally:
        gc.enable()
    tally.wrong += ["no answer"] * len(unanswered)
    for client in clients:
        await client.close()
    return replace(
        sample(tally.latencies, took, tally.answers, tally.wrong),
        first_ms=percentile(sorted(tally.firsts), 50) / 1e6,
        cpu_us=used / answered * 1e6 if answered else math.nan,
    )


async def _loaded(clients: Sequence[Client], tally: Tally, seconds: float) -> None:
    """Wait for `seconds`, and where answers are slow until there is one for each connection; less if all have ended."""
    finished = [client.finished for client in clients]
    until = asyncio.get_running_loop().time() + _PATIENCE
    _, running = await asyncio.wait(finished, timeout=seconds)
    while running and len(tally.latencies) < len(clients) and asyncio.get_running_loop().time() < until:
        _, running = await asyncio.wait(finished, timeout=seconds)


def sample(latencies: Sequence[int], took: int, answers: int, wrong: Sequence[str]) -> Sample:
    """The figures of one run from its latencies and its duration, both in nanoseconds."""
    ordered = sorted(latencies)
    return Sample(
        rps=len(ordered) / (took / 1e9),
        p50_ms=percentile(ordered, 50) / 1e6,
        p99_ms=percentile(ordered, 99) / 1e6,
        answers=answers,
        wrong=tuple(wrong),
    )


def percentile(ordered: Sequence[int], rank: int) -> float:
    """The nearest-rank percentile: the smallest value that `rank` percent of all values do not exceed."""
    return float(ordered[math.ceil(len(ordered) * rank / 100) - 1]) if ordered else math.nan
