"""The client for one origin. No redirects, no cookies, no retries, no compression, no proxy from the environment."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable
from typing import Final

from mcp_gateway.core.egress.dial import Dialer
from mcp_gateway.core.egress.guard import AddressGuard
from mcp_gateway.core.egress.limits import ResponseLimits
from mcp_gateway.core.egress.origin import Origin
from mcp_gateway.core.egress.pool import Pool, PoolStats
from mcp_gateway.core.egress.response import Response
from mcp_gateway.core.egress.template import Headers, Template
from mcp_gateway.core.egress.tls import TlsFiles
from mcp_gateway.core.errors import TimedOut

IDLE_SECONDS: Final = 4.0
"""Less than the five seconds after which uvicorn and Node close an idle connection, with whatever arrives just then."""


class HttpClient:
    """Requests to one origin over pooled HTTP/1.1 connections. Make it inside the running loop, close it there.

    A request is written at most once. If that fails, `Unreachable.sent` and `TimedOut.sent` tell whether the
    other side may have seen it: with False it may be repeated. Any status is an answer, not an error, and a
    3xx is handed over like every other. Cancelling a task that waits closes its connection at once.
    """

    __slots__ = ("_loop", "_pool", "limits", "origin")

    def __init__(
        self,
        origin: Origin,
        *,
        guard: AddressGuard,
        tls: ssl.SSLContext | None = None,
        connect_timeout: float = 5.0,
        max_connections: int = 64,
        idle_timeout: float = IDLE_SECONDS,
        limits: ResponseLimits | None = None,
    ) -> None:
        """`tls` defaults, for https, to the system's trust; a context is worth sharing between clients."""
        self.origin = origin
        self.limits = limits or ResponseLimits()
        self._loop = asyncio.get_running_loop()
        dial = Dialer(
            origin,
            guard=guard,
            tls=(tls or TlsFiles().context()) if origin.secure else None,
            connect_timeout=connect_timeout,
            limits=self.limits,
        )
        self._pool = Pool(dial, loop=self._loop, size=max_connections, idle_timeout=idle_timeout)

    @property
    def stats(self) -> PoolStats:
        return self._pool.stats

    def prepare(self, method: str, target: str, headers: Headers = ()) -> Template:
        """Format what requests to `target` have in common; see `Template` for what is refused (ValueError)."""
        return Template(self.origin.authority, method, target, headers)

    def send(self, template: Template, headers: Headers, body: bytes, *, deadline: float) -> Awaitable[Response]:
        """Send a prepared request and return when the response's head is there.

        A body of JSON or of a declared length up to 64 KiB is waited for as well, so that reading it takes no
        further turn of the loop. `deadline` (loop clock) covers the wait for a connection, opening it and all of this.

        Raises:
            ValueError: a header field that `Template` refuses; nothing was sent.
            Unreachable, TimedOut, ProtocolViolation: no usable answer.
        """
        request = template.render(headers, body)
        if deadline <= self._loop.time():
            raise TimedOut("the deadline passed before the request was sent", sent=False)
        connection = self._pool.take()
        if connection is None:
            return self._send(request, template.bodiless, deadline)
        return connection.send(request, bodiless=template.bodiless).begun(deadline)

    async def _send(self, request: bytes, bodiless: bool, deadline: float) -> Response:
        connection = await self._pool.acquire(deadline)
        return await connection.send(request, bodiless=bodiless).begun(deadline)

    async def request(self, method: str, target: str, headers: Headers, body: bytes, *, deadline: float) -> Response:
        """Send a request that was not prepared; otherwise as `send`."""
        return await self.send(self.prepare(method, target), headers, body, deadline=deadline)

    async def close(self) -> None:
        """Close all connections. Requests in flight fail as Unreachable."""
        await self._pool.close()
