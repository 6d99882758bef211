"""Finds out which era an upstream behind a URL speaks, and begins a conversation in it.

The order is the specification's: a modern probe; then ``initialize``, unless the answer could only come from a
modern server; then, where that URL does not take POST at all, the HTTP+SSE transport of old.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from mcp_gateway.core.call import Json
from mcp_gateway.core.egress.client import HttpClient
from mcp_gateway.core.errors import ProtocolViolation, Rejected, TimedOut, UpstreamError
from mcp_gateway.upstream.handshake import MODERN_ERRORS, Greeting, read_discover, version_after
from mcp_gateway.upstream.streamable import METHOD_NOT_FOUND, Refused, Unavailable, UnexpectedStatus
from mcp_gateway.upstream.streamable_modern import ModernConversation
from mcp_gateway.upstream.streamable_session import HandshakeConversation, open_session
from mcp_gateway.upstream.wire import MODERN, Conversation, Exchange, NotifyHook

AUTO: Final = "auto"
DISCOVER: Final = "server/discover"

_ONLY_SSE: Final = "2024-11-05"
_PROBE_SECONDS: Final = 10.0
_NO_POST: Final = frozenset({400, 404, 405})
_PASSING: Final = frozenset({502, 503, 504})

OpenSse = Callable[[float], Awaitable[Conversation]]
"""Begins a conversation over HTTP+SSE at the same URL before a deadline (loop clock). Raises `UpstreamError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An upstream's URL, as `client` (its origin) and `target` (path and query), and who speaks with it.

    `capabilities` and `client_info` are declared where an era declares them once. `on_event` receives the events of
    a handshake-era session. `headers` are credentials, for the requests that belong to no caller's. `protocol`
    is ``auto`` or a pinned version; `open_sse` is None where falling back to HTTP+SSE is not wanted.
    """

    client: HttpClient
    target: str
    on_event: NotifyHook
    protocol: str = AUTO
    capabilities: Json = field(default_factory=dict)
    client_info: Json | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    open_sse: OpenSse | None = None


async def connect(endpoint: Endpoint, deadline: float) -> Conversation:
    """Begin a conversation. Its type and version tell the era; pinning that version later skips the probe.

    Raises `UpstreamError`: the upstream is out of reach, refuses, or speaks nothing that the gateway speaks.
    """
    if endpoint.protocol == MODERN:
        return await _pinned_modern(endpoint, deadline)
    if endpoint.protocol != AUTO:
        if endpoint.protocol == _ONLY_SSE and endpoint.open_sse is not None:
            return await endpoint.open_sse(deadline)
        return await _initialize(endpoint, endpoint.protocol, deadline)
    return await _negotiate(endpoint, deadline)


async def _negotiate(endpoint: Endpoint, deadline: float) -> Conversation:
    loop = asyncio.get_running_loop()
    # A server that never answers what it does not know must leave time for what it knows.
    probing = min(deadline, loop.time() + min(_PROBE_SECONDS, (deadline - loop.time()) / 2))
    refused: UpstreamError | None = None
    try:
        greeting = await _discover(endpoint, probing)
        if greeting is not None:
            return ModernConversation(endpoint.client, endpoint.target, greeting)
    except (Rejected, UnexpectedStatus, ProtocolViolation, TimedOut, Unavailable) as error:
        _raise_unless_foreign(error)
        refused = error
    try:
        return await _initialize(endpoint, None, deadline)
    except (Rejected, UnexpectedStatus) as error:
        if refused is not None and _modern_after_all(refused, error):
            return ModernConversation(endpoint.client, endpoint.target, UNDISCOVERED)
        if error.status not in _NO_POST or endpoint.open_sse is None:
            raise
    return await endpoint.open_sse(deadline)


async def _discover(endpoint: Endpoint, deadline: float) -> Greeting | None:
    probe = ModernConversation(endpoint.client, endpoint.target, UNDISCOVERED)
    exchange = Exchange(
        deadline=deadline,
        capabilities=endpoint.capabilities,
        client_info=endpoint.client_info,
        headers=endpoint.headers,
    )
    return read_discover(await probe.request(DISCOVER, {}, exchange))


async def _initialize(endpoint: Endpoint, version: str | None, deadline: float) -> HandshakeConversation:
    return await open_session(
        endpoint.client,
        endpoint.target,
        version=version,
        capabilities=endpoint.capabilities,
        client_info=endpoint.client_info,
        on_event=endpoint.on_event,
        deadline=deadline,
        headers=endpoint.headers,
    )


async def _pinned_modern(endpoint: Endpoint, deadline: float) -> ModernConversation:
    try:
        greeting = await _discover(endpoint, deadline)
    except Rejected as error:
        if error.code != METHOD_NOT_FOUND:
            raise
        greeting = UNDISCOVERED
    if greeting is None:
        raise ProtocolViolation(f"the upstream does not speak {MODERN}")
    return ModernConversation(endpoint.client, endpoint.target, greeting)


UNDISCOVERED: Final = Greeting(MODERN, {"tools": {}, "prompts": {}, "resources": {}}, {})
"""Stands for a modern server without ``server/discover``, which it must have: what it offers shows when asked."""


def _raise_unless_foreign(error: UpstreamError) -> None:
    """Raise what settles the matter; return for what an older server may answer to a request it does not know."""
    if isinstance(error, Refused) or (isinstance(error, Unavailable) and error.status in _PASSING):
        raise error  # says nothing about the era, and the next request would be refused as well
    if isinstance(error, Rejected):
        version_after(error)


def _modern_after_all(probe: UpstreamError, error: Rejected | UnexpectedStatus) -> bool:
    """True when `error` is how a modern server refuses ``initialize`` and the probe only lacked its method."""
    return (
        isinstance(probe, Rejected)
        and probe.code == METHOD_NOT_FOUND
        and isinstance(error, Rejected)
        and (error.code in MODERN_ERRORS or error.code == METHOD_NOT_FOUND)
    )
