"""An MCP server that answers at once, so that what is measured is what stands before it: a bare asyncio protocol.

`python -m tests.bench.upstream` prints one line `{"port": N}` and serves every site of `tests.bench.sites`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import orjson
import uvloop

from tests.bench.payloads import definition, result
from tests.bench.sites import GATEWAYS_OWN, HANDSHAKE, MODERN, PERSONS, SIGNED, SITES, Site
from tests.bench.wire import HttpMessage, Reader

_INFO: Final[Mapping[str, str]] = {"name": "bench", "version": "1.0.0"}
_LISTS: Final[Mapping[str, str]] = {
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}
_SPOKEN: Final = b"\r\nmcp-protocol-version: " + MODERN.encode()
_SESSION: Final = b"\r\nmcp-session-id: "
_PERSON: Final = b"\r\nauthorization: bearer " + PERSONS.encode()
_ANYBODY: Final = (_PERSON, b"\r\nauthorization: bearer " + GATEWAYS_OWN.encode())
_JSON: Final = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b"
_STREAM: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
_EMPTY: Final = b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n"


class Server:
    """One site's answers. It keeps no state: any session id will do, as long as there is one.

    A signed one answers calls only with the token of a person, and never with one that the agent presented.
    """

    def __init__(self, site: Site, *, signed: bool = False) -> None:
        self._site = site
        self._signed = signed
        self._modern = site.era == "new"
        self._streams = site.shape == "sse"
        self._kind = {"resultType": "complete"} if self._modern else {}
        hint = {"ttlMs": 3_600_000, "cacheScope": "public"} if self._modern else {}
        tools = {**self._kind, "tools": [definition(site, name) for name in site.tool_names], **hint}
        self._tools = orjson.Fragment(orjson.dumps(tools))
        self._hint = hint

    def answer(self, message: HttpMessage) -> bytes:
        """The whole response to a request."""
        if not message.head.startswith(b"POST"):
            return _EMPTY % (200 if message.head.startswith(b"DELETE") else 405)
        asked = orjson.loads(message.body)
        if self._signed and not self._admitted(message.fields, asked["method"]):
            return _EMPTY % 401
        method, params = asked["method"], asked.get("params", {})
        modern = _SPOKEN in message.fields
        if modern is not self._modern:
            return self._wrong_era(asked.get("id"))
        if not modern and method != "initialize" and _SESSION not in message.fields:
            return _error(400, asked.get("id"), -32600, "Bad Request: Missing session ID")
        if "id" not in asked:
            return _EMPTY % 202
        if method == "tools/call":
            return self._call(asked["id"], params)
        if method == "tools/list":
            return _respond(200, {"jsonrpc": "2.0", "id": asked["id"], "result": self._tools})
        return self._rest(asked["id"], method)

    def _admitted(self, fields: bytes, method: str) -> bool:
        if fields.count(b"\r\nauthorization:") != 1:
            return False
        return _PERSON in fields if method == "tools/call" else any(token in fields for token in _ANYBODY)

    def _call(self, identifier: Any, params: dict[str, Any]) -> bytes:
        told = result(self._site, params["arguments"]["key"])
        found = {"jsonrpc": "2.0", "id": identifier, "result": {**self._kind, **told}}
        token = params.get("_meta", {}).get("progressToken")
        if not self._streams or token is None:
            return _respond(200, found)
        progress = {"progressToken": token, "progress": 1, "total": 2, "message": "half way"}
        notified = {"jsonrpc": "2.0", "method": "notifications/progress", "params": progress}
        return b"".join((_STREAM, _event(notified), _event(found), b"0\r\n\r\n"))

    def _rest(self, identifier: Any, method: str) -> bytes:
        capabilities: dict[str, Any] = {"tools": {}}
        session = b""
        if method == "server/discover" and self._modern:
            greeting = {"supportedVersions": [MODERN], "capabilities": capabilities, **self._hint}
            found = {**self._kind, **greeting, "_meta": {"io.modelcontextprotocol/serverInfo": _INFO}}
        elif method == "initialize" and not self._modern:
            found = {"protocolVersion": HANDSHAKE, "capabilities": capabilities, "serverInfo": _INFO}
            session = b"mcp-session-id: bench-session\r\n"
        elif method in _LISTS:
            found = {**self._kind, _LISTS[method]: [], **self._hint}
        elif method == "ping":
            found = dict(self._kind)
        else:
            return _error(404 if self._modern else 200, identifier, -32601, "Method not found")
        return _respond(200, {"jsonrpc": "2.0", "id": identifier, "result": found}, session)

    def _wrong_era(self, identifier: Any) -> bytes:
        if self._modern:
            data = {"supported": [MODERN], "requested": ""}
            return _error(400, identifier, -32022, "Unsupported protocol version", data)
        return _error(400, identifier, -32000, "Bad Request: Unsupported protocol version")


def _respond(status: int, message: dict[str, Any], fields: bytes = b"") -> bytes:
    body = orjson.dumps(message)
    return _JSON % (status, fields, len(body), body)


def _error(status: int, identifier: Any, code: int, text: str, data: dict[str, Any] | None = None) -> bytes:
    error = {"code": code, "message": text} | ({"data": data} if data is not None else {})
    return _respond(status, {"jsonrpc": "2.0", "id": identifier, "error": error})


def _event(message: dict[str, Any]) -> bytes:
    data = orjson.dumps(message)
    return b"%x\r\nevent: message\ndata: %b\n\n\r\n" % (len(data) + 23, data)


class Connection(asyncio.Protocol):
    """One client's connection; requests that come together are answered in one write."""

    def __init__(self, servers: dict[bytes, Server]) -> None:
        self._servers = servers
        self._reader = Reader()
        self._write: Callable[[bytes], None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast("asyncio.WriteTransport", transport).write

    def data_received(self, data: bytes) -> None:
        self._write(b"".join([self._answer(message) for message in self._reader.feed(data)]))

    def _answer(self, message: HttpMessage) -> bytes:
        server = self._servers.get(message.head.split(b" ", 2)[1])
        return server.answer(message) if server is not None else _EMPTY % 404


async def serve(port: int = 0) -> asyncio.Server:
    """A listening server on loopback."""
    servers = {site.path.encode(): Server(site) for site in SITES}
    servers |= {(SIGNED + site.path).encode(): Server(site, signed=True) for site in SITES}
    return await asyncio.get_running_loop().create_server(lambda: Connection(servers), "127.0.0.1", port, backlog=512)


async def main() -> None:
    server = await serve()
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
