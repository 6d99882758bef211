"""What this room reads of an upstream's settings, as protocols.

The settings room's models satisfy them; this room does not know that room. A child process has a `command`,
an HTTP upstream a `url`: that is how the two are told apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.secret import Secret


@dataclass(frozen=True, slots=True)
class Reach:
    """What holds for every upstream: addresses the admin allows besides, and the largest answer taken (bytes)."""

    allowed: Allowed = field(default_factory=Allowed)
    response: int = 16 << 20


class Log(Protocol):
    """A structured logger, as structlog's: an event name and facts, never content or secrets."""

    def bind(self, **facts: Any) -> Log: ...

    def debug(self, event: str, **facts: Any) -> Any: ...

    def info(self, event: str, **facts: Any) -> Any: ...

    def warning(self, event: str, **facts: Any) -> Any: ...

    def error(self, event: str, **facts: Any) -> Any: ...


class UpstreamSpec(Protocol):
    """What every upstream has. Times are in seconds; two specs that are equal need no new connection."""

    @property
    def enabled(self) -> bool: ...

    @property
    def protocol(self) -> str:
        """``auto`` or a pinned protocol version."""
        ...

    @property
    def timeout(self) -> float:
        """For one call to be answered."""
        ...

    @property
    def connect_timeout(self) -> float:
        """To connect, or for a process to answer its first message."""
        ...

    @property
    def idle_timeout(self) -> float:
        """How long a session of one caller is kept unused."""
        ...

    @property
    def max_concurrency(self) -> int: ...


@runtime_checkable
class StdioSpec(UpstreamSpec, Protocol):
    """A server started as a child process."""

    @property
    def command(self) -> Sequence[str]: ...

    @property
    def env(self) -> Mapping[str, Secret | str]: ...

    @property
    def cwd(self) -> Path: ...


class TlsSpec(Protocol):
    """PEM files; None leaves the system's."""

    @property
    def ca(self) -> Path | None: ...

    @property
    def client_cert(self) -> Path | None: ...

    @property
    def client_key(self) -> Path | None: ...


class EgressSpec(Protocol):
    """Addresses that this upstream's metadata may lead to, besides public ones; `core.egress.addresses.Allowed`."""

    @property
    def allow(self) -> Sequence[str]: ...


class AuthSpec(Protocol):
    """Which credential reaches an upstream."""

    @property
    def type(self) -> str: ...


@runtime_checkable
class HeaderAuthSpec(AuthSpec, Protocol):
    """Header fields. With `level` ``global`` every one has a value, and all callers share it."""

    @property
    def headers(self) -> Mapping[str, Secret | None]: ...

    @property
    def level(self) -> str: ...


@runtime_checkable
class HttpSpec(UpstreamSpec, Protocol):
    """A server reached over HTTP."""

    @property
    def url(self) -> str: ...

    @property
    def transport(self) -> str:
        """``streamable-http`` or ``sse``."""
        ...

    @property
    def tls(self) -> TlsSpec | None: ...

    @property
    def auth(self) -> AuthSpec: ...

    @property
    def egress(self) -> EgressSpec: ...
