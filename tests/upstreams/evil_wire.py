"""HTTP/1.1 by hand, for a server that must be able to break it: what came in, and an exchange to answer it on."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CHUNK = 64 * 1024
JSON = "application/json"
REASONS = {200: "OK", 201: "Created", 202: "Accepted", 302: "Found", 400: "Bad Request", 401: "Unauthorized"}


@dataclass(frozen=True, slots=True)
class Seen:
    """One HTTP request as it arrived; header names are in lower case, `message` is None where the body is not JSON."""

    http_method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    message: Any

    @property
    def method(self) -> str | None:
        """The JSON-RPC method."""
        return self.message.get("method") if isinstance(self.message, dict) else None

    @property
    def params(self) -> dict[str, Any]:
        params = self.message.get("params") if isinstance(self.message, dict) else None
        return params if isinstance(params, dict) else {}

    @property
    def tool(self) -> str | None:
        """The name of the tool called, if this is a call."""
        return self.params.get("name") if self.method == "tools/call" else None

    @property
    def id(self) -> Any:
        return self.message.get("id") if isinstance(self.message, dict) else None


@dataclass(slots=True)
class Exchange:
    """The connection on which one request is answered. `sent` counts the bytes that the peer's socket took."""

    seen: Seen
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    modern: bool
    pace: float
    gate: asyncio.Event
    sent: int = 0
    keep_alive: bool = field(default=False)

    async def send(self, data: bytes) -> None:
        """Raises ConnectionError once the peer is gone."""
        self.writer.write(data)
        await self.writer.drain()
        self.sent += len(data)

    async def head(self, status: int = 200, **headers: str) -> None:
        """Status line and headers; underscores in names become hyphens."""
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Whatever')}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def body(self, data: bytes, status: int = 200, **headers: str) -> None:
        """A whole answer with its length, after which the connection is used again."""
        self.keep_alive = True
        await self.head(status, content_length=str(len(data)), **headers)
        await self.send(data)

    async def answer(self, message: Any, status: int = 200, **headers: str) -> None:
        await self.body(json.dumps(message).encode(), status, content_type=JSON, **headers)

    async def stream(self) -> None:
        """The head of an SSE answer that ends with the connection."""
        await self.head(200, content_type="text/event-stream", cache_control="no-cache", connection="close")

    async def event(self, message: Any) -> None:
        await self.send(b"event: message\ndata: " + json.dumps(message).encode() + b"\n\n")

    async def hang(self) -> None:
        """Until the peer closes."""
        while await self.reader.read(CHUNK):
            pass

    def reset(self) -> None:
        """RST instead of FIN."""
        self.keep_alive = False
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def result(self, text: str = "fine", **more: Any) -> dict[str, Any]:
        """A good answer to the call, in its era."""
        result: dict[str, Any] = {"content": [{"type": "text", "text": text}], "isError": False, **more}
        return self.reply(result)

    def reply(self, result: dict[str, Any]) -> dict[str, Any]:
        if self.modern:
            result = {"resultType": "complete", **result}
        return {"jsonrpc": "2.0", "id": self.seen.id, "result": result}

    def error(self, code: int, message: str, data: Any = None) -> dict[str, Any]:
        error = {"code": code, "message": message, **({"data": data} if data is not None else {})}
        return {"jsonrpc": "2.0", "id": self.seen.id, "error": error}

    def notification(self) -> dict[str, Any]:
        """One that belongs on the stream of this call: progress if the caller wants it, else a log message."""
        token = self.seen.params.get("_meta", {}).get("progressToken")
        if token is not None:
            params = {"progressToken": token, "progress": self.sent}
            return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}
        params = {"level": "info", "data": "still here"}
        return {"jsonrpc": "2.0", "method": "notifications/message", "params": params}


async def read_request(reader: asyncio.StreamReader) -> Seen | None:
    """The next request of a connection; None when the peer closed it."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    http_method, path, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    try:
        body = await _read_body(reader, headers)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    try:
        message = json.loads(body) if body else None
    except ValueError:
        message = None
    return Seen(http_method, path, headers, body, message)


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    parts: list[bytes] = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return b"".join(parts)
