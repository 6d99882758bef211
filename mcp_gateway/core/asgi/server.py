"""Build the servers of the two planes: uvicorn with `EdgeProtocol`, run inside a loop and under signals of others."""

from __future__ import annotations

import contextlib
import math
import socket
from collections.abc import Iterator
from typing import Any, cast

import uvicorn
from uvicorn._types import ASGI3Application

from mcp_gateway.core.asgi.limits import EdgeCounters, EdgeLimits
from mcp_gateway.core.asgi.protocol import EdgeProtocol
from mcp_gateway.core.asgi.types import App


class EdgeServer(uvicorn.Server):
    """A uvicorn server that leaves signals alone: one process runs two of them, and its roof owns shutting down.

    `await server.serve(sockets=[sock])` runs it until `server.should_exit` is set.
    """

    def __init__(self, config: uvicorn.Config, counters: EdgeCounters) -> None:
        super().__init__(config)
        self.counters = counters

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    def stop_accepting(self) -> None:
        """Close the listening sockets and idle connections; requests in work go on, their connections close after.

        For `Drain.run`; set `should_exit` when that has returned. May be called twice.
        """
        for server in getattr(self, "servers", ()):
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()


def edge_protocol(limits: EdgeLimits, counters: EdgeCounters | None = None) -> type[EdgeProtocol]:
    """The connection class of one listener, for `uvicorn.Config(http=…)`."""
    return type("BoundEdgeProtocol", (EdgeProtocol,), {"limits": limits, "counters": counters or EdgeCounters()})


def bind(host: str, port: int, *, backlog: int = 2048) -> socket.socket:
    """A listening TCP socket for `serve(sockets=[…])`; with port 0, `sock.getsockname()[1]` tells which it became.

    Raises:
        OSError: the address is taken, or not ours.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(backlog)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def build_server(
    app: App,
    host: str,
    port: int,
    limits: EdgeLimits,
    *,
    log_config: dict[str, Any] | None = None,
    counters: EdgeCounters | None = None,
    shutdown_timeout: float = 1.0,
) -> EdgeServer:
    """A server for `app`: no lifespan, no access log, no WebSockets, no `Server` header, no trust in `X-Forwarded-*`.

    `shutdown_timeout` bounds what `should_exit` waits for after draining; then remaining requests are cancelled.
    """
    counters = counters or EdgeCounters()
    config = uvicorn.Config(
        cast("ASGI3Application", app),
        host=host,
        port=port,
        http=edge_protocol(limits, counters),
        ws="none",
        lifespan="off",
        interface="asgi3",
        loop="uvloop",
        log_config=log_config,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(shutdown_timeout),
    )
    return EdgeServer(config, counters)
