"""Protected resource metadata over HTTP (RFC 9728 §3), for every origin; and the headers that all responses have."""

from __future__ import annotations

import time
from typing import Final

from mcp_gateway.core import strictjson
from mcp_gateway.core.asgi import respond
from mcp_gateway.core.asgi.types import Message, Send
from mcp_gateway.core.call import Json

_ANY_ORIGIN: Final = (b"access-control-allow-origin", b"*")
_PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"GET, HEAD, OPTIONS"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-max-age", b"600"),
)
"""Clients in browsers send `MCP-Protocol-Version` along, which makes a browser ask first."""
_ALLOW: Final = (b"allow", b"GET, HEAD, OPTIONS")
_NOT_ALLOWED: Final = respond.error_body(-32600, "Method not allowed", "method_not_allowed")


async def send_metadata(send: Send, method: str, document: Json) -> None:
    """Answer a request for `document`."""
    if method == "GET":
        await respond.respond_json(send, 200, strictjson.dumps(document), (_ANY_ORIGIN,))
    elif method == "HEAD":
        length = b"%d" % len(strictjson.dumps(document))
        lines = [(b"content-length", length), respond.JSON, _ANY_ORIGIN]
        await send({"type": "http.response.start", "status": 200, "headers": lines})
        await send({"type": "http.response.body", "body": b""})
    elif method == "OPTIONS":
        await respond.respond(send, 204, b"", (_ALLOW, _ANY_ORIGIN, *_PREFLIGHT))
    else:
        await respond.respond_json(send, 405, _NOT_ALLOWED, (_ALLOW, _ANY_ORIGIN))


class Accounted:
    """A `Send` that gives the response its request id and says how long it took (milliseconds)."""

    __slots__ = ("_request_id", "_send", "_started")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self._started = time.perf_counter()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            timing = f"gateway;dur={(time.perf_counter() - self._started) * 1000:.2f}, upstream;dur=0"
            own = [(b"x-request-id", self._request_id.encode()), (b"server-timing", timing.encode())]
            message = {**message, "headers": [*message.get("headers", ()), *own]}
        await self._send(message)
