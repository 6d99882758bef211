"""The answer to one request: JSON, or an event stream once a notification came first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final

from mcp_gateway.core import strictjson
from mcp_gateway.core.asgi import respond
from mcp_gateway.core.asgi.types import Headers, Send
from mcp_gateway.core.call import Json, Trail
from mcp_gateway.core.errors import MissingCapability
from mcp_gateway.ingress.keep_alive import KeepAlive
from mcp_gateway.ingress.stream import EventStream

FAMILY: Final[Mapping[str, str]] = {
    "sampling/createMessage": "sampling",
    "elicitation/create": "elicitation",
    "roots/list": "roots",
}


class Reply:
    """One response in the making; the `Link` of a modern call.

    The HTTP status is fixed once a stream starts, so the stream starts as late as it can: with the first
    notification, or when nothing was sent for so long that something on the way might hang up.
    """

    __slots__ = ("_keep_alive", "_pump", "_send", "_started", "request_id", "stream", "trail")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._started = time.perf_counter()
        self._keep_alive: KeepAlive | None = None
        self._pump: asyncio.Task[None] | None = None
        self.request_id = request_id
        self.trail = Trail()
        self.stream: EventStream | None = None

    def keep_alive(self, keep_alive: KeepAlive, loop: asyncio.AbstractEventLoop) -> None:
        """Start the stream, with its keep-alive comments, if the answer takes long."""
        if self._keep_alive is None:
            self._keep_alive = keep_alive
            keep_alive.watch(self, loop)

    def open(self) -> EventStream:
        """Commit to an event stream."""
        if self.stream is None:
            self.stream = self._make_stream()
            self._pump = asyncio.get_running_loop().create_task(self._run(self.stream))
        return self.stream

    def _make_stream(self) -> EventStream:
        return EventStream()

    async def _run(self, stream: EventStream) -> None:
        await stream.pump(self._send, self.headers())

    def notify(self, method: str, params: Json) -> None:
        self.open().push({"jsonrpc": "2.0", "method": method, "params": params})

    async def ask(self, method: str, params: Json) -> Json:
        required: Json = {FAMILY.get(method, method): {}}
        raise MissingCapability("requests to the client do not exist in this protocol version", required=required)

    async def finish(self, status: int, message: Json, extra: Headers | None = None) -> None:
        """Send the final message: as the whole response, or as the last event of the stream."""
        if self._keep_alive is not None:
            self._keep_alive.leave(self)
        if self.stream is None or self._pump is None:
            headers = self.headers()
            if extra:
                headers += extra
            await respond.respond_json(self._send, status, strictjson.dumps(message), headers)
            return
        self.stream.push(message, droppable=False)
        self.stream.end()
        await self._pump

    async def finish_all(self, messages: list[Json]) -> None:
        """Send the answers of a batch: one array, or an event each."""
        if self._keep_alive is not None:
            self._keep_alive.leave(self)
        if self.stream is None or self._pump is None:
            await respond.respond_json(self._send, 200, strictjson.dumps(messages), self.headers())
            return
        for message in messages:
            self.stream.push(message, droppable=False)
        self.stream.end()
        await self._pump

    async def accepted(self) -> None:
        """202 without a body: the answer to notifications and responses."""
        await respond.respond(self._send, 202, b"", self.headers())

    async def drop(self) -> None:
        """End without a final message: the request was cancelled."""
        if self._keep_alive is not None:
            self._keep_alive.leave(self)
        self.open().end()
        if self._pump is not None:
            await self._pump

    def abandon(self) -> None:
        """The client is gone: send nothing more."""
        if self._keep_alive is not None:
            self._keep_alive.leave(self)
        if self._pump is not None:
            self._pump.cancel()

    def headers(self) -> Headers:
        """The request id, and how the time was spent so far (milliseconds)."""
        upstream = self.trail.upstream_seconds
        gateway = time.perf_counter() - self._started - upstream
        timing = f"gateway;dur={gateway * 1000:.2f}, upstream;dur={upstream * 1000:.2f}"
        return [(b"x-request-id", self.request_id.encode()), (b"server-timing", timing.encode())]
