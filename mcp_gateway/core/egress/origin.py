"""Origins and targets: the two halves of an absolute URL that a client needs.

The grammar is narrower than RFC 3986 on purpose: whatever two parsers could read in two ways (numeric
host forms, dots of other scripts, trailing dots, userinfo, backslashes) is refused rather than normalised.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?]*)(?P<target>(?:[/?].*)?)", re.DOTALL
)
_AUTHORITY: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::(?P<port>[0-9]{1,5}))?")
_UNSAFE: Final = re.compile(r"[^\x21-\x7e]|\\")
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_DEFAULT_PORTS: Final = MappingProxyType({"http": 80, "https": 443})
_LONGEST_URL: Final = 8192
_LONGEST_HOST: Final = 253


class BadUrl(ValueError):
    """The URL is not one the gateway would call. The message never quotes it: it may hold a secret."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where to connect. `host` is lower case, an IPv6 address without its brackets."""

    scheme: str
    host: str
    port: int

    @property
    def secure(self) -> bool:
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """The value of the Host header (RFC 9110 §7.2): brackets where needed, the port unless it is the default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def parse_url(url: str) -> tuple[Origin, str]:
    """Split an absolute http(s) URL into its origin and its request target (path and query).

    Raises:
        BadUrl: not an absolute http(s) URL, or one with userinfo, a fragment, an ambiguous host,
            non-ASCII characters (punycode and percent-encoding are the caller's to apply), or over 8 KiB.
    """
    if len(url) > _LONGEST_URL:
        raise BadUrl(f"the URL is longer than {_LONGEST_URL} characters")
    if _UNSAFE.search(url):
        raise BadUrl("the URL holds white space, a backslash or a character outside ASCII")
    if "#" in url:
        raise BadUrl("the URL has a fragment")
    parts = _URL.fullmatch(url)
    scheme = parts["scheme"].lower() if parts else ""
    if parts is None or scheme not in _DEFAULT_PORTS:
        raise BadUrl("the URL is not an absolute http or https URL")
    if "@" in parts["authority"]:
        raise BadUrl("the URL holds user information")
    authority = _AUTHORITY.fullmatch(parts["authority"])
    if authority is None:
        raise BadUrl("the URL has no valid host and port")
    port = int(authority["port"]) if authority["port"] else _DEFAULT_PORTS[scheme]
    if not 0 < port < 65536:
        raise BadUrl("the port is not between 1 and 65535")
    target = parts["target"]
    return Origin(scheme, _host(authority["host"].lower()), port), target if target.startswith("/") else "/" + target


def _host(host: str) -> str:
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            raise BadUrl("the host is not a valid IPv6 address") from None
    labels = host.split(".")
    if _NUMERIC.fullmatch(labels[-1]):
        # Resolvers read 0177.1, 0x7f000001 and 2130706433 as addresses: only the canonical form may pass.
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise BadUrl("the host is numeric but not a canonical IPv4 address") from None
    if len(host) > _LONGEST_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadUrl("the host is not a valid name")
    return host
