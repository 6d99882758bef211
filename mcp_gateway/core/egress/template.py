"""Requests: the constant part of the head is checked and formatted once, the rest is joined per request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET: Final = re.compile(r"/[\x21-\x22\x24-\x7e]*")
_TOKEN_BYTES: Final = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_OWN: Final = frozenset(
    (b"host", b"accept-encoding", b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"te",
     b"trailer", b"upgrade", b"expect", b"proxy-connection")
)  # fmt: skip
"""Fields that belong to this client: a second opinion on framing would be request smuggling."""

_LF: Final = 0x0A
_CR: Final = 0x0D
_NUL: Final = 0x00
"""As numbers: CPython looks for bytes in bytes only after it has raised and dropped an exception."""

Headers = Sequence[tuple[bytes, bytes]]
"""Header fields as (name, value) pairs; names in any case."""

_USUAL: Final = frozenset((b"mcp-method", b"mcp-name", b"authorization", b"traceparent"))
"""Names that most requests carry: known to be tokens and nobody else's."""


class Template:
    """A method and a target of one origin, with the header fields that every request to it shares.

    Raises:
        ValueError: a name or value that would not stay inside its field, a field that the client itself sets,
            or a method or target that is not one. The message names the field, never its value.
    """

    __slots__ = ("_head", "_sends_length", "bodiless")

    def __init__(self, authority: str, method: str, target: str, headers: Headers = ()) -> None:
        if not _TOKEN.fullmatch(method):
            raise ValueError("the method is not a token")
        if not _TARGET.fullmatch(target):
            raise ValueError("the target is not a path of visible ASCII characters")
        first = f"{method} {target} HTTP/1.1\r\nhost: {authority}\r\naccept-encoding: identity\r\n"
        self._head = first.encode("ascii") + _fields(headers)
        self._sends_length = method not in ("GET", "HEAD", "DELETE", "OPTIONS")
        self.bodiless = method == "HEAD"

    def render(self, headers: Headers, body: bytes) -> bytes:
        """The whole request, ready for one write."""
        fields = _fields(headers) if headers else b""
        if body or self._sends_length:
            return b"%b%bcontent-length: %d\r\n\r\n%b" % (self._head, fields, len(body), body)
        return b"%b%b\r\n" % (self._head, fields)


def _fields(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    lines: list[bytes] = []
    for name, value in headers:
        if name not in _USUAL and (not name or name.translate(None, _TOKEN_BYTES) or name.lower() in _OWN):
            raise ValueError(f"the header field {name[:64]!r} cannot be set")
        if _LF in value or _CR in value or _NUL in value:
            raise ValueError(f"the value of the header field {name[:64]!r} holds a control character")
        lines += (name, b": ", value, b"\r\n")
    return b"".join(lines)
