"""An HTTP server that does what it is told, right or wrong: one script per accepted connection."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from mcp_gateway.core.egress.addresses import AddressPolicy
from mcp_gateway.core.egress.client import HttpClient
from mcp_gateway.core.egress.guard import AddressGuard
from mcp_gateway.core.egress.limits import ResponseLimits
from mcp_gateway.core.egress.origin import Origin

JSON_OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'
SSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

GUARD = AddressGuard(AddressPolicy.operator())


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; of nothing, the last one."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def ok(body: bytes, *extra: bytes) -> bytes:
    """A plain 200 with `body` and further header lines."""
    return b"".join((b"HTTP/1.1 200 OK\r\n", *extra, b"Content-Length: %d\r\n\r\n" % len(body), body))


@dataclass(slots=True)
class Peer:
    """One accepted connection, as its script sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def request(self) -> bytes:
        """The next request, head and body, as it was on the wire; empty when the client has closed."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
            )
            return head + await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def flood(self, data: bytes) -> None:
        """Send the same bytes until the client goes away."""
        try:
            while not self.writer.is_closing():
                self.writer.write(data)
                await self.writer.drain()
        except ConnectionError:
            return

    async def closed(self) -> None:
        """Wait until the client closes, in whatever way."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            return

    def reset(self) -> None:
        """Close with RST; bytes not yet received may be lost on the way."""
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


@dataclass(slots=True)
class FaultServer:
    """Where it listens and what it has seen."""

    origin: Origin
    connections: int = 0
    open: int = 0
    requests: list[bytes] = field(default_factory=list)


def always(response: bytes) -> Script:
    """Answer every request on the connection with the same bytes."""

    async def script(peer: Peer) -> None:
        while await peer.request():
            peer.send(response)

    return script


def once(response: bytes) -> Script:
    """Answer one request and close."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(response)

    return script


def answer_and_hold(response: bytes) -> Script:
    """Answer one request and keep the connection open until the client closes it."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(response)
        await peer.closed()

    return script


@asynccontextmanager
async def serve(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[FaultServer]:
    """Run `script` for every connection to a port of its own; the connection closes when the script ends."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        server.open += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await script(Peer(reader, writer))
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            writer.close()
            server.open -= 1
            tasks.discard(task)

    listener = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    server = FaultServer(Origin("https" if tls else "http", "127.0.0.1", listener.sockets[0].getsockname()[1]))
    try:
        yield server
    finally:
        listener.close()
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tuple(tasks))
        await listener.wait_closed()


@asynccontextmanager
async def client_of(
    server: FaultServer,
    *,
    tls: ssl.SSLContext | None = None,
    max_connections: int = 64,
    idle_timeout: float = 60.0,
    connect_timeout: float = 5.0,
    limits: ResponseLimits | None = None,
) -> AsyncIterator[HttpClient]:
    """A client of `server`, closed at the end."""
    client = HttpClient(
        server.origin,
        guard=GUARD,
        tls=tls,
        max_connections=max_connections,
        idle_timeout=idle_timeout,
        connect_timeout=connect_timeout,
        limits=limits,
    )
    try:
        yield client
    finally:
        await client.close()


def soon(seconds: float = 10.0) -> float:
    """A deadline that a passing test never reaches."""
    return asyncio.get_running_loop().time() + seconds


async def fetch(client: HttpClient, target: str = "/", body: bytes = b"{}", *, deadline: float | None = None) -> bytes:
    """POST and read the whole body."""
    until = soon() if deadline is None else deadline
    with await client.request("POST", target, (), body, deadline=until) as response:
        return await response.read(until)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until `condition` holds; fails after ten seconds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)
