"""Runs a fixture `Offer` as an MCP server: handlers over its tables, HTTP with both eras or one, stdio, a command line.

`python -m <module> --port 0` prints one line `{"port": N}` on standard output once it accepts connections.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any, Literal

import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.subscriptions import ListenHandler
from mcp_types import JSONRPCMessage, NotificationParams
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.upstreams.fixture import Offer, WideServer, session_key
from tests.upstreams.handlers import Handlers

Era = Literal["both", "modern", "legacy"]
UNSUPPORTED_VERSION = -32022
SEALING_KEY = b"fixture servers seal their state with this key"
REPLAYED_EVENTS = 10_000


class Replay(EventStore):
    """A bounded in-memory event store, so that interrupted SSE streams can be resumed."""

    def __init__(self) -> None:
        self._events: dict[str, tuple[str, JSONRPCMessage | None]] = {}
        self._next = 0

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        self._next += 1
        event_id = f"e{self._next}"
        self._events[event_id] = (stream_id, message)
        if len(self._events) > REPLAYED_EVENTS:
            del self._events[next(iter(self._events))]
        return event_id

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        found = self._events.get(last_event_id)
        if found is None:
            return None
        after = int(last_event_id[1:])
        for event_id, (stream_id, message) in list(self._events.items()):
            if stream_id == found[0] and int(event_id[1:]) > after and message is not None:
                await send_callback(EventMessage(message, event_id))
        return found[0]


class OneEra:
    """ASGI door that lets one protocol era in and answers the other as a server that never heard of it."""

    def __init__(self, app: ASGIApp, era: Era) -> None:
        self._app = app
        self._era = era

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._era == "both":
            await self._app(scope, receive, send)
            return
        version = next((v.decode().strip() for k, v in scope["headers"] if k == b"mcp-protocol-version"), None)
        modern = version in MODERN_PROTOCOL_VERSIONS
        if self._era == "legacy" and modern:
            await self._refuse(send, -32000, f"Bad Request: Unsupported protocol version: {version}", None)
        elif self._era == "modern" and not modern:
            data = {"supported": list(MODERN_PROTOCOL_VERSIONS), "requested": version or ""}
            await self._refuse(send, UNSUPPORTED_VERSION, "Unsupported protocol version", data)
        else:
            await self._app(scope, receive, send)

    async def _refuse(self, send: Send, code: int, message: str, data: dict[str, Any] | None) -> None:
        error: dict[str, Any] = {"code": code, "message": message}
        if data is not None:
            error["data"] = data
        body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 400, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def build_server(name: str, version: str, offer: Offer, *, instructions: str | None = None) -> WideServer:
    """The SDK server over `offer`; it seals the request state that bodies mint."""
    handlers = Handlers(offer)
    server = WideServer(
        name,
        version=version,
        instructions=instructions,
        get_tool_input_schema=handlers.input_schema,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_resources=handlers.list_resources,
        on_list_resource_templates=handlers.list_templates,
        on_read_resource=handlers.read_resource,
        on_subscribe_resource=handlers.subscribe,
        on_unsubscribe_resource=handlers.unsubscribe,
        on_subscriptions_listen=ListenHandler(offer.audience.bus),
        on_list_prompts=handlers.list_prompts,
        on_get_prompt=handlers.get_prompt,
        on_completion=handlers.complete,
    )
    handlers.add_logging(server)

    async def remember(ctx: ServerRequestContext[Any, Any], params: NotificationParams) -> None:
        offer.audience.sessions[session_key(ctx)] = ctx.session

    server.add_notification_handler("notifications/initialized", NotificationParams, remember)
    server.middleware[:] = [RequestStateBoundary(RequestStateSecurity(keys=[SEALING_KEY]), default_audience=name)]
    return server


def http_app(server: WideServer, *, era: Era = "both", json_response: bool = False) -> ASGIApp:
    """The server at `/mcp`, resumable, with the SDK's Host and Origin checks for loopback."""
    app = server.streamable_http_app(event_store=Replay(), retry_interval=100, json_response=json_response)
    return OneEra(app, era)


class _Announcing(uvicorn.Server):
    """Prints the port once the listener accepts."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(json.dumps({"port": self.servers[0].sockets[0].getsockname()[1]}), flush=True)


def run_http(app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> None:
    """Serve until SIGINT or SIGTERM."""
    # h11 strips the optional whitespace around header values (RFC 9110 §5.5); httptools hands it on.
    config = uvicorn.Config(
        app, host=host, port=port, http="h11", log_level="warning", access_log=False, timeout_graceful_shutdown=1
    )
    _Announcing(config).run()


async def serve_stdio(server: WideServer) -> None:
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def main(make: Callable[[], WideServer], argv: list[str] | None = None) -> int:
    """The command line that every fixture server shares."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--transport", choices=["streamable-http", "stdio"], default="streamable-http")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--era", choices=["both", "modern", "legacy"], default="both")
    parser.add_argument("--json", action="store_true", help="answer JSON where the protocol allows SSE")
    options = parser.parse_args(argv)
    if options.transport == "stdio":
        asyncio.run(serve_stdio(make()))
        return 0
    run_http(http_app(make(), era=options.era, json_response=options.json), options.host, options.port)
    return 0
