"""One provider's stream on its way to one client. Sans-IO: bytes in, bytes out.

Each event is read, or is like one that was: that is how a cut or a failing stream is noticed, and usage and times are
known. Where client and provider speak one format and nothing looks at the answer, the event then leaves as it came.
An answer that is looked at is written anew from what was looked at: what nobody has seen does not leave.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Final

from llm_proxy.asking import Screen
from llm_proxy.completion.answer import (
    Event,
    Finished,
    ReasoningPiece,
    Started,
    TextPiece,
    ToolPiece,
    ToolStarted,
    Used,
)
from llm_proxy.completion.dialect import Dialect, Writer
from llm_proxy.providers.alike import Alike
from llm_proxy.providers.codec import Codec
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import Blocked
from mcp_gateway.core.sse import SseDecoder, SseEvent, encode_event

LARGEST_EVENT: Final = 8 << 20
"""Bytes: images come in one event."""

_USAGE: Final = b'"usage"'
_MESSAGE: Final = b"message"


class Stream:
    """Makes what the client gets of what the provider sends.

    `usage` is the last that was told, `written` the bytes of text so far, `begun` whether there was any content yet.
    """

    __slots__ = (
        "_alike",
        "_decoder",
        "_dialect",
        "_keep_usage",
        "_reader",
        "_screen",
        "_writer",
        "begun",
        "usage",
        "written",
    )

    def __init__(
        self, codec: Codec, dialect: Dialect, *, writer: Writer | None, screen: Screen | None, keep_usage: bool
    ) -> None:
        """Without a `writer` events are passed on as they are, and a `screen` only watches."""
        self._alike = Alike()
        self._decoder = SseDecoder(LARGEST_EVENT)
        self._reader = codec.reader()
        self._dialect = dialect
        self._writer = writer
        self._screen = screen
        self._keep_usage = keep_usage
        self.usage: Usage | None = None
        self.written = 0
        self.begun = False

    @property
    def refused(self) -> Blocked | None:
        """Why nothing more leaves, once that is so: to be raised when what left before is on its way."""
        return None if self._screen is None else self._screen.refused

    def feed(self, piece: bytes) -> bytes:
        """What leaves now. Raises `StreamFault`, `ProtocolViolation`."""
        return b"".join([self._each(event) for event in self._decoder.feed(piece)])

    async def end(self) -> bytes:
        """What leaves at the end. Raises as `feed` does, also where the answer is not complete, and `Blocked`."""
        rest = self._reader.end()
        self._note(rest)
        leaving = list(rest)
        if self._screen is not None:
            leaving = [passed for event in rest for passed in self._screen.see(event)]
            if self._screen.refused is None:
                leaving += await self._screen.end()
        if self._writer is None:
            return b""
        if self.refused is not None:
            return self._written(leaving)
        return self._written(leaving) + self._writer.end()

    def _each(self, event: SseEvent) -> bytes:
        known = self._alike.read(event)
        if known is None:
            events = self._reader.read(event)
            self._note(events)
            leaving = b"" if self._writer is not None else self._passed(event)
            self._alike.learn(event, events, leaving)
        else:
            said, leaving, size = known
            events = (said,)
            self.written += size
        if self._screen is not None:
            events = [passed for one in events for passed in self._screen.see(one)]
        return leaving if self._writer is None else self._written(events)

    def _passed(self, event: SseEvent) -> bytes:
        data: bytes | None = event.data
        if not self._keep_usage and _USAGE in event.data:
            data = self._dialect.without_usage(event.data)
            if data is None:
                return b""
        name = None if event.event == _MESSAGE else event.event
        return encode_event(data or b"", event=name)

    def _written(self, events: Iterable[Event]) -> bytes:
        assert self._writer is not None
        return b"".join([self._writer.write(_dated(event)) for event in events])

    def _note(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, TextPiece | ReasoningPiece):
                self.written += len(event.text.encode("utf-8", "surrogatepass"))
                self.begun = True
            elif isinstance(event, ToolPiece):
                self.written += len(event.arguments.encode("utf-8", "surrogatepass"))
            elif isinstance(event, ToolStarted | Finished):
                self.begun = True
            elif isinstance(event, Used):
                self.usage = event.usage


def _dated(event: Event) -> Event:
    """Some families do not say when an answer was made, and in others it has to be there."""
    if isinstance(event, Started) and not event.created:
        return event._replace(created=int(time.time()))
    return event
