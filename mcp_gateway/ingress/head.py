"""The HTTP headers that MCP reads, taken from a request once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from mcp_gateway.core.metadata import HEADERS as METADATA_HEADERS
from mcp_gateway.envelopes.observability.traces.context import HEADERS as TRACE_HEADERS
from mcp_gateway.envelopes.safety.header import HEADERS as GUARDRAIL_HEADERS

RawHeaders = Sequence[tuple[bytes, bytes]]

_ROUTING: Final = (b"mcp-protocol-version", b"mcp-method", b"mcp-name", b"mcp-session-id", b"content-type")
_PARAM: Final = b"mcp-param-"
_OWN: Final = frozenset(name.encode() for name in (*METADATA_HEADERS, *GUARDRAIL_HEADERS, *TRACE_HEADERS))
"""Headers that speak to the gateway itself, in both eras."""


_NO_PARAMS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})


class Head(NamedTuple):
    """Header values as sent (latin-1 text), None where absent. `duplicated` names a routing header sent twice.

    `params` are the ``Mcp-Param-*`` headers and those that speak to the gateway itself.
    """

    content_type: str | None
    accept: str | None
    version: str | None
    method: str | None
    name: str | None
    session: str | None
    last_event_id: str | None
    duplicated: str | None = None
    params: Mapping[str, tuple[str, ...]] = _NO_PARAMS


def read_head(headers: RawHeaders) -> Head:
    """Pick out what MCP reads. Names are lower case, as ASGI delivers them."""
    fields = dict(headers)
    repeated = len(fields) != len(headers)
    get = fields.get
    return Head(
        content_type=_text(get(b"content-type")),
        accept=_accept(headers) if repeated else _text(get(b"accept")),
        version=_text(get(b"mcp-protocol-version")),
        method=_text(get(b"mcp-method")),
        name=_text(get(b"mcp-name")),
        session=_text(get(b"mcp-session-id")),
        last_event_id=_text(get(b"last-event-id")),
        duplicated=_duplicated(headers) if repeated else None,
        params=_params(headers) if not _OWN.isdisjoint(fields) or b"\n".join(fields).find(_PARAM) >= 0 else _NO_PARAMS,
    )


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _accept(headers: RawHeaders) -> str | None:
    values = [value.decode("latin-1") for key, value in headers if key == b"accept"]
    return ", ".join(values) if values else None


def _duplicated(headers: RawHeaders) -> str | None:
    seen: set[bytes] = set()
    for key, _ in headers:
        if key in _ROUTING:
            if key in seen:
                return key.decode("latin-1")
            seen.add(key)
    return None


def _params(headers: RawHeaders) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for key, value in headers:
        if key.startswith(_PARAM) or key in _OWN:
            name = key.decode("latin-1")
            found[name] = (*found.get(name, ()), value.decode("latin-1"))
    return found


def accepts(accept: str | None, wanted: str) -> bool:
    """Whether an Accept header admits the media type `wanted` (weights of 0 count as a no)."""
    if accept is None:
        return False
    family = wanted.split("/", 1)[0] + "/*"
    for part in accept.split(","):
        media, _, weight = part.partition(";")
        if media.strip().lower() in (wanted, family, "*/*") and weight.replace(" ", "") not in ("q=0", "q=0.0"):
            return True
    return False


def prefers(accept: str | None, wanted: str) -> bool:
    """Whether an Accept header names the media type `wanted` first."""
    return accept is not None and accept.lstrip().lower().startswith(wanted)
