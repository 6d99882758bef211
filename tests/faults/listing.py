"""An upstream whose lists and greetings are a test's to make up, and a place that must never be asked for anything."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

from tests.upstreams.evil import HANDSHAKE, MODERN, EvilMCP
from tests.upstreams.evil_wire import Exchange

Page = Callable[[str | None], dict[str, Any]]
"""The result of `tools/list` for a cursor."""

OBJECT: dict[str, Any] = {"type": "object"}


def tool(name: Any, schema: Any = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": "as it says", "inputSchema": OBJECT if schema is None else schema, **more}


class ListingMCP(EvilMCP):
    """Lists what `page` says and greets with `greeting`; every tool returns its arguments.

    A session of the handshake era has an event stream, on which `announce` puts notifications.
    """

    def __init__(
        self,
        definitions: list[Any] | Page,
        *,
        era: Literal["both", "modern", "legacy"] = "both",
        greeting: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(era=era)
        self.page: Page = definitions if callable(definitions) else lambda cursor: {"tools": definitions}
        self.greeting = greeting or {}
        self._streams: list[Exchange] = []

    async def announce(self, count: int) -> None:
        """Say `count` times that the tools changed."""
        event = b'data: {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}\n\n'
        event = b'data: {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}\n\n'
        for stream in self._streams:
            for _ in range(count // 100):
                with contextlib.suppress(ConnectionError):
                    await stream.send(event * 100)

    @property
    def listened(self) -> bool:
        """Whether somebody reads the event stream."""
        return bool(self._streams)

    async def _answer(self, x: Exchange) -> None:
        if x.seen.http_method == "GET" and self._era == "legacy":
            await x.stream()
            self._streams.append(x)
            await x.hang()
        else:
            await super()._answer(x)

    async def _call(self, x: Exchange, tool: str) -> None:
        arguments = x.seen.params.get("arguments", {})
        await x.answer(x.result(json.dumps(arguments), structuredContent={"echo": arguments}))

    async def _plain(self, x: Exchange) -> None:
        caching = {"ttlMs": 0, "cacheScope": "private"} if x.modern else {}
        info = {"name": "listing", "version": "1"}
        capabilities = {"tools": {"listChanged": not x.modern}}
        match x.seen.method:
            case "server/discover" if x.modern:
                meta = {"_meta": {"io.modelcontextprotocol/serverInfo": info}}
                found = {"supportedVersions": [MODERN], "capabilities": capabilities, **meta, **caching}
                await x.answer(x.reply({**found, **self.greeting}))
            case "initialize" if not x.modern:
                session = f"listing-{len(self.requests)}"
                self._sessions.add(session)
                found = {"protocolVersion": HANDSHAKE[0], "capabilities": capabilities, "serverInfo": info}
                await x.answer(x.reply({**found, **self.greeting}), mcp_session_id=session)
            case "tools/list":
                await x.answer(x.reply({**caching, **self.page(x.seen.params.get("cursor"))}))
            case _:
                await super()._plain(x)


@contextlib.asynccontextmanager
async def recorder() -> AsyncIterator[tuple[str, list[bytes]]]:
    """The address of a server that nobody is to come to, and what came."""
    came: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.read(1000))
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", came
