"""Which addresses a configuration may name. Pure: nothing is resolved or dialled."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import AfterValidator, Field, Strict

from mcp_gateway.settings.base import refusal
from mcp_gateway.settings.words import looks_secret

_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?\.?|[0-9A-Fa-f:.]{2,45}")
_UNSEEN: Final = re.compile(r"[\x00-\x20\x7f\\]")


def is_loopback(host: str) -> bool:
    """Whether `host` can only mean this machine: `localhost`, 127.0.0.0/8 or ::1, also mapped into IPv6."""
    host = host.strip("[]").rstrip(".").lower()
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def split_url(value: str, schemes: tuple[str, ...] = ("http", "https")) -> SplitResult:
    """The parts of an absolute URL that holds no user, password or fragment. Messages never quote it."""
    wanted = " or ".join(f"{scheme}://" for scheme in schemes)
    if _UNSEEN.search(value):
        raise refusal("a URL holds no spaces, control characters or backslashes")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise refusal(f"expected a URL starting with {wanted}") from error
    if parts.scheme not in schemes or not parts.hostname or port == 0:
        raise refusal(f"expected a URL starting with {wanted}")
    if "@" in parts.netloc:
        raise refusal("a URL holds no user or password", "give credentials under `auth`")
    if parts.fragment or value.endswith("#"):
        raise refusal("a URL here has no fragment (`#…`)")
    return parts


def endpoint(value: str) -> str:
    """Validator: an address to call, https or http on loopback, without secrets in it."""
    parts = split_url(value)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise refusal("plain http is accepted for loopback addresses only", "use https")
    if any(looks_secret(key) for key, _ in parse_qsl(parts.query)):
        raise refusal("a literal secret in a URL is refused", "give credentials under `auth`")
    return value


def _public_url(value: str) -> str:
    parts = split_url(value)
    if parts.query or value.endswith("?"):
        raise refusal("the public URL has no query")
    return value.rstrip("/")


def _origin(value: str) -> str:
    parts = split_url(value)
    if parts.path or parts.query:
        raise refusal("expected an origin such as https://app.example.com, without a path")
    return value.lower()


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise refusal("expected a host name or IP address, without port")
    return value


_URI: Final = Field(json_schema_extra={"format": "uri"})

Endpoint = Annotated[str, Strict(), AfterValidator(endpoint), _URI]
"""An address to call: https, or http on loopback."""

PublicUrl = Annotated[str, Strict(), AfterValidator(_public_url), _URI]
Origin = Annotated[str, Strict(), AfterValidator(_origin), _URI]
Host = Annotated[str, Strict(), AfterValidator(_host)]
