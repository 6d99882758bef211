"""One HTTP/1.1 connection: bytes from the socket through the parser into the response in flight.

Strict where leniency would be a way to smuggle: one framing per message, no upgrade, no compression,
HTTP/1.0 and 1.1 only. The parser (llhttp) refuses bare line feeds, folded headers and conflicting lengths.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Final, Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from mcp_gateway.core.egress.limits import ResponseLimits
from mcp_gateway.core.egress.response import HIGH_WATER, Response
from mcp_gateway.core.errors import ProtocolViolation, TimedOut, Unreachable, UpstreamError

_VERSIONS: Final = frozenset(("1.1", "1.0"))


class Owner(Protocol):
    """Whoever lends the connection out."""

    def released(self, connection: Connection) -> None:
        """The response is complete and the connection can carry another request."""

    def lost(self, connection: Connection) -> None:
        """The connection is closed. Called once."""


class _Refused(Exception):
    """Stops the parser from inside a callback; the message is fit for the public."""


class Connection(asyncio.Protocol):
    """Carries one request at a time. Never sends a request twice, never waits."""

    __slots__ = (
        "_bodiless", "_deadline", "_delivered", "_done", "_fields", "_framed", "_head_bytes", "_headers", "_in_body",
        "_interim", "_limits", "_loop", "_owner", "_parser", "_paused", "_response", "_reusable", "_silent", "_timer",
        "_transport", "closed", "gone", "idle_since",
    )  # fmt: skip

    # The state of the message being received; `_reset` begins the next one.
    _headers: dict[bytes, bytes]
    _head_bytes: int
    _fields: int
    _interim: int
    _silent: int  # bytes received since the parser last delivered something
    _bodiless: bool
    _framed: bool  # the message says where it ends; otherwise the end of the connection ends it
    _in_body: bool
    _delivered: bool
    _done: bool
    _reusable: bool

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: ResponseLimits) -> None:
        self.closed = False
        self.gone: asyncio.Future[None] = loop.create_future()
        """Done when the socket is closed."""
        self.idle_since = 0.0
        self._loop = loop
        self._limits = limits
        self._owner: Owner | None = None
        self._transport: asyncio.Transport | None = None
        self._parser: HttpResponseParser | None = None
        self._response: Response | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._paused = False
        self._reset()

    # ------------------------------------------------------------ for the pool and the client

    @property
    def usable(self) -> bool:
        return not self.closed and self._transport is not None and not self._transport.is_closing()

    def belong(self, owner: Owner) -> None:
        """Report to `owner` from now on."""
        self._owner = owner

    def send(self, request: bytes, *, bodiless: bool) -> Response:
        """Write a whole request; the caller waits on what is returned. `bodiless` is for HEAD.

        Raises:
            Unreachable: (sent=False) the connection was closed before anything could be written.
        """
        if self._transport is None or not self.usable:
            self.discard()
            raise Unreachable("the connection was closed", sent=False)
        self._reset()
        self._bodiless = bodiless
        response = self._response = Response(self, self._loop, self._limits.body_bytes)
        self._transport.write(request)
        return response

    def discard(self) -> None:
        """Close at once, whatever is in flight."""
        if self.closed:
            return
        self.closed = True
        self._response = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
        if self._owner is not None:
            self._owner.lost(self)

    def fail(self, error: UpstreamError) -> None:
        """Close at once and tell the response in flight, if there is one."""
        response = self._response
        if response is not None:
            response.fail(error)
        self.discard()

    # ------------------------------------------------------------ for the response in flight

    def watch(self, deadline: float) -> None:
        """Let the wait that begins now end at `deadline`.

        One timer serves the whole connection: it is left running when a wait ends, and re-armed only
        when it fires early for the wait of then. Most requests so never touch the loop's timer heap.
        """
        self._deadline = deadline
        timer = self._timer
        if timer is None:
            self._timer = self._loop.call_at(deadline, self._expire)
        elif timer.when() > deadline:
            timer.cancel()
            self._timer = self._loop.call_at(deadline, self._expire)

    def pause(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def _expire(self) -> None:
        self._timer = None
        response = self._response
        if response is None or not response.waiting:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._expire)
            return
        self.fail(TimedOut("no answer within the deadline"))

    # ------------------------------------------------------------ from the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._parser = HttpResponseParser(self)
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        response, parser = self._response, self._parser
        if self.closed or parser is None:
            return
        if response is None:
            self.discard()  # bytes that nobody asked for: what comes next could pass for an answer
            return
        self._delivered = False
        try:
            parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._reusable = False
            if not self._done:
                cause = error.__context__
                reason = cause if isinstance(cause, _Refused) else "it is not a valid HTTP/1.1 response"
                self.fail(ProtocolViolation(f"the response was refused: {reason}"))
                return
        if self._done:
            self._finish(response)
            return
        if not self._delivered:
            # Neither a header value nor a trailer reaches a callback before its end: count what feeds them.
            self._silent += len(data)
            if self._silent > self._limits.header_bytes:
                self.fail(ProtocolViolation("the response was refused: its headers are too long"))
                return
        else:
            self._silent = 0
        if response.status:
            response.progress()

    def connection_lost(self, exc: Exception | None) -> None:
        response = self._response
        if response is not None and not self.closed:
            if exc is None and response.status and not self._framed:
                self._reusable = False
                self._finish(response)
            else:
                self.fail(self._broken(exc))
        self.discard()
        self._parser = None
        if not self.gone.done():
            self.gone.set_result(None)

    def _broken(self, exc: Exception | None) -> UpstreamError:
        if isinstance(exc, ssl.SSLError):
            return ProtocolViolation("the TLS connection was broken by invalid data")
        if exc is None and self._in_body:
            return ProtocolViolation("the response ended before its declared length")
        return Unreachable("the connection was closed before the response was complete", sent=True)

    def _finish(self, response: Response) -> None:
        """The message is complete. The connection goes back before the caller runs: it is needed elsewhere."""
        transport = self._transport
        self._response = None
        reusable = self._reusable and transport is not None and transport.get_write_buffer_size() == 0 and self.usable
        response.finish()
        if not reusable:
            self.discard()
            return
        self.resume()
        if self._owner is not None:
            self._owner.released(self)

    def _reset(self) -> None:
        self._headers = {}
        self._head_bytes = self._fields = 0
        self._interim = 0
        self._silent = 0
        self._bodiless = self._framed = self._in_body = self._delivered = self._done = self._reusable = False

    # ------------------------------------------------------------ from the parser

    def on_message_begin(self) -> None:
        if self._done:
            raise _Refused("it is followed by another")

    def on_header(self, name: bytes, value: bytes) -> None:
        limits = self._limits
        self._fields += 1
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > limits.header_bytes or self._fields > limits.header_fields:
            raise _Refused("its headers are too long or too many")
        if self._in_body:
            return  # trailers are bounded and otherwise ignored
        headers = self._headers
        name = name.lower()
        value = value.rstrip()
        headers[name] = headers[name] + b", " + value if name in headers else value

    def on_headers_complete(self) -> None:
        response, parser = self._response, self._parser
        if response is None or parser is None:
            return
        status = parser.get_status_code()
        if parser.get_http_version() not in _VERSIONS or status > 599:
            raise _Refused("its version or status is not one of HTTP/1.1")
        if status < 200:
            self._interim += 1
            if status == 101 or self._interim > self._limits.interim_responses:
                raise _Refused("it switches protocols, or too many interim responses precede it")
            self._headers = {}
            return
        headers = self._headers
        encoding = headers.get(b"transfer-encoding")
        if encoding is not None and encoding.lower() != b"chunked":
            raise _Refused("its transfer encoding is not chunked")
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise _Refused("it is compressed although that was not asked for")
        length = headers.get(b"content-length")
        self._framed = encoding is not None or length is not None
        self._in_body = self._delivered = True
        kind = headers.get(b"content-type", b"")
        short = length is not None and int(length) <= HIGH_WATER and not kind.startswith(b"text/event-stream")
        # One that says that it is too long is refused by whoever reads it: that is not worth waiting for.
        bearable = length is None or int(length) <= self._limits.body_bytes
        response.begin(status, headers, whole=short or (bearable and kind.startswith(b"application/json")))
        if self._bodiless:
            self._done = True  # and not reusable: the parser now expects the body that HEAD does not have

    def on_body(self, data: bytes) -> None:
        response = self._response
        if response is not None and not self._done:
            self._delivered = True
            response.extend(data)

    def on_message_complete(self) -> None:
        if self._in_body and not self._done and self._parser is not None:
            self._done = True
            self._reusable = self._parser.should_keep_alive()
