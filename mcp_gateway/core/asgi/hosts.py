"""Which Host and Origin a listener answers to: the defence against DNS rebinding and foreign web pages.

A page on another site can make a browser send requests here. It cannot forge Origin, and a name it rebinds to our
address arrives as Host. So both are compared with what the admin said the address is (MCP transports, security notes).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from mcp_gateway.core.asgi import respond
from mcp_gateway.core.asgi.types import Send

_DEFAULT_PORT: Final[Mapping[str, int]] = {"http": 80, "https": 443}
_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
_JSON: Final = (respond.JSON, (b"vary", b"Origin"))
STRANGERS: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        421: ("host_not_allowed", "This server is not known under that Host"),
        403: ("origin_not_allowed", "Requests from that Origin are not allowed"),
    }
)
"""By the status of `AllowedOrigins.refusal`: the reason for machines, and for people."""


@dataclass(frozen=True, slots=True)
class AllowedOrigins:
    """The accepted values of Host and of Origin, in lower case; a request without Origin comes from no web page."""

    hosts: frozenset[bytes]
    origins: frozenset[bytes]

    @classmethod
    def derive(
        cls, public_url: str, extra: Iterable[str] = (), *, listen: tuple[str, int] | None = None
    ) -> AllowedOrigins:
        """Compile the lists from the configuration.

        `public_url` counts as Host and Origin. Of `extra`, an entry with a scheme (`https://app.example.com`) is an
        Origin, any other (`gw.internal:8080`) a Host. A loopback address in `listen` adds all names of loopback with
        its port, as Host and Origin.

        Raises:
            ValueError: an entry is neither.
        """
        hosts: set[str] = set()
        origins: set[str] = set()
        served = [public_url]
        if listen is not None and _is_loopback(listen[0]):
            served += [f"http://{name}:{listen[1]}" for name in _LOOPBACK]
        for url in served:
            scheme, authorities = _spellings(url)
            hosts |= authorities
            origins |= {f"{scheme}://{authority}" for authority in authorities}
        for entry in extra:
            if "://" in entry:
                scheme, authorities = _spellings(entry)
                origins |= {f"{scheme}://{authority}" for authority in authorities}
            else:
                _spellings(f"http://{entry}")  # raises for what is no authority
                hosts.add(entry.lower())
        return cls(frozenset(h.encode() for h in hosts), frozenset(o.encode() for o in origins))

    def refusal(self, headers: Iterable[tuple[bytes, bytes]]) -> int | None:
        """421 for a Host that is not ours, 403 for a foreign Origin (`null` is one), None for a welcome request."""
        known, foreign = False, False
        for name, value in headers:
            if name == b"host":
                known = value in self.hosts or value.lower() in self.hosts
                if not known:
                    return 421
            elif name == b"origin" and value not in self.origins and value.lower() not in self.origins:
                foreign = True
        if not known:
            return 421
        return 403 if foreign else None


async def turn_away(send: Send, status: int) -> None:
    """Answer a request that `AllowedOrigins.refusal` has a status for; the answer names neither Host nor Origin."""
    reason, message = STRANGERS[status]
    await respond.respond(send, status, respond.error_body(-32600, message, reason), _JSON)


def _spellings(url: str) -> tuple[str, set[str]]:
    """Scheme and authority of a URL; a default port may be written or left out."""
    parts = urlsplit(url.lower())
    if parts.scheme not in _DEFAULT_PORT or not parts.hostname or parts.username is not None:
        raise ValueError(f"{url!r} is not an http(s) address")
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = _DEFAULT_PORT[parts.scheme]
    port = parts.port if parts.port is not None else default
    return parts.scheme, {f"{name}:{port}", name} if port == default else {f"{name}:{port}"}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
