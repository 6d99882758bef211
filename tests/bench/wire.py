"""HTTP/1.1 and event streams for the ends of the bench: as little work as can be, for trusted peers. No I/O."""

from __future__ import annotations

from typing import Final, NamedTuple

EVENT_STREAM: Final = b"\r\ncontent-type: text/event-stream"

_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"\r\ncontent-length:"
_CHUNKED: Final = b"\r\ntransfer-encoding: chunked"


class HttpMessage(NamedTuple):
    """A request or a response. `head` is its start line as sent and its fields, `fields` the same in lower case."""

    head: bytes
    fields: bytes
    body: bytes

    @property
    def status(self) -> int:
        """Of a response."""
        return int(self.head[9:12])

    def field(self, name: bytes) -> bytes | None:
        """The value of a header field, by its name in lower case, with its case kept."""
        at = self.fields.find(b"\r\n" + name + b":")
        if at < 0:
            return None
        start = at + len(name) + 3
        end = self.head.find(b"\r\n", start)
        return self.head[start : end if end >= 0 else None].strip()


class Reader:
    """Bytes in, whole messages out. A message without a length has no body."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[HttpMessage]:
        if self._held:
            data = self._held + data
        messages: list[HttpMessage] = []
        start = 0
        while (end := data.find(_END, start)) >= 0:
            head = data[start:end]
            fields = head.lower()
            body_at = end + 4
            if (at := fields.find(_LENGTH)) >= 0:
                stop = fields.find(b"\r\n", at + 2)
                length = int(fields[at + len(_LENGTH) : stop if stop >= 0 else None])
                if len(data) < body_at + length:
                    break
                start = body_at + length
                body = data[body_at:start]
            elif _CHUNKED in fields:
                dechunked = _dechunk(data, body_at)
                if dechunked is None:
                    break
                body, start = dechunked
            else:
                body, start = b"", body_at
            messages.append(HttpMessage(head, fields, body))
        self._held = data[start:]
        return messages


def _dechunk(data: bytes, at: int) -> tuple[bytes, int] | None:
    """A chunked body without trailers that begins at `at`, and where it ends; None while some of it is missing."""
    pieces: list[bytes] = []
    while (line := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:line].partition(b";")[0], 16)
        at = line + 2 + size + 2
        if len(data) < at:
            return None
        if size == 0:
            return b"".join(pieces), at
        pieces.append(data[line + 2 : line + 2 + size])
    return None


def events(body: bytes) -> list[bytes]:
    """The data of the events of a whole stream that have any; data of several lines is not expected."""
    return [line[5:].strip() for line in body.splitlines() if line.startswith(b"data:") and len(line) > len(b"data: ")]
