"""Server-sent events, both directions, without I/O (WHATWG HTML §9.2).

`data`, `event` and `id` stay bytes: whoever reads them knows whether they are JSON, and one strict
decoding there is better than a lenient one here. Everything else is as the standard says, and two
caps are added: an event larger than `max_event` and a `retry` of more than nine digits.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from mcp_gateway.core.errors import ProtocolViolation

MEBIBYTE: Final = 1024 * 1024

_BOM: Final = b"\xef\xbb\xbf"
_COLON: Final = 0x3A
_LF: Final = 0x0A
_RETRY_DIGITS: Final = 9
_LONGEST_NAME: Final = 8  # what a line may hold besides its value: a field name, the colon, the space


class SseEvent(NamedTuple):
    """One dispatched event. A tuple, because one is made for every message on a stream.

    `id` is the last event id in force when the event ended; `retry` (milliseconds) is set only if this
    very event carried one. `data` may be empty: servers prime a stream with an id and no content.
    """

    event: bytes
    data: bytes
    id: bytes = b""
    retry: int | None = None


class SseDecoder:
    """Bytes in, events out; any chunking of the same bytes gives the same events.

    `last_event_id` is what a client that reconnects must send, `retry` how long it should wait
    (milliseconds, None if the server never said). Both advance with events that carry no data.
    An event that the stream does not finish is never delivered.
    """

    __slots__ = (
        "_at_start", "_data", "_event", "_event_retry", "_id", "_line", "_max_event", "_skip_lf",
        "last_event_id", "retry",
    )  # fmt: skip

    def __init__(self, max_event: int = MEBIBYTE) -> None:
        self.last_event_id = b""
        self.retry: int | None = None
        self._max_event = max_event
        self._at_start = True
        self._skip_lf = False
        self._line = bytearray()  # the beginning of a line whose end has not come yet
        self._data: bytes | bytearray | None = None
        self._event = b""
        self._id = b""
        self._event_retry: int | None = None

    def feed(self, data: bytes) -> list[SseEvent]:
        """Take the next bytes of the stream and return the events that they complete.

        Raises:
            ProtocolViolation: an event or a single line exceeds `max_event`. The decoder is then of no further use.
        """
        if self._at_start:
            data = self._strip_bom(data)
        if self._skip_lf and data:
            self._skip_lf = False
            if data[0] == _LF:
                data = data[1:]
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if end == 0:
            self._hold(data)
            return []
        self._skip_lf = data[end - 1] != _LF
        complete = data if end == len(data) else data[:end]
        if self._line:
            complete = bytes(self._line) + complete
            self._line.clear()
        events: list[SseEvent] = []
        for line in complete.splitlines():
            if line.startswith(b"data:"):
                self._add(line[6:] if line.startswith(b"data: ") else line[5:])
            elif not line:
                event = self._dispatch()
                if event is not None:
                    events.append(event)
            else:
                self._check(len(line) - _LONGEST_NAME)
                if line[0] != _COLON:
                    self._field(line)
        if end < len(data):
            self._hold(data[end:])
        return events

    def _strip_bom(self, data: bytes) -> bytes:
        start = bytes(self._line) + data
        self._line.clear()
        if len(start) < len(_BOM) and _BOM.startswith(start):
            self._line += start
            return b""
        self._at_start = False
        return start.removeprefix(_BOM)

    def _hold(self, data: bytes) -> None:
        self._line += data
        self._check(len(self._line) - _LONGEST_NAME)

    def _add(self, value: bytes) -> None:
        """Append a data line. A bytearray from the second on: a list of tiny lines would cost many times their size."""
        if self._data is None:
            self._check(len(value))
            self._data = value
            return
        if isinstance(self._data, bytes):
            self._data = bytearray(self._data)
        self._data += b"\n"
        self._data += value
        self._check(len(self._data))

    def _check(self, size: int) -> None:
        if size > self._max_event:
            raise ProtocolViolation(f"an event of the stream exceeds {self._max_event} bytes")

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"event":
            self._event = value
        elif name == b"id" and b"\0" not in value:
            self._id = value
        elif name == b"retry" and value.isdigit() and len(value) <= _RETRY_DIGITS:
            self.retry = self._event_retry = int(value)
        elif name == b"data":
            self._add(value)

    def _dispatch(self) -> SseEvent | None:
        self.last_event_id = self._id
        data, event, retry = self._data, self._event, self._event_retry
        self._data, self._event, self._event_retry = None, b"", None
        if data is None:
            return None
        return SseEvent(event or b"message", bytes(data), self.last_event_id, retry)


def encode_event(
    data: bytes, *, event: bytes | None = None, id: bytes | None = None, retry: int | None = None
) -> bytes:
    """One event as it goes on the wire. A carriage return inside `data` cannot be carried and arrives as a line feed.

    Raises:
        ValueError: `event` or `id` holds a line break, or `id` a NUL, which would end or void the field.
    """
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
    if event is None and id is None and retry is None:
        return b"data: " + data + b"\n\n"
    head = b""
    if event:
        head += b"event: " + _single_line(event) + b"\n"
    if id is not None:
        head += b"id: " + _single_line(id) + b"\n"
    if retry is not None:
        head += b"retry: %d\n" % retry
    return head + b"data: " + data + b"\n\n"


def comment(text: bytes = b"") -> bytes:
    """A line that receivers ignore: it keeps a quiet stream alive through proxies.

    Raises:
        ValueError: `text` holds a line break.
    """
    return b": " + _single_line(text) + b"\n\n"


def _single_line(value: bytes) -> bytes:
    if b"\n" in value or b"\r" in value or b"\0" in value:
        raise ValueError("a line break or NUL cannot be part of an event's field")
    return value
