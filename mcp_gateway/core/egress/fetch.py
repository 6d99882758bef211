"""Single requests to any URL that configuration or metadata supplies: documents, token endpoints, registrations.

The one way there: resolved under guard, pinned, no redirects, sizes and times capped. Calls to upstreams have
clients of their own (`client.py`); this is for everything else.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from mcp_gateway.core.egress.addresses import AddressPolicy, Allowed
from mcp_gateway.core.egress.client import HttpClient
from mcp_gateway.core.egress.guard import AddressGuard
from mcp_gateway.core.egress.limits import ResponseLimits
from mcp_gateway.core.egress.origin import BadUrl, Origin, parse_url
from mcp_gateway.core.egress.template import Headers
from mcp_gateway.core.egress.tls import TlsFiles
from mcp_gateway.core.errors import ProtocolViolation

MOST_BYTES: Final = 512 * 1024
"""Of one answer: metadata, key sets and token answers are small."""

SECONDS: Final = 10.0
_MOST_CLIENTS: Final = 64
_CONNECTIONS: Final = 32
_IDLE_SECONDS: Final = 30.0


class Trust(Enum):
    """Where a URL comes from: what an operator wrote may be private, what was learned must be public."""

    OPERATOR = "configured"
    LEARNED = "learned"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole answer. Any status is one, redirects included. `headers` has lower-case names."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes

    @property
    def media_type(self) -> str:
        """Lower case and without parameters; empty if it has none."""
        return self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")


_Key = tuple[Origin, Trust, Allowed]


class Fetcher:
    """Make it inside the running loop, close it there. Connections to recent origins are kept for the next request."""

    def __init__(self, allowed: Allowed | None = None) -> None:
        """`allowed` is what the operator grants to learned addresses everywhere."""
        self._allowed = allowed or Allowed()
        self._clients: OrderedDict[_Key, HttpClient] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()
        self._tls = TlsFiles().context()

    async def fetch(
        self,
        url: str,
        *,
        trust: Trust,
        method: str = "GET",
        headers: Headers = (),
        body: bytes = b"",
        seconds: float = SECONDS,
        allowed: Allowed | None = None,
    ) -> Fetched:
        """The answer to one request. `allowed` grants more for this request only.

        Raises:
            Unreachable, TimedOut: `sent` tells whether the other side may have acted.
            ProtocolViolation: not an address that is called, or not an answer within the caps.
        """
        try:
            origin, target = parse_url(url)
        except BadUrl as error:
            raise ProtocolViolation(str(error)) from None
        client = self._client((origin, trust, self._allowed.plus(allowed)))
        deadline = asyncio.get_running_loop().time() + seconds
        response = await client.request(method, target, headers, body, deadline=deadline)
        with response:
            return Fetched(response.status, response.headers, await response.read(deadline))

    async def close(self) -> None:
        """Close all connections."""
        clients = tuple(self._clients.values())
        self._clients.clear()
        await asyncio.gather(*(client.close() for client in clients), *self._closing)

    def _client(self, key: _Key) -> HttpClient:
        client = self._clients.get(key)
        if client is None:
            origin, trust, allowed = key
            policy = AddressPolicy.operator(allowed) if trust is Trust.OPERATOR else AddressPolicy.learned(allowed)
            client = self._clients[key] = HttpClient(
                origin,
                guard=AddressGuard(policy),
                tls=self._tls,
                max_connections=_CONNECTIONS,
                idle_timeout=_IDLE_SECONDS,
                limits=ResponseLimits(body_bytes=MOST_BYTES),
            )
            self._make_room()
        self._clients.move_to_end(key)
        return client

    def _make_room(self) -> None:
        """Let go of the client unused for longest, unless it is in use."""
        if len(self._clients) <= _MOST_CLIENTS:
            return
        for key, client in self._clients.items():
            if client.stats.active == 0:
                del self._clients[key]
                task = asyncio.get_running_loop().create_task(client.close())
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
                return
