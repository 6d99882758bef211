"""Send responses in raw ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Final

from mcp_gateway.core import strictjson
from mcp_gateway.core.asgi.types import Headers, Send

FOLLOWED: Final = "mcp_gateway.followed"
"""Key in `http.response.start`: true where a piece of the body follows at once, so that both may leave in one write.
A server that does not know it sends the head alone."""

JSON: Final = (b"content-type", b"application/json")
_SSE: Final = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)


def error_body(code: int, message: str, reason: str, **data: object) -> bytes:
    """A JSON-RPC error without an id: the answer to a request that was refused before its id was read."""
    return strictjson.dumps(
        {"jsonrpc": "2.0", "error": {"code": code, "message": message, "data": {"reason": reason, **data}}}
    )


async def respond(send: Send, status: int, body: bytes = b"", headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Send a complete response. `headers` must not hold Content-Length."""
    # 204 and 304 have no content and may not announce any (RFC 9110 §8.6).
    lines: Headers = [*headers] if status in (204, 304) else [(b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


def respond_json(send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> Awaitable[None]:
    """Send a complete JSON response from its encoded body."""
    return respond(send, status, body, (JSON, *headers))


async def start_sse(
    send: Send, headers: Iterable[tuple[bytes, bytes]] = (), *, status: int = 200, first: bytes = b""
) -> None:
    """Open an event stream, with its first piece where there is one; follow with `send_chunk` and `end`."""
    start = {"type": "http.response.start", "status": status, "headers": [*_SSE, *headers]}
    if not first:
        await send(start)
        return
    await send({**start, FOLLOWED: True})
    await send_chunk(send, first)


def send_chunk(send: Send, chunk: bytes) -> Awaitable[None]:
    """Send a piece of an open response. Returns at once unless the client is slow to read."""
    return send({"type": "http.response.body", "body": chunk, "more_body": True})


def end(send: Send, chunk: bytes = b"") -> Awaitable[None]:
    """Complete an open response, with a last piece if there is one."""
    return send({"type": "http.response.body", "body": chunk})
