"""What the two eras' endpoints share: what they are made of, and one request on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from mcp_gateway.core import strictjson
from mcp_gateway.core.asgi.body import read_body
from mcp_gateway.core.asgi.types import Headers, Receive, Scope, Send
from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import GatewayError, InvalidArguments
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.strictjson import JsonLimits
from mcp_gateway.envelopes.observability.metrics.measures import MCP
from mcp_gateway.envelopes.observability.refusals import Refusals
from mcp_gateway.ingress.envelope import NotAcceptable, UnsupportedMedia
from mcp_gateway.ingress.head import Head, accepts
from mcp_gateway.ingress.render import argument_error, headers, render
from mcp_gateway.ingress.served import Served

_JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"
_USUAL: Final = frozenset({f"{_JSON}, {EVENTS}", f"{_JSON},{EVENTS}", f"{EVENTS}, {_JSON}", f"{EVENTS},{_JSON}"})
"""The Accept headers that clients really send; anything else is read by the rules."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on one request: its body in bytes, and its JSON."""

    body: int
    json: JsonLimits


class Arrival(NamedTuple):
    """One HTTP request to a virtual server, authenticated, its body not yet read."""

    scope: Scope
    receive: Receive
    send: Send
    served: Served
    principal: Principal
    head: Head
    request_id: str
    loop: asyncio.AbstractEventLoop

    @property
    def ip(self) -> str:
        """The address that the request came from, ``::`` on a socket that has none."""
        client = self.scope.get("client")
        return client[0] if client else "::"


Endpoint = Callable[[Arrival], Awaitable[None]]


async def read_json(arrival: Arrival, limits: Limits) -> object:
    """The body as one strictly parsed JSON value; raises `UnsupportedMedia`, `BodyTooLarge`, `JsonError`."""
    media = arrival.head.content_type or ""
    if media != _JSON and media.partition(";")[0].strip().lower() != _JSON:
        raise UnsupportedMedia("Content-Type must be application/json")
    return strictjson.loads(await read_body(arrival.receive, limits.body), limits.json)


Report = Callable[[str, Exception], None]
"""Told the request id and the exception of what should not have happened."""


def unexpected(report: Report, request_id: str, error: Exception) -> GatewayError:
    """The public face of a defect: reported in full, shown without detail."""
    report(request_id, error)
    return GatewayError("internal error")


def require_both(head: Head) -> None:
    """Clients must accept JSON and event streams (Streamable HTTP, sending messages); raises `NotAcceptable`."""
    accept = head.accept
    if accept not in _USUAL and not (accepts(accept, _JSON) and accepts(accept, EVENTS)):
        raise NotAcceptable("Accept must list application/json and text/event-stream")


def answer(identifier: str | int | None, result: Json) -> Json:
    """The JSON-RPC message for a result."""
    return {"jsonrpc": "2.0", "id": identifier, "result": result}


Ending = tuple[int, Json, Headers]
"""How a request ends: HTTP status, JSON-RPC message, and header fields where the status can still be told."""


def failure(error: GatewayError, identifier: str | int | None, *, modern: bool, request_id: str) -> Ending:
    """What a client is told of an error."""
    if isinstance(error, InvalidArguments):
        return 200, answer(identifier, argument_error(error)), []
    status, rendered = render(error, modern=modern, request_id=request_id)
    return status, {"jsonrpc": "2.0", "id": identifier, "error": rendered}, headers(error)


def turned_away(refused: Refusals, arrival: Arrival, error: GatewayError | str, status: int) -> None:
    """Tell of a request of somebody who is known that ends before its pipeline. `error` is why, or its word."""
    refused(
        MCP,
        arrival.scope,
        arrival.request_id,
        error,
        status,
        server=arrival.served.name,
        principal=arrival.principal,
    )
