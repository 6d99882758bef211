"""Opening a connection: resolve under guard, then connect to exactly the addresses that were judged."""

from __future__ import annotations

import asyncio
import ssl

from mcp_gateway.core.egress.connection import Connection
from mcp_gateway.core.egress.guard import AddressGuard
from mcp_gateway.core.egress.limits import ResponseLimits
from mcp_gateway.core.egress.origin import Origin
from mcp_gateway.core.errors import ProtocolViolation, TimedOut, Unreachable


class Dialer:
    """Opens connections to one origin. TLS verifies the origin's name although the address is pinned."""

    __slots__ = ("_connect_timeout", "_guard", "_limits", "_origin", "_tls")

    def __init__(
        self,
        origin: Origin,
        *,
        guard: AddressGuard,
        tls: ssl.SSLContext | None,
        connect_timeout: float,
        limits: ResponseLimits,
    ) -> None:
        self._origin = origin
        self._guard = guard
        self._tls = tls
        self._connect_timeout = connect_timeout
        self._limits = limits

    async def __call__(self, deadline: float) -> Connection:
        """Connect to the first address that answers.

        Raises:
            Unreachable: (sent=False) no address, none permitted, none answers, or its certificate is not trusted.
            TimedOut: (sent=False) the deadline came before `connect_timeout` was over.
            ProtocolViolation: the other side does not speak TLS.
        """
        loop = asyncio.get_running_loop()
        limit = loop.time() + self._connect_timeout
        try:
            async with asyncio.timeout_at(min(limit, deadline)):
                return await self._connect(loop, min(limit, deadline))
        except TimeoutError:
            if deadline <= limit:
                raise TimedOut("no connection within the deadline", sent=False) from None
            raise Unreachable(f"no connection within {self._connect_timeout:g} s", sent=False) from None

    async def _connect(self, loop: asyncio.AbstractEventLoop, limit: float) -> Connection:
        addresses = await self._guard.resolve(self._origin)
        for position, address in enumerate(addresses):
            # An even share of the time for each, so that a first address that swallows packets leaves some.
            now = loop.time()
            share = now + (limit - now) / (len(addresses) - position)
            try:
                async with asyncio.timeout_at(share):
                    return await self._open(loop, address)
            except ssl.SSLCertVerificationError:
                raise Unreachable("the certificate of the other side is not trusted", sent=False) from None
            except ssl.SSLError:
                raise ProtocolViolation("the other side failed the TLS handshake") from None
            except OSError:  # a timeout among them
                continue
        raise Unreachable("the connection was refused or failed", sent=False)

    async def _open(self, loop: asyncio.AbstractEventLoop, address: str) -> Connection:
        _, connection = await loop.create_connection(
            lambda: Connection(loop, self._limits),
            host=address,
            port=self._origin.port,
            ssl=self._tls,
            server_hostname=self._origin.host if self._tls is not None else None,
        )
        return connection
