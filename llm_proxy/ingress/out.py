"""The way back to one client over ASGI: a whole answer, or a stream that opens with its first piece."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import Final

from mcp_gateway.core.asgi import respond
from mcp_gateway.core.asgi.types import Headers, Send
from mcp_gateway.core.call import Trail

PREFIX: Final = b"x-gateway-"


class HttpOut:
    """Implements `asking.Out`."""

    __slots__ = ("_headers", "_send", "_started", "committed", "gone", "request_id", "trail")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._started = time.perf_counter()
        self._headers: dict[bytes, bytes] = {}
        self.request_id = request_id
        self.trail = Trail()
        self.gone = False
        self.committed = False

    def leave(self) -> None:
        """The client went away."""
        self.gone = True

    def tell(self, name: str, value: str) -> None:
        self._headers[PREFIX + name.encode()] = value.encode("latin-1", "replace")

    def write(self, piece: bytes) -> Awaitable[None]:
        if self.gone or not piece:
            return _nothing()
        if self.committed:
            return respond.send_chunk(self._send, piece)
        self.committed = True
        return respond.start_sse(self._send, self._lines(), first=piece)

    def whole(self, status: int, body: bytes, extra: Headers | None = None) -> Awaitable[None]:
        """Answer at once with a body of JSON."""
        if self.gone:
            return _nothing()
        self.committed = True
        lines = [respond.JSON, *self._lines()]
        if extra:
            lines += extra
        return respond.respond(self._send, status, body, lines)

    async def end(self, last: bytes = b"") -> None:
        """End a stream, with a last piece if there is one."""
        if self.gone:
            return
        if not self.committed:
            self.committed = True
            await respond.start_sse(self._send, self._lines())
        await respond.end(self._send, last)

    def _lines(self) -> Headers:
        upstream = self.trail.upstream_seconds
        own = time.perf_counter() - self._started - upstream
        timing = f"gateway;dur={own * 1000:.2f}, upstream;dur={upstream * 1000:.2f}"
        return [
            (b"x-request-id", self.request_id.encode()),
            (b"server-timing", timing.encode()),
            *self._headers.items(),
        ]


async def _nothing() -> None:
    """For who is gone."""
