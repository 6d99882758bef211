"""A client of each protocol era, by hand: what one sends, as bytes that a test may spoil."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from itertools import count
from typing import Any, Literal
from urllib.parse import urlsplit

from tests.faults.wire import Answer, Line, exchange, line, request

Era = Literal["modern", "handshake"]
ERAS: tuple[Era, ...] = ("modern", "handshake")
MODERN = "2026-07-28"
BOTH = "application/json, text/event-stream"
PREFIX = "io.modelcontextprotocol/"


def header_value(text: str) -> str:
    """`text` as a header carries it where it is not plain (2026-07-28 transports, value encoding)."""
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


class Agent:
    """Talks to one virtual server. In the handshake era `open` comes first."""

    def __init__(self, url: str, era: Era = "modern", version: str = "2025-11-25") -> None:
        self.url = url
        self.era = era
        self.version = MODERN if era == "modern" else version
        self.session: str | None = None
        self.ids = count(1)

    @property
    def target(self) -> str:
        return urlsplit(self.url).path

    async def open(self) -> Answer:
        """Begin the session."""
        info = {"name": "agent", "version": "1"}
        params = {"protocolVersion": self.version, "capabilities": {}, "clientInfo": info}
        answer = await exchange(
            self.url, self.packed({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
        )
        assert answer.status == 200, answer
        self.session = answer.headers["mcp-session-id"]
        initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert (await exchange(self.url, self.packed(initialized))).status == 202
        return answer

    def headers(self, message: Any = None, **changes: Any) -> dict[str, str]:
        """The headers that belong to `message`; `changes` replaces them, None leaves one out."""
        headers = {"Host": urlsplit(self.url).netloc, "Content-Type": "application/json", "Accept": BOTH}
        if self.era == "modern":
            headers |= {"MCP-Protocol-Version": MODERN} | self._routing(message)
        elif self.session is not None:
            headers |= {"MCP-Protocol-Version": self.version, "Mcp-Session-Id": self.session}
        for name, value in changes.items():
            wanted = name.replace("_", "-").lower()
            headers = {key: old for key, old in headers.items() if key.lower() != wanted}
            if value is not None:
                headers[name.replace("_", "-")] = value
        return headers

    def _routing(self, message: Any) -> dict[str, str]:
        if not isinstance(message, dict) or not isinstance(message.get("method"), str):
            return {"Mcp-Method": "tools/call", "Mcp-Name": "ok"}
        params = message.get("params")
        name = (params.get("name") or params.get("uri")) if isinstance(params, dict) else None
        return {"Mcp-Method": message["method"]} | ({"Mcp-Name": name} if isinstance(name, str) else {})

    def packed(self, message: Any, *, body: bytes | None = None, **changes: Any) -> bytes:
        """The request that carries `message`, or `body` in its stead."""
        data = json.dumps(message).encode() if body is None else body
        return request(self.target, self.headers(message, **changes).items(), data)

    def message(self, method: str, params: Mapping[str, Any] | None = None, *, id: Any = None) -> dict[str, Any]:
        """A request in this era's shape."""
        filled = dict(params or {})
        if self.era == "modern":
            meta = {f"{PREFIX}protocolVersion": MODERN, f"{PREFIX}clientCapabilities": {}}
            filled["_meta"] = meta | filled.get("_meta", {})
        return {"jsonrpc": "2.0", "id": next(self.ids) if id is None else id, "method": method, "params": filled}

    def calling(self, tool: str, arguments: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """The `tools/call` of `tool`."""
        meta = {"_meta": options.pop("meta")} if "meta" in options else {}
        return self.message("tools/call", {"name": tool, "arguments": dict(arguments or {}), **meta}, **options)

    async def ask(self, method: str, params: Mapping[str, Any] | None = None, **changes: Any) -> Any:
        """The JSON-RPC answer to a request."""
        return (await exchange(self.url, self.packed(self.message(method, params), **changes))).message

    async def call(self, tool: str, arguments: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """The JSON-RPC answer to a `tools/call`."""
        return (await exchange(self.url, self.packed(self.calling(tool, arguments, **options)))).message

    @contextlib.asynccontextmanager
    async def under_way(self, message: Any) -> AsyncIterator[Line]:
        """The connection on which `message` has been sent and not been answered."""
        async with line(self.url) as here:
            await here.send(self.packed(message))
            yield here

    async def tell(self, method: str, params: Mapping[str, Any]) -> Answer:
        """Send a notification."""
        return await exchange(self.url, self.packed({"jsonrpc": "2.0", "method": method, "params": dict(params)}))


async def agent(url: str, era: Era, version: str = "2025-11-25") -> Agent:
    """An agent that is ready to call."""
    here = Agent(url, era, version)
    if era == "handshake":
        await here.open()
    return here
