"""`EvilMCP`: an MCP server, in both eras, whose every tool fails in its own way. No SDK, plain sockets.

It lists its tools and negotiates like any server; a `tools/call` runs the fault that the tool is named after
(`evil_faults.FAULTS`), and the tool `refuse` closes the listener. Everything received is recorded, so that a test can
say "no call was sent twice" and "nothing was sent".

    async with EvilMCP() as evil:
        ... call `reset_mid_body` through evil.url ...
        assert evil.calls("reset_mid_body") == 1
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from types import TracebackType
from typing import Any, Literal, Self

from tests.upstreams.evil_faults import FAULTS
from tests.upstreams.evil_wire import Exchange, Seen, read_request

MODERN = "2026-07-28"
HANDSHAKE = ("2025-11-25", "2025-06-18", "2025-03-26")
REFUSE = "refuse"
PACE = 0.01
"""Seconds between the bytes of an answer that trickles."""


class EvilMCP:
    """An async context manager. `requests` holds every HTTP request in order of arrival."""

    def __init__(self, *, era: Literal["both", "modern", "legacy"] = "both", pace: float = PACE) -> None:
        self.requests: list[Seen] = []
        self.gate = asyncio.Event()
        self.sent: Counter[str] = Counter()
        """Bytes that the peer took, by tool: what an endless answer got rid of before it was given up on."""
        self.connections = 0
        self.tools: list[str] = [*FAULTS, REFUSE]
        """What `tools/list` offers: change it to change the list."""
        self._era = era
        self._pace = pace
        self._server: asyncio.Server | None = None
        self._port = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sessions: set[str] = set()
        self._ended: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/mcp"

    def calls(self, tool: str | None = None) -> int:
        """How many `tools/call` arrived, of one tool or of all."""
        return sum(1 for seen in self.requests if seen.tool is not None and tool in (None, seen.tool))

    def methods(self) -> Counter[str]:
        """How often each JSON-RPC method arrived."""
        return Counter(seen.method for seen in self.requests if seen.method is not None)

    async def ended(self, tool: str) -> None:
        """Waits until an answer of `tool` is over: sent, or given up by the peer."""
        await self._ended[tool].wait()

    async def accept(self) -> None:
        """Listen, again on the same port."""
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Close the listener and reset every connection: from now on connecting is refused."""
        if self._server is not None:
            self._server.close()
            self._server = None
        here = asyncio.current_task()
        others = [task for task in self._tasks if task is not here]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def forget_sessions(self) -> None:
        """Every handshake-era session is unknown from now on: 404, as after a restart."""
        self._sessions.clear()

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gate.set()
        await self.refuse()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (seen := await read_request(reader)) is not None:
            self.requests.append(seen)
            modern = seen.headers.get("mcp-protocol-version") == MODERN
            exchange = Exchange(seen, reader, writer, modern, self._pace, self.gate)
            await self._answer(exchange)
            if not exchange.keep_alive:
                return

    async def _answer(self, x: Exchange) -> None:
        seen = x.seen
        if seen.http_method != "POST":
            await x.body(b"", 200 if seen.http_method == "DELETE" else 405, allow="POST")
        elif self._era == "legacy" and x.modern:
            await x.answer(x.error(-32000, "Bad Request: Unsupported protocol version"), 400)
        elif self._era == "modern" and not x.modern:
            data = {"supported": [MODERN], "requested": seen.headers.get("mcp-protocol-version", "")}
            await x.answer(x.error(-32022, "Unsupported protocol version", data), 400)
        elif seen.id is None:
            await x.body(b"", 202)
        elif not x.modern and seen.method != "initialize" and seen.headers.get("mcp-session-id") not in self._sessions:
            await x.answer(x.error(-32600, "Session not found"), 404)
        elif seen.tool is not None:
            await self._call(x, seen.tool)
        else:
            await self._plain(x)

    async def _call(self, x: Exchange, tool: str) -> None:
        fault = FAULTS.get(tool)
        try:
            if tool == REFUSE:
                await self.refuse()
                x.reset()
            elif fault is None:
                await x.answer(x.error(-32602, f"Unknown tool: {tool}"), 400 if x.modern else 200)
            else:
                await fault(x)
        finally:
            self.sent[tool] += x.sent
            self._ended[tool].set()

    async def _plain(self, x: Exchange) -> None:
        info = {"name": "evil", "version": "1"}
        caching = {"ttlMs": 0, "cacheScope": "private"} if x.modern else {}
        match x.seen.method:
            case "server/discover" if x.modern:
                meta = {"io.modelcontextprotocol/serverInfo": info}
                found = {"supportedVersions": [MODERN], "capabilities": {"tools": {}}, "_meta": meta, **caching}
                await x.answer(x.reply(found))
            case "initialize" if not x.modern:
                asked = x.seen.params.get("protocolVersion")
                version = asked if asked in HANDSHAKE else HANDSHAKE[0]
                session = f"evil-{len(self.requests)}"
                self._sessions.add(session)
                result: dict[str, Any] = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
                await x.answer(x.reply(result), mcp_session_id=session)
            case "tools/list":
                listed = [{"name": name, "description": name, "inputSchema": {"type": "object"}} for name in self.tools]
                await x.answer(x.reply({"tools": listed, **caching}))
            case "ping" if not x.modern:
                await x.answer(x.reply({}))
            case method:
                await x.answer(x.error(-32601, f"Method not found: {method}"), 404 if x.modern else 200)
