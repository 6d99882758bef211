"""The answers that the edge gives by itself, before any application sees a request."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from mcp_gateway.core.asgi.respond import error_body


class Refused(Exception):
    """The edge answers this request itself: `status` on the wire, `reason` for machines, `message` for people."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


MALFORMED: Final = (400, "malformed_request", "The request is not valid HTTP/1.1")
SLOW: Final = (408, "request_timeout", "The request did not arrive in time")
CROWDED: Final = (503, "overloaded", "Too many connections")
PIPELINED: Final = (503, "overloaded", "Too many requests wait on this connection")
BIG_HEAD: Final = (431, "headers_too_large", "The request headers are too large")
LONG_URL: Final = (414, "url_too_long", "The request target is too long")


Told = Callable[[Mapping[str, Any], str, str, int], None]
"""Told of a request that the edge answered: as much of its ASGI scope as is known, its id, the reason, the status."""


def told_to_nobody(scope: Mapping[str, Any], request_id: str, reason: str, status: int) -> None:
    """Where nobody wants to know."""


def new_id() -> str:
    """An id for a request that no plane has named."""
    return uuid.uuid4().hex


def seen(base: Mapping[str, Any], method: bytes, url: bytes, headers: object) -> Mapping[str, Any]:
    """What is known of a request that may be no HTTP: `url` is empty where its first line was not read.

    Neither a query nor an authority is shown: both can hold secrets.
    """
    path = url.partition(b"?")[0].partition(b"#")[0] if url.startswith(b"/") else b""
    named = {"method": method.decode("latin-1"), "path": path.decode("latin-1")} if url else {}
    return {**base, **named, "headers": headers or ()}


def encode(refused: Refused, default_headers: Iterable[tuple[bytes, bytes]], request_id: str) -> bytes:
    """The whole response on the wire: a JSON-RPC error without an id, after which the connection closes."""
    body = error_body(50300 if refused.status == 503 else -32600, refused.message, refused.reason)
    lines = [STATUS_LINE[refused.status]]
    for name, value in default_headers:
        lines += (name, b": ", value, b"\r\n")
    if refused.status == 503:
        lines.append(b"retry-after: 1\r\n")
    lines.append(
        b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\nx-request-id: %s\r\n"
        b"server-timing: gateway;dur=0, upstream;dur=0\r\n\r\n" % (len(body), request_id.encode())
    )
    lines.append(body)
    return b"".join(lines)
