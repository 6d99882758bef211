"""HTTP header fields of the upstream leg: what is sent with a message and what is read from an answer. Pure."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from mcp_gateway.core import mcp_headers
from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.envelopes.observability.traces.context import HEADERS as TRACE_HEADERS

Fields = list[tuple[bytes, bytes]]

ACCEPT_BOTH: Final = (b"accept", b"application/json, text/event-stream")
ACCEPT_STREAM: Final = (b"accept", b"text/event-stream")
JSON_BODY: Final = (b"content-type", b"application/json")
JSON: Final = b"application/json"
EVENT_STREAM: Final = b"text/event-stream"

VERSION_FIELD: Final = b"mcp-protocol-version"
SESSION_FIELD: Final = b"mcp-session-id"
LAST_EVENT_FIELD: Final = b"last-event-id"

_OURS: Final = frozenset(
    {
        mcp_headers.PROTOCOL_VERSION,
        mcp_headers.METHOD,
        mcp_headers.NAME,
        mcp_headers.SESSION_ID,
        mcp_headers.LAST_EVENT_ID,
    }
)
_SESSION_ID: Final = re.compile(rb"[\x21-\x7e]{1,1024}")
_LONGEST_WAIT: Final = 3600.0


def routing_fields(method: str, params: Json, extra: Mapping[str, str]) -> Fields:
    """``Mcp-Method``, ``Mcp-Name`` where the method has one, and the caller's own headers of a modern request."""
    key = mcp_headers.NAME_PARAM.get(method)
    # A method that has a name is one of the protocol's: there is nothing in it to be wrapped.
    said = method if key is not None else mcp_headers.encode_header_value(method)
    fields: Fields = [(b"mcp-method", said.encode("ascii"))]
    if key is not None and isinstance(name := params.get(key), str):
        fields.append((b"mcp-name", mcp_headers.encode_header_value(name).encode("ascii")))
    if extra:
        fields += carried_fields(extra)
    return fields


def carried_fields(extra: Mapping[str, str]) -> Fields:
    """The caller's headers without those that the transport sets itself: a second copy would contradict the body."""
    return [
        (name.encode("ascii"), value.encode("latin-1")) for name, value in extra.items() if name.lower() not in _OURS
    ]


def standing_headers(extra: Mapping[str, str]) -> dict[str, str]:
    """What of one request's headers also belongs to the session's housekeeping: credentials, nothing of MCP's, and no
    context of the one request's trace."""
    return {
        name: value
        for name, value in extra.items()
        if not name.lower().startswith("mcp-") and name.lower() not in TRACE_HEADERS
    }


def media_type(headers: Mapping[bytes, bytes]) -> bytes:
    """The media type of an answer, lower case and without parameters; empty if it has none."""
    return headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


def retry_after(headers: Mapping[bytes, bytes]) -> float | None:
    """``Retry-After`` (RFC 9110 §10.2.3) in seconds from now, at most an hour; None if absent or unreadable."""
    value = headers.get(b"retry-after")
    if value is None:
        return None
    if value.isdigit():
        return min(float(value[:9]), _LONGEST_WAIT)
    try:
        wait = parsedate_to_datetime(value.decode("ascii")).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(wait, 0.0), _LONGEST_WAIT)


def session_id(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The session id that the upstream assigned, None if it keeps no session.

    Raises `ProtocolViolation` for one that is not visible ASCII, is repeated, or exceeds 1 KiB.
    """
    value = headers.get(SESSION_FIELD)
    if value is not None and not _SESSION_ID.fullmatch(value):
        raise ProtocolViolation("the upstream assigned a session id that cannot be sent back")
    return value
