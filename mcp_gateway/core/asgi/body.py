"""Read the body of a request."""

from __future__ import annotations

from mcp_gateway.core.asgi.types import Receive
from mcp_gateway.core.errors import GatewayError, Invalid


class ClientDisconnected(GatewayError):
    """The client went away (or the edge cut it off): there is nobody to answer."""

    reason = "client_disconnected"


class BodyTooLarge(Invalid):
    """The body is larger than `limit` bytes."""

    reason = "body_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is larger than {limit} bytes")
        self.limit = limit


async def read_body(receive: Receive, limit: int) -> bytes:
    """Read a whole body; one that came with the headers takes a single await.

    Raises:
        ClientDisconnected: the client went away before the end.
        BodyTooLarge: more than `limit` bytes; the rest is left unread.
    """
    message = await receive()
    if message["type"] != "http.request":
        raise ClientDisconnected("the client went away")
    body: bytes = message.get("body", b"")
    if len(body) > limit:
        raise BodyTooLarge(limit)
    if not message.get("more_body", False):
        return body
    return await _read_rest(receive, limit, body)


async def _read_rest(receive: Receive, limit: int, first: bytes) -> bytes:
    pieces = bytearray(first)
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnected("the client went away")
        pieces += message.get("body", b"")
        if len(pieces) > limit:
            raise BodyTooLarge(limit)
        if not message.get("more_body", False):
            return bytes(pieces)
