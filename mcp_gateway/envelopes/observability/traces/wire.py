"""Spans as the bytes of an ``ExportTraceServiceRequest`` (opentelemetry-proto 1.x), written at once.

Objects for every attribute would take as long as a call does, on the core that serves calls. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from mcp_gateway.envelopes.observability import names
from mcp_gateway.envelopes.observability.traces.context import Context
from mcp_gateway.envelopes.observability.traces.span import Span, SpanEvent, SpanKind, Value

_KINDS: Final = MappingProxyType(
    {SpanKind.INTERNAL: b"\x30\x01", SpanKind.SERVER: b"\x30\x02", SpanKind.CLIENT: b"\x30\x03"}
)
_LENGTHS: Final = tuple(bytes((number,)) for number in range(128))
_FIXED64: Final = struct.Struct("<Q")
_DOUBLE: Final = struct.Struct("<d")
_MOST_KEYS: Final = 1024
_MOST_KNOWN: Final = 4096
_KNOWN_TEXT: Final = 64
_NEVER_TWICE: Final = frozenset({names.REQUEST_ID, names.JSONRPC_ID})
"""Attributes whose values are not worth keeping: no two spans of different requests share them."""

_WELL: Final = b"\x7a\x00"
_FAILED: Final = b"\x7a\x02\x18\x02"
_HERE: Final = b"\x85\x01\x00\x01\x00\x00"
_REMOTE: Final = b"\x85\x01\x00\x03\x00\x00"
"""The flags of a span: whether its parent is another process's."""

_LINKED: Final = b"\x35\x00\x03\x00\x00"


class SpanWriter:
    """Writes requests of one resource. Keys, and short texts that come again, are encoded once: most of a span is what
    the one before it said, too. Of neither is more kept than a bounded number."""

    __slots__ = ("_head", "_keys", "_known", "_scope")

    def __init__(self, resource: Mapping[str, str], scope: str, version: str) -> None:
        self._keys: dict[str, bytes] = {}
        self._known: dict[tuple[str, str], bytes] = {}
        attributes = b"".join(self._attribute(b"\x0a", name, value) for name, value in resource.items())
        self._head = _field(b"\x0a", attributes)
        self._scope = _field(b"\x0a", _field(b"\x0a", scope.encode()) + _field(b"\x12", version.encode()))

    def request(self, spans: Sequence[Span]) -> bytes:
        """The request that exports `spans`."""
        written = b"".join([_field(b"\x12", self._span(span)) for span in spans])
        return _field(b"\x0a", self._head + _field(b"\x12", self._scope + written))

    def _span(self, span: Span) -> bytes:
        context, parent, attribute = span.context, span.parent, self._attribute
        parts = [
            b"\x0a\x10" + context.trace_id.to_bytes(16, "big"),
            b"\x12\x08" + context.span_id.to_bytes(8, "big"),
            _field(b"\x2a", _text(span.name)),
            _KINDS[span.kind],
            b"\x39" + _FIXED64.pack(span.started),
            b"\x41" + _FIXED64.pack(max(span.started, span.ended)),
            _REMOTE if span.remote else _HERE,
        ]
        if context.state:
            parts.append(_field(b"\x1a", context.state.encode()))
        if parent is not None:
            parts.append(b"\x22\x08" + parent.span_id.to_bytes(8, "big"))
        for name, value in span.attributes.items():
            # Only texts: a number and a truth value that are equal are written differently.
            known = self._known.get((name, value)) if type(value) is str else None
            parts.append(self._learnt(name, value) if known is None else known)
        if span.error is not None:
            parts.append(attribute(b"\x4a", names.ERROR_TYPE, span.error))
        parts += [_field(b"\x5a", self._event(event)) for event in span.events]
        parts += [_field(b"\x6a", _link(link)) for link in span.links]
        parts.append(_WELL if span.error is None else _FAILED)
        return b"".join(parts)

    def _learnt(self, name: str, value: Value) -> bytes:
        """An attribute of a span, kept for the next where that may come again."""
        written = self._attribute(b"\x4a", name, value)
        if type(value) is str and len(value) <= _KNOWN_TEXT and name not in _NEVER_TWICE:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[name, value] = written
        return written

    def _event(self, event: SpanEvent) -> bytes:
        attributes = [self._attribute(b"\x1a", name, value) for name, value in event.attributes.items()]
        return b"\x09" + _FIXED64.pack(event.at) + _field(b"\x12", _text(event.name)) + b"".join(attributes)

    def _attribute(self, tag: bytes, name: str, value: Value) -> bytes:
        key = self._keys.get(name)
        if key is None:
            key = _field(b"\x0a", _text(name))
            if len(self._keys) < _MOST_KEYS:
                self._keys[name] = key
        return _field(tag, key + _field(b"\x12", _value(value)))


def _value(value: Value) -> bytes:
    if isinstance(value, str):
        return _field(b"\x0a", _text(value))
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        return b"\x18" + _varint(value & 0xFFFF_FFFF_FFFF_FFFF)
    if isinstance(value, float):
        return b"\x21" + _DOUBLE.pack(value)
    return _field(b"\x2a", b"".join(_field(b"\x0a", _value(each)) for each in value))


def _link(context: Context) -> bytes:
    ids = b"\x0a\x10" + context.trace_id.to_bytes(16, "big") + b"\x12\x08" + context.span_id.to_bytes(8, "big")
    return ids + _LINKED


def _field(tag: bytes, content: bytes) -> bytes:
    length = len(content)
    return tag + (_LENGTHS[length] if length < 128 else _varint(length)) + content


def _text(value: str) -> bytes:
    return value.encode("utf-8", "replace")


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
