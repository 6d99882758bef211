"""HTTP/1.1 for the double: parsed by httptools, answered by hand, so that an answer can break off anywhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, cast

import httptools

_PHRASES: Final = MappingProxyType({status.value: status.phrase for status in HTTPStatus})


@dataclass(slots=True)
class Received:
    """One request as it came; header names are in lower case. `gone` is set if the client left before its answer ended,
    `answered` once all of the answer is written.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    gone: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    answered: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def chunk(data: bytes) -> bytes:
    """A chunk of a body whose length nobody knows yet."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Exchange:
    """One request and the connection to answer it on. What is written once the client is gone goes nowhere."""

    __slots__ = ("_connection", "_streaming", "received")

    def __init__(self, received: Received, connection: Connection) -> None:
        self.received = received
        self._connection = connection
        self._streaming = False

    @property
    def gone(self) -> bool:
        return self.received.gone.is_set()

    def whole(self, status: int, body: bytes, content_type: str = "application/json", **headers: str) -> None:
        """A whole answer, after which the connection is used again."""
        self._connection.write(_head(status, content_type, headers, len(body)) + body)
        self._end()

    def streamed(self, pieces: bytes) -> None:
        """A whole stream at once; `pieces` are chunks as `chunk` makes them."""
        self._connection.write(_STREAM + pieces + _END)
        self._end()

    def head(self, content_type: str, length: int | None = None) -> None:
        """The beginning of a good answer of `length` bytes, or of a stream."""
        self._streaming = length is None
        self._connection.write(_head(200, content_type, {}, length))

    def write(self, data: bytes) -> None:
        """More of the body."""
        if data:
            self._connection.write(chunk(data) if self._streaming else data)

    def end(self) -> None:
        """The end of the body."""
        if self._streaming:
            self._connection.write(_END)
        self._end()

    def _end(self) -> None:
        self.received.answered.set()
        self._connection.ended()

    def cut(self) -> None:
        """The connection closes here, whatever is missing."""
        self.received.answered.set()
        self._connection.close()


class Connection(asyncio.Protocol):
    """One client's connection. Requests on it are answered one after the other."""

    def __init__(self, answer: Callable[[Exchange], None], changed: Callable[[Connection, bool], None]) -> None:
        self._answer = answer
        self._changed = changed
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._current: Received | None = None
        self._waiting: list[Received] = []
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's only behaves like one
        self._changed(self, True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._current is not None and not self._current.answered.is_set():
            self._current.gone.set()
        self._changed(self, False)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode()
        received = Received(method, self._url.decode("latin-1"), self._headers, b"".join(self._body))
        self._url, self._headers, self._body = b"", {}, []
        self._waiting.append(received)
        if self._current is None:
            self._next()

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def ended(self) -> None:
        """The current answer is complete."""
        self._next()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _next(self) -> None:
        self._current = self._waiting.pop(0) if self._waiting else None
        if self._current is not None:
            self._answer(Exchange(self._current, self))


def _head(status: int, content_type: str, headers: Mapping[str, str], length: int | None) -> bytes:
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, 'Whatever')}", f"content-type: {content_type}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines.append("transfer-encoding: chunked" if length is None else f"content-length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


_STREAM: Final = _head(200, "text/event-stream", {}, None)
_END: Final = b"0\r\n\r\n"
