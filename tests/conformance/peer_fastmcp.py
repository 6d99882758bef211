"""FastMCP's proxy with its defaults in front of a URL: the peer whose figures stand beside ours."""

from __future__ import annotations

import sys

from fastmcp.server import create_proxy

from tests.upstreams.serving import run_http

if __name__ == "__main__":
    run_http(create_proxy(sys.argv[1]).http_app(path="/mcp"))
