"""What the tests of streamable HTTP stand on: our client, a scripted server over raw sockets, the SDK's server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from mcp_gateway.core.egress.addresses import AddressPolicy
from mcp_gateway.core.egress.client import HttpClient
from mcp_gateway.core.egress.guard import AddressGuard
from mcp_gateway.core.egress.origin import parse_url
from mcp_gateway.upstream.negotiate import AUTO, Endpoint, OpenSse, connect
from mcp_gateway.upstream.streamable_session import HandshakeConversation
from mcp_gateway.upstream.wire import Exchange
from tests.upstreams import evil_wire
from tests.upstreams.evil_wire import read_request

Reply = evil_wire.Exchange
Seen = evil_wire.Seen
Script = Callable[[Reply], Awaitable[None]]


def soon(seconds: float = 20.0) -> float:
    return asyncio.get_running_loop().time() + seconds


def exchange(seconds: float = 20.0, **more: Any) -> Exchange:
    return Exchange(deadline=soon(seconds), **more)


class Notes:
    """Collects (method, params) and lets a test wait until something has been noted."""

    def __init__(self) -> None:
        self.all: list[tuple[str, dict[str, Any]]] = []
        self._waiters: list[asyncio.Future[None]] = []

    def __call__(self, method: str, params: dict[str, Any]) -> None:
        self.all.append((method, params))
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait_for(self, *methods: str) -> None:
        """Until each of `methods` has been noted."""
        while not set(methods) <= {method for method, _ in self.all}:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await asyncio.wait_for(waiter, 20)

    def of(self, method: str) -> list[dict[str, Any]]:
        return [params for noted, params in self.all if noted == method]


@contextlib.asynccontextmanager
async def reaching(
    url: str,
    *,
    protocol: str = AUTO,
    on_event: Notes | None = None,
    open_sse: OpenSse | None = None,
    capabilities: dict[str, Any] | None = None,
    **more: Any,
) -> AsyncIterator[Endpoint]:
    """An endpoint at `url` over a client of its own; `more` are the client's options."""
    origin, target = parse_url(url)
    client = HttpClient(origin, guard=AddressGuard(AddressPolicy.operator()), **more)
    try:
        yield Endpoint(client=client, target=target, protocol=protocol, on_event=on_event or Notes(), open_sse=open_sse)
    finally:
        await client.close()


class Scripted:
    """A server that runs `script` for every request. `seen` are the requests in order of arrival."""

    def __init__(self, script: Script) -> None:
        self.seen: list[Seen] = []
        self.url = ""
        self._script = script
        self._tasks: set[asyncio.Task[Any]] = set()
        self._arrived: list[asyncio.Future[None]] = []

    def methods(self) -> list[str | None]:
        return [seen.method for seen in self.seen]

    async def arrival(self, wanted: Callable[[Seen], bool]) -> Seen:
        """The first request that is `wanted`, waited for if need be."""
        while True:
            for seen in self.seen:
                if wanted(seen):
                    return seen
            waiter = asyncio.get_running_loop().create_future()
            self._arrived.append(waiter)
            await asyncio.wait_for(waiter, 20)

    async def __aenter__(self) -> Scripted:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/mcp"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while (seen := await read_request(reader)) is not None:
                self.seen.append(seen)
                for waiter in self._arrived:
                    if not waiter.done():
                        waiter.set_result(None)
                modern = seen.headers.get("mcp-protocol-version") == "2026-07-28"
                reply = Reply(seen, reader, writer, modern, 0.01, asyncio.Event())
                await self._script(reply)
                if not reply.keep_alive:
                    break
        except (ConnectionError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            writer.close()


class _Quiet(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


@contextlib.asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """`app` on a real socket in this loop; gives the URL of its MCP endpoint."""
    config = uvicorn.Config(app, port=0, http="h11", log_level="error", timeout_graceful_shutdown=1)
    server = _Quiet(config)
    sock = config.bind_socket()
    running = asyncio.create_task(server.serve([sock]))
    try:
        while not server.started:
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{sock.getsockname()[1]}/mcp"
    finally:
        server.should_exit = True
        await running


async def discovered(x: Reply, **more: Any) -> None:
    """Answer ``server/discover`` as a modern server."""
    await x.answer(x.reply({"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, **more}))


async def initialized(x: Reply, version: str = "2025-11-25", session: str | None = "s1", **capabilities: Any) -> None:
    """Answer ``initialize``."""
    result = {"protocolVersion": version, "capabilities": {"tools": {}, **capabilities}, "serverInfo": {"name": "old"}}
    if session is None:
        await x.answer(x.reply(result))
    else:
        await x.answer(x.reply(result), mcp_session_id=session)


def note(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}


def asked(method: str, number: Any = "q1", **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def session(call: Callable[[Reply], Any], **initial: Any) -> Callable[[Reply], Any]:
    """A script: the handshake done right, POSTs without an id accepted, everything else to `call`."""

    async def script(x: Reply) -> None:
        if x.seen.method == "initialize":
            await initialized(x, **initial)
        elif x.seen.http_method == "POST" and (x.seen.id is None or x.seen.method is None):
            await x.body(b"", 202)
        else:
            await call(x)

    return script


async def plain(x: Reply) -> None:
    await x.answer(x.result()) if x.seen.http_method == "POST" else await x.body(b"", 405)


def posted(method: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.method == method


def answer_to(number: Any) -> Callable[[Seen], bool]:
    return lambda seen: seen.method is None and seen.http_method == "POST" and seen.id == number


async def begin(endpoint: Endpoint) -> HandshakeConversation:
    """A conversation in the handshake era."""
    conversation = await connect(endpoint, soon())
    assert isinstance(conversation, HandshakeConversation)
    return conversation
