"""The data plane's front: path to virtual server, door, era. Pure ASGI."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Hashable, Mapping
from itertools import count
from typing import Any, Final

from mcp_gateway.core.asgi import respond
from mcp_gateway.core.asgi.hosts import AllowedOrigins
from mcp_gateway.core.asgi.inflight import SLOT, InFlight
from mcp_gateway.core.asgi.types import Receive, Scope, Send
from mcp_gateway.core.errors import Overloaded, Unauthenticated
from mcp_gateway.core.live import Live
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.versions import HANDSHAKE
from mcp_gateway.ingress.exchange import Arrival, Endpoint, failure
from mcp_gateway.ingress.handshake import HandshakeEndpoint
from mcp_gateway.ingress.head import read_head
from mcp_gateway.ingress.reply import Reply
from mcp_gateway.ingress.served import Served

Authenticate = Callable[[Mapping[str, Any]], Principal]
"""Makes the principal of a request from its ASGI scope; raises `Unauthenticated`."""

_PREFIX: Final = "/servers/"
_SUFFIX: Final = "/mcp"


class DataPlane:
    """ASGI app for `/servers/{name}/mcp`.

    The protocol version header alone decides the era: absent or a handshake version means the handshake
    era, anything else the modern one, which says itself what it supports.
    """

    __slots__ = (
        "_allowed",
        "_authenticate",
        "_handshake",
        "_ids",
        "_inflight",
        "_loop",
        "_modern",
        "_prefix",
        "_served",
    )

    def __init__(
        self,
        served: Live[Mapping[str, Served]],
        *,
        allowed: AllowedOrigins,
        inflight: InFlight,
        authenticate: Authenticate,
        modern: Endpoint,
        handshake: HandshakeEndpoint,
    ) -> None:
        self._served = served
        self._allowed = allowed
        self._inflight = inflight
        self._authenticate = authenticate
        self._modern = modern
        self._handshake = handshake
        # Random per process, counted within: unique across restarts and replicas, cheap per request.
        self._prefix = os.urandom(6).hex()
        self._ids = count(1)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request_id = f"{self._prefix}-{next(self._ids):x}"
        status = self._allowed.refusal(scope["headers"])
        if status is not None:
            await _plain(send, status, _BAD_HOST if status == 421 else _BAD_ORIGIN, request_id)
            return
        slot = self._inflight.enter(_client(scope))
        if slot is None:
            await _plain(send, 503, _OVERLOADED, request_id, (b"retry-after", b"1"))
            return
        scope[SLOT] = slot
        try:
            await self._serve(scope, receive, send, request_id)
        finally:
            slot.leave()

    def _running(self) -> asyncio.AbstractEventLoop:
        """The loop that serves, found once: in CPython 3.11 finding it costs a system call."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    async def _serve(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        served = self._served.current.get(_server(scope["path"], scope.get("raw_path")))
        if served is None:
            await _plain(send, 404, _NOT_FOUND, request_id)
            return
        try:
            principal = self._authenticate(scope)
        except Unauthenticated as error:
            status, answer = failure(error, None, modern=True, request_id=request_id)
            await Reply(send, request_id).finish(status, answer)
            return
        head = read_head(scope["headers"])
        arrival = Arrival(scope, receive, send, served, principal, head, request_id, self._running())
        modern = head.version is not None and head.version not in HANDSHAKE
        method = scope["method"]
        if method == "POST":
            await (self._modern(arrival) if modern else self._handshake.post(arrival))
        elif method in ("GET", "DELETE") and not modern and head.session is not None:
            await (self._handshake.get(arrival) if method == "GET" else self._handshake.delete(arrival))
        else:
            allow = b"POST" if modern else b"GET, POST, DELETE"
            await _plain(send, 405, _NOT_ALLOWED, request_id, (b"allow", allow))


def _server(path: str, raw: bytes | None) -> str:
    """The virtual server a path names; the empty string, which names none, for every other path.

    An encoded slash separates nothing (RFC 3986 §2.2), and a proxy before us may go by that.
    """
    encoded = raw is not None and raw.count(b"/") != path.count("/")
    if path.startswith(_PREFIX) and path.endswith(_SUFFIX) and not encoded:
        return path[len(_PREFIX) : -len(_SUFFIX)]
    return ""


def _client(scope: Scope) -> Hashable:
    """Whose share of the requests in flight a request takes: a loopback address is many clients, not one."""
    client = scope.get("client")
    if client is None:
        return None
    return tuple(client) if client[0].startswith("127.") or client[0] == "::1" else client[0]


async def _plain(send: Send, status: int, body: bytes, request_id: str, *extra: tuple[bytes, bytes]) -> None:
    headers = ((b"x-request-id", request_id.encode()), (b"server-timing", b"gateway;dur=0, upstream;dur=0"), *extra)
    await respond.respond_json(send, status, body, headers)


_NOT_FOUND: Final = respond.error_body(-32600, "There is no virtual server at this path", "not_found")
_BAD_HOST: Final = respond.error_body(-32600, "This server is not known under that Host", "host_not_allowed")
_BAD_ORIGIN: Final = respond.error_body(-32600, "Requests from that Origin are not allowed", "origin_not_allowed")
_OVERLOADED: Final = respond.error_body(50300, "The gateway is at capacity", Overloaded.reason, retryAfterMs=1000)
_NOT_ALLOWED: Final = respond.error_body(-32600, "Method not allowed", "method_not_allowed")
