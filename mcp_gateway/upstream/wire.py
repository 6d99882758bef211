"""The protocol between the upstream room's parts: a conversation with one upstream, in one era.

Two families implement `Conversation`: over HTTP (`streamable`) and over one duplex channel
(stdio, HTTP+SSE). Everything above asks for `Conversation` alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

from mcp_gateway.core.call import Json

MODERN: Final = "2026-07-28"
HANDSHAKE: Final = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""Handshake-era versions the gateway speaks upstream, newest first (the last only over HTTP+SSE and stdio)."""

NotifyHook = Callable[[str, Json], None]
"""Receives (method, params) of a notification. Synchronous: must not wait or raise."""

AskHook = Callable[[str, Json], Awaitable[Json]]
"""Answers a request of the upstream: (method, params) → result. Raises `Rejected` to answer with an error."""


_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Exchange(NamedTuple):
    """What accompanies one request to an upstream.

    `deadline` is in the loop's clock. With `progress=True` the conversation mints a progress token of its
    own, sets it in the request's `_meta`, and hands progress notifications that carry it to `notify` with
    the token removed. `notify` also receives log messages that belong to this request. `ask` answers
    requests that the upstream makes while it serves this one; None answers them with -32601.
    `headers` are extra HTTP headers (``Mcp-Name``, ``Mcp-Param-*``, credentials); channels ignore them.
    `capabilities`, `client_info` and `log_level` go into the `_meta` of a modern request; a handshake-era
    conversation has declared its capabilities already and sends ``logging/setLevel`` when `log_level` is
    more verbose than what it set before (and filters what it hands to `notify` by `log_level`).
    """

    deadline: float
    capabilities: Json | None = None
    client_info: Json | None = None
    log_level: str | None = None
    progress: bool = False
    notify: NotifyHook | None = None
    ask: AskHook | None = None
    headers: Mapping[str, str] = _NOTHING


class Conversation(Protocol):
    """An established conversation: era known, handshake done where the era has one.

    `capabilities`, `server_info` and `instructions` are what the upstream said at discovery or initialize.
    """

    @property
    def version(self) -> str: ...

    @property
    def capabilities(self) -> Json: ...

    @property
    def server_info(self) -> Json: ...

    @property
    def instructions(self) -> str | None: ...

    @property
    def alive(self) -> bool:
        """False once the conversation cannot serve another request and must be replaced."""
        ...

    async def request(self, method: str, params: Json, exchange: Exchange) -> Json:
        """Send a request with an id of our own and return its raw result object.

        `params` holds no protocol keys: the conversation adds what its era wants (`_meta`, headers).
        Cancelling the awaiting task cancels the request upstream (closing the stream in the modern era,
        ``notifications/cancelled`` before). Raises `Rejected` for a JSON-RPC error answer, `Unreachable`,
        `TimedOut`, `ProtocolViolation`.
        """
        ...

    async def notify(self, method: str, params: Json) -> None:
        """Send a notification."""
        ...

    async def close(self) -> None:
        """End the conversation in its era's way. Never raises; safe to call twice."""
        ...
