"""Judge the head of one HTTP/1.x request: values in, a verdict out, no I/O.

The parser has already refused malformed tokens, control characters, folded lines and contradictory lengths.
What it lets through and two recipients may read differently is refused here (RFC 9112 §3.2, §6; RFC 9110 §5.3).
"""

from __future__ import annotations

import re
import urllib.parse
from typing import Final

from mcp_gateway.core.asgi.refusals import Refused

_SINGLE: Final = frozenset(
    (b"authorization", b"content-length", b"content-type", b"expect", b"host", b"origin", b"transfer-encoding")
)
"""Fields that a request may carry once: of two, one recipient takes the first and another the last."""

_SUSPECT: Final = re.compile(rb"//|/\.|%|[^!-~]|\\")
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]+)([^#]*)\Z", re.IGNORECASE)


def by_name(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The header fields by (lower-case) name; of those that may be repeated, the last.

    Raises:
        Refused: 400 for two of a kind that may come once.
    """
    fields = dict(headers)
    if len(fields) != len(headers):
        seen = set()
        for name, _ in headers:
            if name in _SINGLE and name in seen:
                raise Refused(400, "repeated_header", f"More than one {name.decode('ascii')} header")
            seen.add(name)
    return fields


def judge(version: str, fields: dict[bytes, bytes], body_limit: int) -> bool:
    """Check version, Host, and body framing of a request with these `fields`.

    Returns whether the client waits for a 100 before it sends its body.

    Raises:
        Refused: 400, 413, 417 or 505.
    """
    if version not in ("1.1", "1.0"):
        raise Refused(505, "http_version", "Only HTTP/1.1 and HTTP/1.0 are spoken here")
    if b"host" not in fields and version == "1.1":
        raise Refused(400, "missing_host", "The Host header is missing")
    coding = fields.get(b"transfer-encoding")
    declared = fields.get(b"content-length")
    length: int | None = 0
    if coding is not None:
        if declared is not None or version == "1.0" or coding.lower() != b"chunked":
            raise Refused(400, "bad_transfer_encoding", "The only transfer coding is chunked, without a Content-Length")
        length = None
    elif declared is not None:
        if not declared.isdigit() or len(declared) > 19:
            raise Refused(400, "bad_content_length", "Content-Length is not a number")
        length = int(declared)
        if length > body_limit:
            raise Refused(413, "body_too_large", f"The body is larger than {body_limit} bytes")
    expect = fields.get(b"expect")
    if expect is None or version == "1.0":
        return False
    if expect.lower() != b"100-continue":
        raise Refused(417, "unknown_expectation", "The only expectation is 100-continue")
    return length != 0


def split_target(target: bytes, host: bytes | None) -> tuple[str, bytes, bytes]:
    """Split a request target into decoded path, raw path and query.

    Origin form and absolute form only; the authority of the latter must be the Host (RFC 9112 §3.2.2 lets it win, and
    then a check of the Host header would have checked nothing). A path whose segments another router could resolve
    to a different path (dot segments, empty segments, a backslash, NUL) is refused, not normalised; an encoded slash
    stays, since model names hold slashes.

    Raises:
        Refused: 400.
    """
    if target[:1] != b"/":
        match = _ABSOLUTE.match(target)
        if match is None:
            raise Refused(400, "bad_target", "The request target is not a path")
        authority, target = match.groups()
        if host is None or authority.lower() != host.lower():
            raise Refused(400, "host_mismatch", "The authority of the request target is not the Host")
        if target[:1] != b"/":
            target = b"/" + target
    if target.find(b"#") >= 0:
        raise Refused(400, "bad_target", "The request target has a fragment")
    raw_path, _, query = target.partition(b"?")
    if _SUSPECT.search(raw_path) is None:
        return raw_path.decode("ascii"), raw_path, query
    if not raw_path.isascii():
        raise Refused(400, "bad_target", "The request target is not a path")
    path = urllib.parse.unquote_to_bytes(raw_path)
    segments = path.split(b"/")[1:]
    if b"\\" in path or b"\x00" in path or b"" in segments[:-1] or b"." in segments or b".." in segments:
        raise Refused(400, "ambiguous_path", "The path is not in its canonical form")
    try:
        return path.decode(), raw_path, query
    except UnicodeDecodeError:
        raise Refused(400, "bad_target", "The path is not UTF-8") from None


def without_upgrade(method: bytes, target: bytes, version: str, headers: list[tuple[bytes, bytes]]) -> bytes:
    """The same head without its offer to upgrade, which a server may ignore (RFC 9110 §7.8)."""
    lines = [b"%s %s HTTP/%s" % (method, target, version.encode())]
    for name, value in headers:
        if name == b"connection":
            kept = [
                token for token in value.split(b",") if token.strip().lower() not in (b"upgrade", b"http2-settings")
            ]
            if kept:
                lines.append(b"connection: " + b",".join(kept))
        elif name not in (b"upgrade", b"http2-settings"):
            lines.append(name + b": " + value)
    return b"\r\n".join(lines) + b"\r\n\r\n"
