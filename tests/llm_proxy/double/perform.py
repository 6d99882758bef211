"""One answer of the double, with what goes wrong in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import orjson

from tests.llm_proxy.double.faults import (
    Cut,
    EndEarly,
    ErrorInStream,
    Failure,
    HugeUsage,
    MalformedChunk,
    MissingUsage,
    Raw,
    Silence,
    SlowFirstToken,
    StallMidStream,
    Step,
)
from tests.llm_proxy.double.http import Exchange, chunk
from tests.llm_proxy.double.question import Count, Plan, Question, Says, plan
from tests.llm_proxy.double.wire import Frame, Wire

SSE = "text/event-stream"
BROKEN = b'data: {"id": "x", "choices": [{"index"\n\n'


@dataclass(frozen=True, slots=True)
class Said:
    """A good answer as bytes: chunks if it is a stream."""

    model: str
    count: Count
    body: bytes
    stream: bool

    def give(self, exchange: Exchange, count: Callable[[str, Count], None]) -> None:
        """Answer with it."""
        count(self.model, self.count)
        (exchange.streamed if self.stream else partial(exchange.whole, 200))(self.body)


class Performance:
    """Answers one question by a step of the script, or well. `count` is told what is used as it goes out."""

    def __init__(
        self,
        exchange: Exchange,
        wire: Wire,
        question: Question,
        number: int,
        step: Step | None,
        count: Callable[[str, Count], None],
    ) -> None:
        self._exchange = exchange
        self._wire = wire
        self._step = step
        self._count = count
        self._plan = _told(plan(question, number, step if isinstance(step, Says) else None), step)

    def at_once(self) -> bool:
        """Answer now if nothing has to be waited for; whether that was so."""
        step = self._step
        if isinstance(step, Failure) or (isinstance(step, ErrorInStream) and not self._plan.question.stream):
            self._fail(step)
        elif isinstance(step, Raw):
            self._exchange.whole(200, step.body, step.content_type)
        elif isinstance(step, Cut) and step.after is None:
            self._exchange.cut()
        elif step is None or isinstance(step, Says | MissingUsage | HugeUsage):
            self._well()
        else:
            return False
        return True

    async def run(self) -> None:
        """Answer badly, which may take as long as the test wants."""
        step = self._step
        if isinstance(step, Silence):
            await self._wait(step)
            if not self._exchange.gone:
                self._well()
        elif self._plan.question.stream:
            await self._stream()
        else:
            await self._whole()

    def _fail(self, step: Failure | ErrorInStream) -> None:
        status, body = self._wire.failure(step.status if isinstance(step, Failure) else 500, step.kind)
        again = step.retry_after if isinstance(step, Failure) else None
        headers = {} if again is None else {"retry_after": f"{again:g}"}
        self._exchange.whole(status, orjson.dumps(body), **headers)

    def _well(self) -> None:
        self.said().give(self._exchange, self._count)

    def said(self) -> Said:
        """The whole of a good answer."""
        made, stream = self._plan, self._plan.question.stream
        if stream:
            body = b"".join(chunk(frame.data) for frame in self._wire.frames(made))
        else:
            body = orjson.dumps(self._wire.whole(made))
        return Said(made.model, made.count, body, stream)

    async def _whole(self) -> None:
        """A body that stalls, is cut or spoilt in its middle. It was made before it is sent, so all of it counts."""
        step, body = self._step, orjson.dumps(self._wire.whole(self._plan))
        half = len(body) // 2
        self._used(self._plan.count)
        if isinstance(step, MalformedChunk | EndEarly):
            self._exchange.whole(200, body[:half])
            return
        self._exchange.head("application/json", len(body))
        if isinstance(step, SlowFirstToken):
            await self._wait(step)
            self._exchange.write(body)
        else:
            self._exchange.write(body[:half])
            if isinstance(step, Cut):
                self._exchange.cut()
                return
            if isinstance(step, StallMidStream):
                await self._wait(step)
            self._exchange.write(body[half:])
        if not self._exchange.gone:
            self._exchange.end()

    async def _stream(self) -> None:
        step, frames = self._step, self._wire.frames(self._plan)
        self._exchange.head(SSE)
        self._used(replace(self._plan.count, output=0, reasoning=0))
        if isinstance(step, SlowFirstToken):
            await self._wait(step)
        elif isinstance(step, StallMidStream | Cut | MalformedChunk | ErrorInStream | EndEarly):
            self._send(frames, step.after)
            if isinstance(step, StallMidStream):
                await self._wait(step)
            elif isinstance(step, Cut):
                self._exchange.cut()
                return
            elif isinstance(step, MalformedChunk):
                self._exchange.write(BROKEN)
            else:
                if isinstance(step, ErrorInStream):
                    self._exchange.write(self._wire.failure_frame(step.kind))
                self._exchange.end()
                return
        self._send(frames, None)
        if not self._exchange.gone:
            self._exchange.end()

    def _send(self, frames: Iterator[Frame], most: int | None) -> None:
        """Send the next `most` frames, or all that are left, and count what they hold, unless the client is gone."""
        sent = 0
        while not self._exchange.gone and (most is None or sent < most):
            frame = next(frames, None)
            if frame is None:
                return
            sent += 1
            self._exchange.write(frame.data)
            self._used(Count(output=frame.tokens))

    async def _wait(self, step: Silence | SlowFirstToken | StallMidStream) -> None:
        """Until the test releases it, or the client is gone."""
        step.reached.set()
        waiting = [asyncio.ensure_future(event.wait()) for event in (step.gate, self._exchange.received.gone)]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for future in waiting:
                future.cancel()

    def _used(self, more: Count) -> None:
        self._count(self._plan.model, more)


def _told(made: Plan, step: Step | None) -> Plan:
    if isinstance(step, MissingUsage):
        return replace(made, told=None)
    if isinstance(step, HugeUsage):
        return replace(made, told=Count(step.tokens, step.tokens))
    return made
