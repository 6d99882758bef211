"""A collector that takes whatever is exported and keeps nothing: a bare asyncio protocol.

`python -m tests.bench.collector` prints one line `{"port": N}`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Final, cast

import uvloop

from tests.bench.wire import Reader

_TAKEN: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n"


class Connection(asyncio.Protocol):
    """One exporter's connection."""

    def __init__(self) -> None:
        self._reader = Reader()
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        for _ in self._reader.feed(data):
            self._transport.write(_TAKEN)


async def serve(port: int = 0) -> asyncio.Server:
    """A listening server on loopback."""
    return await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port)


async def main() -> None:
    server = await serve()
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
