"""Servers as the process runs them: several in one loop, under signals of others."""

from __future__ import annotations

import asyncio
import signal

import pytest

from mcp_gateway.core.asgi.drain import Drain
from mcp_gateway.core.asgi.limits import EdgeLimits
from mcp_gateway.core.asgi.respond import respond
from mcp_gateway.core.asgi.server import bind, build_server, edge_protocol
from mcp_gateway.core.asgi.types import Receive, Scope, Send
from tests.core.asgi.edge import GET, one_response, until_closed


async def test_drains_a_server_in_work_and_leaves_signals_alone() -> None:
    release = asyncio.Event()
    drain = Drain()
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    async def held(scope: Scope, receive: Receive, send: Send) -> None:
        await release.wait()
        await respond(send, 200, b"done")

    sock = bind("127.0.0.1", 0)
    port = sock.getsockname()[1]
    server = build_server(drain.track(held), "127.0.0.1", port, EdgeLimits())
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started:
        await asyncio.sleep(0.01)
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    busy, busy_writer = await asyncio.open_connection("127.0.0.1", port)
    idle, idle_writer = await asyncio.open_connection("127.0.0.1", port)
    busy_writer.write(GET)
    while drain.count == 0:
        await asyncio.sleep(0.01)
    draining = asyncio.create_task(drain.run(server.stop_accepting, deadline=10))
    assert await until_closed(idle) == b""
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", port)
    release.set()
    assert await one_response(busy) == (200, b"done")
    assert await until_closed(busy) == b"", "it was told to close"
    assert await draining
    server.should_exit = True
    await serving
    assert server.counters.open == 0
    for writer in (busy_writer, idle_writer):
        writer.close()


def test_listeners_do_not_share_limits_or_counters() -> None:
    one, two = edge_protocol(EdgeLimits(connections=1)), edge_protocol(EdgeLimits(connections=2))
    assert one.limits.connections == 1 and two.limits.connections == 2
    assert one.counters is not two.counters


def test_bind_tells_the_port_and_refuses_one_that_is_taken() -> None:
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        assert port > 0
        with pytest.raises(OSError):
            bind("127.0.0.1", port)
