"""A company handbook as an MCP server over HTTP, on the official SDK: an upstream to try compositions on.

    python -m examples.upstreams.handbook --port 9000

It offers all that a server may: tools, a prompt, a resource and a resource template. Prints its address when it is
ready (`--port 0` picks a free port).
"""

from __future__ import annotations

import argparse
import socket
from typing import Final

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations

_MOST_PAGES: Final = 1000


def build() -> MCPServer:
    """The server, its pages in memory."""
    server = MCPServer("handbook", instructions="Search before you write.")
    pages = {"travel": "Book trains, not planes.", "expenses": "Keep the receipt."}

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def search_pages(text: str, max_results: int) -> list[str]:
        """Names of the pages that contain a text."""
        return [name for name, body in pages.items() if text.lower() in body.lower()][:max_results]

    @server.tool()
    def write_page(name: str, body: str, author: str, section: str) -> str:
        """Write a page."""
        if len(pages) >= _MOST_PAGES:
            raise ValueError("the handbook is full")
        pages[name] = body
        return f"{section}/{name} written by {author}"

    @server.tool()
    def delete_page(name: str) -> str:
        """Delete a page."""
        return f"{name} deleted" if pages.pop(name, None) is not None else f"there is no page {name}"

    @server.prompt()
    def summarize(page: str) -> str:
        """Ask for a summary of a page."""
        return f"Summarize this page in one sentence: {pages.get(page, '(there is no such page)')}"

    @server.resource("handbook://index")
    def index() -> str:
        """The names of all pages."""
        return "\n".join(sorted(pages))

    @server.resource("handbook://pages/{name}")
    def page(name: str) -> str:
        """One page."""
        return pages[name]

    return server


def main() -> None:
    """Serve on a loopback port."""
    parser = argparse.ArgumentParser(description="A handbook as an MCP server over HTTP.")
    parser.add_argument("--port", type=int, default=9000, help="0 picks a free one (default: %(default)s)")
    sock = socket.create_server(("127.0.0.1", parser.parse_args().port))
    print(f"http://127.0.0.1:{sock.getsockname()[1]}/mcp", flush=True)
    uvicorn.Server(uvicorn.Config(build().streamable_http_app(), log_level="warning")).run(sockets=[sock])


if __name__ == "__main__":
    main()
