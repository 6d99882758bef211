"""Streamable HTTP since 2026-07-28: no session, every request stands for itself, one POST each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from mcp_gateway.core.call import Json
from mcp_gateway.core.egress.client import HttpClient
from mcp_gateway.core.egress.response import Response
from mcp_gateway.core.errors import ProtocolViolation, Rejected, UpstreamError
from mcp_gateway.core.strictjson import dumps
from mcp_gateway.upstream.handshake import UNSUPPORTED_VERSION, Greeting, stamp
from mcp_gateway.upstream.headers import (
    ACCEPT_BOTH,
    EVENT_STREAM,
    JSON,
    JSON_BODY,
    VERSION_FIELD,
    media_type,
    routing_fields,
)
from mcp_gateway.upstream.streamable import UnexpectedStatus, read_answer, read_object
from mcp_gateway.upstream.streamable_flight import ModernFlight
from mcp_gateway.upstream.streamable_result import check_result
from mcp_gateway.upstream.streamable_stream import read_refusal, read_until
from mcp_gateway.upstream.wire import MODERN, Exchange

_NOTIFY_SECONDS: Final = 5.0
_FOREIGN_STATUS: Final = frozenset({400, 404, 405, 406})


class ModernConversation:
    """Serves any number of callers at once: nothing of one request is remembered for another.

    ``subscriptions/listen`` is a request like the others: its `Exchange.notify` receives what comes on the
    stream, without the subscription id of this leg, and it returns when the upstream ends the stream gracefully.
    """

    def __init__(self, client: HttpClient, target: str, greeting: Greeting) -> None:
        """`target` is the path and query of the MCP endpoint at the client's origin."""
        version = (VERSION_FIELD, MODERN.encode())
        self._client = client
        self._template = client.prepare("POST", target, [ACCEPT_BOTH, JSON_BODY, version])
        self._greeting = greeting
        self._max_event = client.limits.body_bytes
        self._last_id = 0
        self._alive = True
        self.strays = 0
        """Messages dropped because the protocol does not allow them where they came."""

    @property
    def version(self) -> str:
        return MODERN

    @property
    def capabilities(self) -> Json:
        return self._greeting.capabilities

    @property
    def server_info(self) -> Json:
        return self._greeting.server_info

    @property
    def instructions(self) -> str | None:
        return self._greeting.instructions

    @property
    def alive(self) -> bool:
        return self._alive

    async def request(self, method: str, params: Json, exchange: Exchange) -> Json:
        """See `Conversation.request`. Cancelling closes the stream, which is how this era cancels."""
        self._last_id = request_id = self._last_id + 1
        capabilities = exchange.capabilities or {}
        stamped = stamp(
            params,
            capabilities=capabilities,
            client_info=exchange.client_info,
            log_level=exchange.log_level,
            progress_token=request_id if exchange.progress else None,
        )
        body = dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": stamped})
        fields = routing_fields(method, params, exchange.headers)
        response = await self._client.send(self._template, fields, body, deadline=exchange.deadline)
        if response.status == 200:
            kind = response.headers.get(b"content-type")
            if kind != JSON:
                kind = media_type(response.headers)
            if kind == JSON:
                raw = await response.read(exchange.deadline)
                return check_result(method, read_answer(read_object(raw), request_id), capabilities)
            if kind == EVENT_STREAM:
                flight = ModernFlight(request_id, method, exchange)
                try:
                    result = await read_until(response, flight.take, exchange.deadline, max_event=self._max_event)
                finally:
                    self.strays += flight.strays
                return check_result(method, result, capabilities)
            response.abort()
            raise ProtocolViolation("the upstream answered neither with JSON nor with an event stream")
        raise await self._refusal(response, request_id, exchange.deadline)

    async def notify(self, method: str, params: Json) -> None:
        """Post a notification. The era has none for clients over HTTP; servers may refuse it."""
        body = dumps({"jsonrpc": "2.0", "method": method, "params": params})
        deadline = asyncio.get_running_loop().time() + _NOTIFY_SECONDS
        response = await self._client.send(
            self._template, routing_fields(method, params, _NONE), body, deadline=deadline
        )
        if not 200 <= response.status < 300:
            raise await self._refusal(response, 0, deadline)
        await response.read(deadline)

    async def close(self) -> None:
        """Nothing to tell the upstream: only this object is over. The HTTP client is its maker's to close."""
        self._alive = False

    async def _refusal(self, response: Response, request_id: int, deadline: float) -> UpstreamError:
        error = await read_refusal(response, request_id, deadline)
        if _contradicts(error):
            self._alive = False
        return error


_NONE: Final[Mapping[str, str]] = MappingProxyType({})


def _contradicts(error: UpstreamError) -> bool:
    """True when the answer shows that this is no modern server (any more): the era is to be negotiated again."""
    if isinstance(error, UnexpectedStatus):
        return error.status in _FOREIGN_STATUS
    if not isinstance(error, Rejected) or error.status != 400:
        return False
    # The legacy range and "invalid request" are what handshake-era servers answer to a request without a session.
    return error.code in (UNSUPPORTED_VERSION, -32600) or -32019 <= error.code <= -32000
