"""What a request is while it passes through the gateway.

A `Call` is frozen; a stage that changes something makes a new one with `_replace`.
The exception is the `Trail`, the notebook in which stages leave facts for observability.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

from mcp_gateway.core.metadata import NO_METADATA
from mcp_gateway.core.principal import Principal

Json = dict[str, Any]
"""A JSON object as parsed. Treated as read-only: rewriting makes a new object."""


class Client(NamedTuple):
    """What the client said about itself, per request in the modern era, at `initialize` before.

    `modern` is true for protocol versions from 2026-07-28 on. `capabilities` is its raw
    ClientCapabilities object and `info` its Implementation object or None: display only, never trusted.
    """

    version: str
    modern: bool
    capabilities: Json
    info: Json | None = None


class Link(Protocol):
    """The way back to the client while its request is being served."""

    def notify(self, method: str, params: Json) -> None:
        """Queue a notification on this request's stream. Never waits; drops and counts beyond a bound."""
        ...

    async def ask(self, method: str, params: Json) -> Json:
        """Send a request to the client and return its result (handshake era only).

        Raises `Rejected` with the client's own error, `MissingCapability` where there is no way to ask.
        """
        ...


class Session(Protocol):
    """A handshake-era session as stages see it."""

    @property
    def id(self) -> str: ...

    @property
    def log_level(self) -> str | None: ...

    @log_level.setter
    def log_level(self, level: str | None) -> None: ...

    def notify(self, method: str, params: Json) -> None:
        """Queue a notification on the session's standalone stream, if one is open."""
        ...

    def hold(self, key: str, release: Callable[[], None]) -> None:
        """Keep something for the life of the session; an earlier holding under `key` is released first."""
        ...

    def release(self, key: str) -> None:
        """Let go of what is held under `key`; nothing happens if there is none."""
        ...


class Trail:
    """Facts that stages leave about one call. Not part of what is executed."""

    __slots__ = ("notes", "upstream_seconds")

    def __init__(self) -> None:
        self.notes: dict[str, object] = {}
        self.upstream_seconds = 0.0


_NO_HEADERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})


class Call(NamedTuple):
    """One request of a client to a virtual server.

    `id` is the client's JSON-RPC id, `request_id` the gateway's own name for the request.
    `params` is the request's params object as parsed, `_meta` included. `deadline` is in the loop's
    clock, infinity for streams that live as long as the client. `log_level` is the level the client
    wants log messages at, None for none. `headers` are the request's ``Mcp-Param-*`` headers and those of the
    gateway itself (`ingress.head`), lower case, each with all its values. `ip` is the address that the request came
    from, ``::`` where there is none. `metadata` is what was settled about the request, of the caller's and of the
    gateway's own (`envelopes.safety.metadata`).
    """

    id: str | int
    request_id: str
    server: str
    method: str
    params: Json
    principal: Principal
    client: Client
    link: Link
    deadline: float
    snapshot: str
    trail: Trail
    session: Session | None = None
    log_level: str | None = None
    headers: Mapping[str, tuple[str, ...]] = _NO_HEADERS
    ip: str = "::"
    metadata: Mapping[str, str] = NO_METADATA
