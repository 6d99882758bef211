"""A small ledger as an MCP server over HTTP, on the official SDK: the demo's own upstream.

Run as a module it prints one line, its port, and serves until it is stopped.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections import deque
from typing import Final

import uvicorn
from mcp.server.mcpserver import MCPServer

_SLOW_SECONDS: Final = 0.25
_KEPT: Final = 100


def build() -> MCPServer:
    """The server and its three tools."""
    server = MCPServer("ledger", instructions="A ledger with one account.")
    entries: deque[tuple[float, str, str]] = deque(maxlen=_KEPT)

    @server.tool()
    def query_balance() -> str:
        """The balance of the account."""
        return f"{sum(amount for amount, _, _ in entries):.2f} EUR"

    @server.tool()
    def post_entry(amt: float, currency: str, memo: str = "") -> str:
        """Post one entry."""
        entries.append((amt, currency, memo))
        return f"booked {amt:.2f} {currency}" + (f" ({memo})" if memo else "")

    @server.tool()
    async def reconcile() -> str:
        """Compare the account with the bank, which is slow."""
        await asyncio.sleep(_SLOW_SECONDS)
        return "reconciled"

    return server


def main() -> None:
    """Serve on a free loopback port."""
    sock = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{sock.getsockname()[1]}\n")
    sys.stdout.flush()
    app = build().streamable_http_app()
    logging.getLogger().setLevel(logging.ERROR)
    uvicorn.Server(uvicorn.Config(app, log_level="error", http="h11")).run(sockets=[sock])


if __name__ == "__main__":
    main()
