"""The three HTTP verbs of one handshake-era session: POST a message, GET a stream, DELETE the session."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from mcp_gateway.core.call import Json
from mcp_gateway.core.egress.client import HttpClient
from mcp_gateway.core.egress.response import Response
from mcp_gateway.core.errors import ProtocolViolation, UpstreamError
from mcp_gateway.core.strictjson import dumps
from mcp_gateway.upstream.headers import (
    ACCEPT_BOTH,
    ACCEPT_STREAM,
    EVENT_STREAM,
    JSON_BODY,
    LAST_EVENT_FIELD,
    SESSION_FIELD,
    VERSION_FIELD,
    Fields,
    carried_fields,
    media_type,
    standing_headers,
)
from mcp_gateway.upstream.streamable import SessionLost, session_gone
from mcp_gateway.upstream.streamable_stream import read_refusal

_SAYS_VERSION: Final = frozenset({"2025-11-25", "2025-06-18"})
"""Versions whose requests carry ``MCP-Protocol-Version``; before them the header was unknown."""


class SessionWire:
    """Formats what every request of the session shares once. Knows no JSON-RPC beyond sending it.

    `standing` are the credentials that the latest request carried; requests of no caller's own go with them.
    """

    __slots__ = ("_client", "_delete", "_get", "_post", "_target", "max_event", "session", "standing")

    def __init__(self, client: HttpClient, target: str, standing: Mapping[str, str]) -> None:
        self._client = client
        self._target = target
        self.max_event = client.limits.body_bytes
        self.session: bytes | None = None
        self.standing = standing_headers(standing)
        self._prepare([])

    def establish(self, version: str, session: bytes | None) -> None:
        """The handshake is done: requests carry its outcome from now on."""
        self.session = session
        shared: Fields = []
        if version in _SAYS_VERSION:
            shared.append((VERSION_FIELD, version.encode()))
        if session is not None:
            shared.append((SESSION_FIELD, session))
        self._prepare(shared)

    def _prepare(self, shared: Fields) -> None:
        self._post = self._client.prepare("POST", self._target, [ACCEPT_BOTH, JSON_BODY, *shared])
        self._get = self._client.prepare("GET", self._target, [ACCEPT_STREAM, *shared])
        self._delete = self._client.prepare("DELETE", self._target, shared)

    async def post(self, body: bytes, headers: Mapping[str, str], deadline: float) -> Response:
        """Post a request. Raises what `HttpClient.send` raises."""
        return await self._client.send(self._post, carried_fields(headers) if headers else (), body, deadline=deadline)

    async def tell(self, message: Json, headers: Mapping[str, str], seconds: float) -> None:
        """Post a notification or an answer, to which there is no answer.

        Raises `SessionLost`, or the `UpstreamError` for a status that is not 2xx.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        with await self.post(dumps(message), headers, deadline) as response:
            if not 200 <= response.status < 300:
                raise self.lost(await read_refusal(response, 0, deadline))
            if media_type(response.headers) != EVENT_STREAM:
                await response.read(deadline)

    async def open_stream(self, last_event_id: bytes, deadline: float) -> Response:
        """Open the standalone stream, or with an event id the rest of the stream that the event was on.

        Raises `SessionLost`, `ProtocolViolation` for an answer that is no stream, or the error for its status.
        """
        fields = carried_fields(self.standing)
        if last_event_id:
            fields.append((LAST_EVENT_FIELD, last_event_id))
        response = await self._client.send(self._get, fields, b"", deadline=deadline)
        if response.status == 200 and media_type(response.headers) == EVENT_STREAM:
            return response
        if response.status == 200:
            response.abort()
            raise ProtocolViolation("the upstream answered GET with something other than an event stream")
        raise self.lost(await read_refusal(response, 0, deadline))

    async def delete(self, seconds: float) -> None:
        """Ask the upstream to forget the session. Any answer will do: many servers do not allow it."""
        deadline = asyncio.get_running_loop().time() + seconds
        response = await self._client.send(self._delete, carried_fields(self.standing), b"", deadline=deadline)
        with response:
            await response.read(deadline)

    def lost(self, error: UpstreamError) -> UpstreamError:
        """`error` itself, or `SessionLost` if that is what it says about a request that named the session."""
        return SessionLost() if self.session is not None and session_gone(error) else error
