"""A raw ASGI client: sends bodies in pieces, reads event streams as they come, goes away when told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from mcp_gateway.core.asgi.disconnect import EXTENSION
from mcp_gateway.core.asgi.types import App, Message, Scope
from mcp_gateway.core.sse import SseDecoder, SseEvent

PATIENCE = 10.0
"""Seconds after which a test that waits for something has failed. Nothing waits so long when it works."""

RawHeaders = Sequence[tuple[bytes, bytes]]


class Exchange:
    """One HTTP request on its way through an app, and the response so far."""

    def __init__(
        self, app: App, scope: Scope, pieces: Sequence[bytes], *, extension: bool = True, slow: bool = False
    ) -> None:
        """`extension` offers the edge's disconnect callback; with `slow` the client reads only after `read_on`."""
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.chunks: list[bytes] = []
        self.complete = False
        self.gone = False
        self.faults: list[str] = []
        self._pieces = list(pieces)
        self._changed = asyncio.Event()
        self._left = asyncio.Event()
        self._reading = asyncio.Event()
        if not slow:
            self._reading.set()
        self._on_disconnect: Callable[[], object] | None = None
        self._decoder = SseDecoder()
        self._events: list[SseEvent] = []
        self._decoded = 0
        if extension:
            scope.setdefault("extensions", {})[EXTENSION] = self._register
        self.task: asyncio.Task[None] = asyncio.ensure_future(app(scope, self._receive, self._send))
        self.task.add_done_callback(lambda _: self._changed.set())

    # ------------------------------------------------------------------ the server's side

    async def _receive(self) -> Message:
        if self._pieces:
            body = self._pieces.pop(0)
            return {"type": "http.request", "body": body, "more_body": bool(self._pieces)}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self.gone:
            return
        if self.complete:
            # A task of the app's own may raise unseen, so the fault is also written down.
            self.faults.append(f"sent after the end of the response: {message}")
        assert not self.faults
        if message["type"] == "http.response.start":
            assert self.status == 0, "two responses to one request"
            self.status, self.headers = message["status"], list(message["headers"])
        else:
            assert self.status != 0, "a body before its response"
            await self._reading.wait()
            self.chunks.append(message.get("body", b""))
            self.complete = not message.get("more_body", False)
        self._changed.set()

    def _register(self, callback: Callable[[], object] | None) -> None:
        self._on_disconnect = callback
        if callback is not None and self.gone:
            callback()

    # ------------------------------------------------------------------ the client's side

    def disconnect(self) -> None:
        """Go away."""
        self.gone = True
        self._left.set()
        if self._on_disconnect is not None:
            self._on_disconnect()

    def read_on(self) -> None:
        """Take what was sent, from now on."""
        self._reading.set()

    def header(self, name: str) -> str | None:
        values = [value.decode() for key, value in self.headers if key == name.encode()]
        assert len(values) <= 1, f"{name} was sent {len(values)} times"
        return values[0] if values else None

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def streaming(self) -> bool:
        return self.header("content-type") == "text/event-stream"

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the response is such that `condition` holds."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._changed.clear()
                if self.task.done():
                    self.task.result()
                    assert condition(), f"the app ended: {self.status} {self.body[:2000]!r}"
                    return
                await self._changed.wait()

    async def started(self) -> Exchange:
        await self.until(lambda: self.status != 0)
        return self

    async def done(self) -> Exchange:
        """Wait until the app has returned; raises what it raised."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.shield(self.task)
        return self

    async def event(self) -> SseEvent:
        """The next event of the stream."""

        def have() -> bool:
            while self._decoded < len(self.chunks):
                self._events += self._decoder.feed(self.chunks[self._decoded])
                self._decoded += 1
            return bool(self._events)

        await self.until(have)
        return self._events.pop(0)

    async def message(self) -> dict[str, Any]:
        """The next JSON-RPC message of the stream, events without data passed over."""
        while True:
            event = await self.event()
            if event.data:
                message: dict[str, Any] = json.loads(event.data)
                return message

    async def messages(self) -> list[dict[str, Any]]:
        """Every message still to come, to the end of the stream."""
        await self.done()
        assert self.complete
        while self._decoded < len(self.chunks):
            self._events += self._decoder.feed(self.chunks[self._decoded])
            self._decoded += 1
        found = [json.loads(event.data) for event in self._events if event.data]
        self._events.clear()
        return found

    async def json(self) -> Any:
        """The whole body of a JSON response."""
        await self.done()
        assert self.complete
        assert self.header("content-type") == "application/json", (self.status, self.headers, self.body)
        assert self.header("content-length") == str(len(self.body))
        return json.loads(self.body)

    async def answer(self) -> dict[str, Any]:
        """The final message, be the response JSON or a stream."""
        await self.started()
        found: dict[str, Any] = (await self.messages())[-1] if self.streaming else await self.json()
        return found

    async def result(self) -> dict[str, Any]:
        answer = await self.answer()
        assert "result" in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    async def error(self) -> dict[str, Any]:
        answer = await self.answer()
        assert "error" in answer, answer
        error: dict[str, Any] = answer["error"]
        return error


def scope(method: str, path: str, headers: RawHeaders, client: tuple[str, int] = ("127.0.0.1", 5)) -> Scope:
    """An ASGI HTTP scope as the edge makes it."""
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"gw.test"), *(pair for pair in headers)]
        if b"host" not in dict(headers)
        else list(headers),
        "client": client,
        "server": ("127.0.0.1", 80),
        "scheme": "http",
    }
