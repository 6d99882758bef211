"""One request and its response on an edge connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl

from mcp_gateway.core.asgi.disconnect import EXTENSION
from mcp_gateway.core.asgi.respond import FOLLOWED
from mcp_gateway.core.asgi.types import Headers

_FRAMING: Final = frozenset((b"connection", b"content-length", b"transfer-encoding"))


class EdgeCycle(RequestResponseCycle):
    """uvicorn's cycle, which also tells a watcher when the client goes away, and writes plain responses faster.

    A plain head has no Transfer-Encoding or Connection, a plain body has a length and comes in one piece, or has none
    and comes in chunks; others take uvicorn's own way. uvicorn searches every name and value with two regular
    expressions; here the finished head is checked once for what could split it.
    """

    on_disconnect: Callable[[], object] | None = None
    _head: bytes = b""
    _handed = False

    async def receive(self) -> ASGIReceiveEvent:
        """The ASGI `receive`. A body that is there as a whole takes no turn at the event that others wait for."""
        if self._handed or self.more_body or self.disconnected or self.response_complete:
            return await super().receive()
        self._handed = True
        self.message_event.clear()
        self.flow.resume_reading()
        body, self.body = bytes(self.body), bytearray()
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: ASGISendEvent) -> None:
        """The ASGI `send`.

        Raises:
            RuntimeError: the message is out of order, or a header holds a line break or NUL.
        """
        if self.flow.write_paused or self.disconnected:
            self._flush_head()
            await super().send(message)
        elif message["type"] == "http.response.body" and self.response_started and not self.response_complete:
            more = message.get("more_body", False)
            if self.scope["method"] == "HEAD" or (more and not self.chunked_encoding):
                self._flush_head()
                await super().send(message)
            elif self.chunked_encoding:
                self._write_chunk(message.get("body", b""), more=more)
            else:
                self._finish(message.get("body", b""))
        elif message["type"] == "http.response.start" and not self.response_started:
            head = self._plain_head(message["status"], list(message.get("headers", ())))
            if head is None:
                await super().send(message)
                return
            self.response_started = True
            self.waiting_for_100_continue = False
            if self.scope["method"] == "HEAD" or (self.chunked_encoding and FOLLOWED not in message):
                self.transport.write(head)
            else:
                # A body of a declared length follows at once, as what is said to: both leave in one write.
                self._head = head
        else:
            await super().send(message)

    def _flush_head(self) -> None:
        if self._head:
            self.transport.write(self._head)
            self._head = b""

    def _write_chunk(self, body: bytes, *, more: bool) -> None:
        chunk = b"".join((self._head, b"%x\r\n" % len(body), body, b"\r\n")) if body else self._head
        self._head = b""
        if more:
            if chunk:
                self.transport.write(chunk)
            return
        self.transport.write(chunk + b"0\r\n\r\n")
        self._complete()

    def _finish(self, body: bytes) -> None:
        if len(body) != self.expected_content_length:
            raise RuntimeError("The response is not as long as its Content-Length.")
        self.transport.write(self._head + body)
        self._head = b""
        self._complete()

    def _complete(self) -> None:
        self.response_complete = True
        # Otherwise the scope and the cycle hold each other, and wait for the collector: thousands at a time.
        self.scope.get("extensions", {}).pop(EXTENSION, None)
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    def _plain_head(self, status: int, headers: Headers) -> bytes | None:
        parts = [STATUS_LINE[status]]
        rows = 2 + len(self.default_headers) + len(headers)
        length: int | None = None
        for name, value in self.default_headers + headers:
            lowered = name.lower()
            if lowered in _FRAMING:
                if lowered != b"content-length":
                    return None
                if length is not None:
                    raise RuntimeError("More than one Content-Length header.")
                length = int(value)
            parts += (lowered, b": ", value, b"\r\n")
        if not self.keep_alive:
            parts.append(b"connection: close\r\n")
            rows += 1
        chunked = length is None and self.scope["method"] != "HEAD" and status not in (204, 304)
        if chunked:
            parts.append(b"transfer-encoding: chunked\r\n")
            rows += 1
        parts.append(b"\r\n")
        head = b"".join(parts)
        if head.count(b"\n") != rows or head.count(b"\r") != rows or head.count(b"\0"):
            raise RuntimeError("Invalid HTTP header value.")
        self.chunked_encoding = chunked
        self.expected_content_length = length or 0
        return head

    def watch(self, callback: Callable[[], object] | None) -> None:
        """Call `callback` when the connection is lost; None takes it back. This is `disconnect.EXTENSION`."""
        self.on_disconnect = callback
        if callback is not None and self.disconnected:
            callback()

    def abandon(self) -> None:
        """The client is gone, or gets another answer than the app's: let the app see a disconnect."""
        if self.response_complete or self.disconnected:
            return
        self.disconnected = True
        self.message_event.set()
        if self.on_disconnect is not None:
            self.on_disconnect()


def connection_scope(transport: asyncio.Transport) -> dict[str, Any]:
    """What the ASGI scopes of all requests of a connection have in common."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "server": get_local_addr(transport),
        "client": get_remote_addr(transport),
        "scheme": "https" if is_ssl(transport) else "http",
        "root_path": "",
    }
