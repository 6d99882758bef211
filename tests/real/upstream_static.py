"""An MCP server that knows one header with one or more values, and keeps what came (`tests.real.received`).

    python -m tests.real.upstream_static --header X-Api-Key [--port 0]

The values it takes are those of the environment's STATIC_VALUES, apart by spaces; without that variable, all.
"""

from __future__ import annotations

import argparse
import os

from mcp.server.mcpserver import MCPServer
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.real.received import Received, bound, serve


class Keyed:
    """Answers 401 to what comes without a value that is known."""

    def __init__(self, app: ASGIApp, header: str, values: frozenset[str]) -> None:
        self._app = app
        self._header = header
        self._values = values

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._values and Headers(scope=scope).get(self._header) not in self._values:
            await JSONResponse({"error": "who are you?"}, 401)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def make() -> MCPServer:
    server = MCPServer("archive", version="1.0.0")

    @server.tool()
    async def look_up(word: str) -> str:
        """Looks a word up."""
        return f"{word}: found"

    return server


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--header", default="X-Api-Key")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    sock, _ = bound(options.port)
    values = frozenset(os.environ.get("STATIC_VALUES", "").split())
    app = Keyed(make().streamable_http_app(json_response=True), options.header, values)
    serve(Received(app, shown=(options.header, "authorization")), sock)


if __name__ == "__main__":
    main()
