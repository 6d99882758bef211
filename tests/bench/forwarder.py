"""The yardstick: the gateway's own HTTP edge and HTTP client with nothing between them. It reads no JSON.

`python -m tests.bench.forwarder UPSTREAM_PORT` prints one line `{"port": N}`; a path here is the same path there.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Final

import uvloop

from mcp_gateway.core.asgi.body import read_body
from mcp_gateway.core.asgi.limits import EdgeLimits
from mcp_gateway.core.asgi.respond import end, respond, send_chunk
from mcp_gateway.core.asgi.server import bind, build_server
from mcp_gateway.core.asgi.types import Receive, Scope, Send
from mcp_gateway.core.egress.addresses import AddressPolicy
from mcp_gateway.core.egress.client import HttpClient
from mcp_gateway.core.egress.guard import AddressGuard
from mcp_gateway.core.egress.origin import parse_url
from mcp_gateway.core.egress.template import Template

_BODY: Final = 4 << 20
_SECONDS: Final = 30.0
_HOP: Final = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"accept-encoding"}
)


class Forwarder:
    """ASGI app: the request as it came, to the upstream; status, headers and body as they come, to the client."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._templates: dict[tuple[str, str], Template] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive, _BODY)
        route = (scope["method"], scope["path"])
        template = self._templates.get(route)
        if template is None:
            template = self._templates[route] = self._client.prepare(*route)
        headers = [field for field in scope["headers"] if field[0] not in _HOP]
        deadline = self._loop.time() + _SECONDS
        with await self._client.send(template, headers, body, deadline=deadline) as response:
            kept = [field for field in response.headers.items() if field[0] not in _HOP]
            if response.complete or b"content-length" in response.headers:
                await respond(send, response.status, await response.read(deadline), kept)
                return
            await send({"type": "http.response.start", "status": response.status, "headers": kept})
            async for piece in response.stream(idle_timeout=_SECONDS, deadline=deadline):
                await send_chunk(send, piece)
            await end(send)


async def main(upstream: int) -> None:
    origin, _ = parse_url(f"http://127.0.0.1:{upstream}/")
    client = HttpClient(origin, guard=AddressGuard(AddressPolicy.operator()))
    listening = bind("127.0.0.1", 0)
    port = listening.getsockname()[1]
    server = build_server(Forwarder(client), "127.0.0.1", port, EdgeLimits())
    print(json.dumps({"port": port}), flush=True)
    await server.serve(sockets=[listening])
    await client.close()


if __name__ == "__main__":
    sys.exit(uvloop.run(main(int(sys.argv[1]))))
