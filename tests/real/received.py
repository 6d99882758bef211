"""An upstream's memory: every request as it came, what each tool call was made with, and a switch for failures.

`Received` stands around an ASGI app and answers under `/received` itself:

* `GET /received` → `{"calls": […], "requests": N}`
* `POST /received` with a list of strings → those of them that occur in any request, in its line, headers or body
* `PUT /received` with `{"status": S, "times": N}` → the next N requests to `/mcp` get the status S and nothing else
"""

from __future__ import annotations

import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import Any

import uvicorn
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Who = Callable[[str], Awaitable[Mapping[str, Any]]]
"""What is known of a bearer token: nothing if it is not one that the upstream takes."""


async def nobody(token: str) -> Mapping[str, Any]:
    """For an upstream that knows no tokens."""
    return {}


class Received:
    """`who` tells what a bearer stands for. `shown` are header fields whose values a call's record holds in the clear.

    `scoped` are the tools that need more than the server does: a call without one of these scopes gets 403 with
    `error="insufficient_scope"` and all scopes that it needs (RFC 6750, section 3.1).
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        who: Who = nobody,
        shown: tuple[str, ...] = (),
        scoped: Mapping[str, tuple[str, ...]] | None = None,
        metadata: str = "",
    ) -> None:
        self._app = app
        self._who = who
        self._shown = shown
        self._scoped = scoped or {}
        self._metadata = metadata
        self._raw: list[bytes] = []
        self._calls: list[dict[str, Any]] = []
        self._failing = (0, 0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await _read(receive) if scope["method"] != "GET" else b""
        if scope["path"] == "/received":
            await self._answer(scope["method"], body, send)
            return
        line = f"{scope['method']} {scope['path']}?{scope['query_string'].decode()}\n".encode()
        self._raw.append(line + b"".join(b"%b: %b\n" % pair for pair in scope["headers"]) + b"\n" + body)
        if scope["path"] == "/mcp" and await self._refused(Headers(scope=scope), body, send):
            return
        await self._app(scope, _again(body, receive) if scope["method"] != "GET" else receive, send)

    async def _refused(self, headers: Headers, body: bytes, send: Send) -> bool:
        """Whether the request ends here. A call that goes on is on record."""
        status, times = self._failing
        if times:
            self._failing = (status, times - 1)
            await _send(send, status, {"error": "told to"})
            return True
        call = _tool_call(body)
        if call is None:
            return False
        scheme, _, token = headers.get("authorization", "").partition(" ")
        bearer = token if scheme.lower() == "bearer" else ""
        known = await self._who(bearer) if bearer else {}
        needed = self._scoped.get(call["name"], ())
        if known and not set(needed) <= set(known["scopes"]):
            challenge = (
                f'Bearer error="insufficient_scope", scope="{" ".join(needed)}", resource_metadata="{self._metadata}"'
            )
            await _send(send, 403, {"error": "insufficient_scope"}, challenge)
            return True
        self._calls.append(
            {
                "tool": call["name"],
                "arguments": call.get("arguments", {}),
                "token": sha256(bearer.encode()).hexdigest() if bearer else None,
                "headers": {name: headers.get(name) for name in self._shown},
                **known,
            }
        )
        return False

    async def _answer(self, method: str, body: bytes, send: Send) -> None:
        if method == "GET":
            await _send(send, 200, {"calls": self._calls, "requests": len(self._raw)})
        elif method == "POST":
            needles: list[str] = json.loads(body)
            await _send(send, 200, [needle for needle in needles if any(needle.encode() in raw for raw in self._raw)])
        else:
            told = json.loads(body)
            self._failing = (told["status"], told["times"])
            await _send(send, 200, {})


def bound(port: int) -> tuple[socket.socket, int]:
    """A socket on loopback and its port, before anything is served there: what a server must know of itself."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    return sock, sock.getsockname()[1]


def serve(app: ASGIApp, sock: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; prints `{"port": N}` once requests are accepted."""
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
    _Announcing(config).run([sock])


class _Announcing(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        assert sockets
        print(json.dumps({"port": sockets[0].getsockname()[1]}), flush=True)


def _tool_call(body: bytes) -> dict[str, Any] | None:
    try:
        message = json.loads(body)
    except ValueError:
        return None
    if not isinstance(message, dict) or message.get("method") != "tools/call":
        return None
    params: dict[str, Any] = message["params"]
    return params


async def _read(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """A body that was read, once more; afterwards what comes next."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return left.pop() if left else await receive()

    return replayed


async def _send(send: Send, status: int, value: object, challenge: str = "") -> None:
    body = json.dumps(value).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if challenge:
        headers.append((b"www-authenticate", challenge.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
