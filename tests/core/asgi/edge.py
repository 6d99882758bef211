"""A real server with `EdgeProtocol` on a free port, and raw sockets to talk to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from mcp_gateway.core.asgi.body import ClientDisconnected, read_body
from mcp_gateway.core.asgi.limits import EdgeLimits
from mcp_gateway.core.asgi.respond import respond
from mcp_gateway.core.asgi.server import EdgeServer, bind, build_server
from mcp_gateway.core.asgi.types import App, Receive, Scope, Send

HOST = b"Host: gw.test\r\n"
GET = b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n"


def post(body: bytes, *headers: bytes, path: bytes = b"/a") -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"POST %s HTTP/1.1\r\n%s%sContent-Length: %d\r\n\r\n%s" % (path, HOST, lines, len(body), body)


@dataclass(slots=True)
class Echo:
    """An app that answers with what it got, and remembers what reached it."""

    scopes: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    gone: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(dict(scope))
        try:
            body = await read_body(receive, 1 << 30)
        except ClientDisconnected:
            self.gone += 1
            return
        self.bodies.append(body)
        await respond(send, 200, b"%s %s %d;" % (scope["method"].encode(), scope["path"].encode(), len(body)))


@dataclass(slots=True)
class Edge:
    server: EdgeServer
    port: int
    errors: list[dict[str, Any]]
    clients: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.clients.append(writer)
        return reader, writer

    async def exchange(self, *parts: bytes) -> bytes:
        """Send, then read until the server closes."""
        reader, writer = await self.connect()
        for part in parts:
            writer.write(part)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
        return await until_closed(reader)

    async def settled(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds; the caller's deadline is pytest's."""
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.005)


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    received = bytearray()
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                received += data
    return bytes(received)


async def one_response(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of one response that has a Content-Length."""
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
        )
        return int(head.split(b" ", 2)[1]), await reader.readexactly(length)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextlib.asynccontextmanager
async def serving(app: App, limits: EdgeLimits | None = None) -> AsyncIterator[Edge]:
    """Serve `app`; afterwards nothing may be left, and nothing may have raised in a callback."""
    loop = asyncio.get_running_loop()
    errors: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: errors.append(context))
    sock = bind("127.0.0.1", 0)
    port = sock.getsockname()[1]
    server = build_server(app, "127.0.0.1", port, limits or EdgeLimits())
    task = asyncio.create_task(server.serve(sockets=[sock]))
    edge = Edge(server, port, errors)
    await edge.settled(lambda: server.started)
    try:
        yield edge
    finally:
        for writer in edge.clients:
            writer.transport.abort()
        await edge.settled(lambda: server.counters.open == 0 and not server.server_state.tasks)
        server.stop_accepting()
        task.cancel()  # uvicorn's own way out takes 0.2 s; test_server.py goes it
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert errors == []
    assert not server.server_state.connections
