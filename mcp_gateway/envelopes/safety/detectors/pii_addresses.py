"""Addresses of persons and of machines: e-mail, IP. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final

from mcp_gateway.envelopes.safety.finding import Finding
from mcp_gateway.envelopes.safety.text.regex import Pattern

_EMAIL: Final = Pattern(
    r"[A-Za-z0-9._%+'\-]+@(?:[A-Za-z0-9][A-Za-z0-9\-]*\.)+(?:[A-Za-z]{2,}|xn--[A-Za-z0-9\-]*[A-Za-z0-9])"
)
_LONGEST_NAME: Final = 64
"""RFC 5321 §4.5.3.1."""

_REPOSITORY: Final = "git"
"""The name that stands before every host of repositories (`git@host:path`): nobody's."""

_IPV4: Final = Pattern(r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b")
_IPV6: Final = Pattern(r"[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*")


def emails(text: str) -> Iterator[Finding]:
    """E-mail addresses with a name and a domain of two labels or more. Quoted names are not known."""
    for start, end in _EMAIL.spans(text):
        at = text.index("@", start)
        name = text[max(start, at - _LONGEST_NAME) : at].lstrip(".'%-")
        if name and name != _REPOSITORY:
            yield Finding("email", at - len(name), end)


def addresses(text: str) -> Iterator[Finding]:
    """IP addresses of both versions. A version number of four parts looks like one."""
    if "." in text:
        for start, end in _IPV4.spans(text):
            inside = text[start - 1 : start] in ("-", ".") or text[end : end + 1] == "-"
            if not inside and _is_address(text[start:end]):
                yield Finding("ip_address", start, end)
    if "::" in text or text.count(":") >= 7:
        for start, end in _IPV6.spans(text):
            shown = text[start:end].rstrip(".")
            shown = shown[:-1] if shown.endswith(":") and not shown.endswith("::") else shown
            outside = not text[start - 1 : start].isalnum() and not text[end : end + 1].isalnum()
            if len(shown) > 3 and outside and _is_address(shown):
                yield Finding("ip_address", start, start + len(shown))


def _is_address(shown: str) -> bool:
    try:
        ipaddress.ip_address(shown)
    except ValueError:
        return False
    return True
