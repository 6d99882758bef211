"""Spans as the bytes of an ``ExportTraceServiceRequest`` (opentelemetry-proto 1.x), written at once.

Objects for every attribute would take as long as a call does, on the core that serves calls. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from mcp_gateway.envelopes.observability import names
from mcp_gateway.envelopes.observability.traces.context import Context
from mcp_gateway.envelopes.observability.traces.span import Span, SpanEvent, SpanKind, Value

_KINDS: Final = MappingProxyType(
    {SpanKind.INTERNAL: b"\x30\x01", SpanKind.SERVER: b"\x30\x02", SpanKind.CLIENT: b"\x30\x03"}
)
_LENGTHS: Final = tuple(bytes((number,)) for number in range(128))
_FIXED64: Final = struct.Struct("<Q")
_TIMES: Final = struct.Struct("<cQcQ")
_DOUBLE: Final = struct.Struct("<d")
_MOST_KEYS: Final = 1024
_MOST_KNOWN: Final = 4096
_KNOWN_TEXT: Final = 64
_KNOWN_NAME: Final = 128
_KNOWN_EVENT: Final = 1024
_NEVER_TWICE: Final = frozenset({names.REQUEST_ID, names.JSONRPC_ID})
"""Attributes whose values are not worth keeping: no two spans of different requests share them."""

_WELL: Final = b"\x7a\x00"
_FAILED: Final = b"\x7a\x02\x18\x02"
_HERE: Final = b"\x85\x01\x00\x01\x00\x00"
_REMOTE: Final = b"\x85\x01\x00\x03\x00\x00"
"""The flags of a span: whether its parent is another process's."""

_LINKED: Final = b"\x35\x00\x03\x00\x00"


class SpanWriter:
    """Writes spans, and requests of one resource that export them. Keys, and short texts that come again, are encoded
    once, and so are names and events: most of a span is what the one before it said, too. Of none is more kept than a
    bounded number."""

    __slots__ = ("_events", "_head", "_keys", "_known", "_named", "_scope")

    def __init__(self, resource: Mapping[str, str], scope: str, version: str) -> None:
        self._keys: dict[str, bytes] = {}
        self._known: dict[tuple[str, Value], bytes] = {}
        self._named: dict[tuple[str, SpanKind], bytes] = {}
        self._events: dict[tuple[object, ...], tuple[bytes, bytes]] = {}
        attributes = b"".join(self._attribute(b"\x0a", name, value) for name, value in resource.items())
        self._head = _field(b"\x0a", attributes)
        self._scope = _field(b"\x0a", _field(b"\x0a", scope.encode()) + _field(b"\x12", version.encode()))

    def request(self, written: Iterable[bytes]) -> bytes:
        """The request that exports what `span` wrote."""
        return _field(b"\x0a", self._head + _field(b"\x12", self._scope + b"".join(written)))

    def span(self, span: Span) -> bytes:
        """A span as a part of a request."""
        name, kind, context, parent, remote, started, ended, attributes, error, events, links = span
        known, learnt = self._known.get, self._learnt
        parts = [
            self._named.get((name, kind)) or self._name(name, kind),
            b"\x0a\x10",
            context.trace_id.to_bytes(16, "big"),
            b"\x12\x08",
            context.span_id.to_bytes(8, "big"),
            _TIMES.pack(b"\x39", started, b"\x41", max(started, ended)),
            _REMOTE if remote else _HERE,
        ]
        if context.state:
            parts.append(_field(b"\x1a", context.state.encode()))
        if parent is not None:
            parts += (b"\x22\x08", parent.span_id.to_bytes(8, "big"))
        try:
            # What is known are texts: a number, or a truth value, equals none of them.
            parts += [known(each) or learnt(each) for each in attributes.items()]
        except TypeError:  # a list has no hash
            parts += [self._attribute(b"\x4a", name, value) for name, value in attributes.items()]
        if error is None:
            parts.append(_WELL)
        else:
            failed = (names.ERROR_TYPE, error)
            parts += (known(failed) or learnt(failed), _FAILED)
        if events:
            self._add_events(parts, events)
        if links:
            parts += [_field(b"\x6a", _link(link)) for link in links]
        return _field(b"\x12", b"".join(parts))

    def _name(self, name: str, kind: SpanKind) -> bytes:
        written = _field(b"\x2a", _text(name)) + _KINDS[kind]
        if len(name) <= _KNOWN_NAME:
            _make_room(self._named)
            self._named[name, kind] = written
        return written

    def _learnt(self, told: tuple[str, Value]) -> bytes:
        """An attribute of a span, kept for the next where that may come again."""
        name, value = told
        written = self._attribute(b"\x4a", name, value)
        if type(value) is str and len(value) <= _KNOWN_TEXT and name not in _NEVER_TWICE:
            _make_room(self._known)
            self._known[told] = written
        return written

    def _add_events(self, parts: list[bytes], events: Sequence[SpanEvent]) -> None:
        for name, at, attributes in events:
            told = (name, *attributes.items())
            try:
                before, after = self._events.get(told) or self._event(told, name, attributes)
            except TypeError:  # a list has no hash
                before, after = self._event(None, name, attributes)
            parts += (before, _FIXED64.pack(at), after)

    def _event(
        self, told: tuple[object, ...] | None, name: str, attributes: Mapping[str, Value]
    ) -> tuple[bytes, bytes]:
        """What stands before an event's time and what behind it, kept for the next where that is made of texts."""
        said = [self._attribute(b"\x1a", key, value) for key, value in attributes.items()]
        after = _field(b"\x12", _text(name)) + b"".join(said)
        before = b"\x5a" + _length(1 + _FIXED64.size + len(after)) + b"\x09"
        if told is not None and len(after) <= _KNOWN_EVENT and all(map(_is_text, attributes.values())):
            _make_room(self._events)
            self._events[told] = before, after
        return before, after

    def _attribute(self, tag: bytes, name: str, value: Value) -> bytes:
        key = self._keys.get(name)
        if key is None:
            key = _field(b"\x0a", _text(name))
            if len(self._keys) < _MOST_KEYS:
                self._keys[name] = key
        if type(value) is str:
            text = _text(value)
            size, whole = len(text), len(key) + len(text) + 4
            if whole < 0x80:
                return b"".join((tag, _LENGTHS[whole], key, b"\x12", _LENGTHS[size + 2], b"\x0a", _LENGTHS[size], text))
        return _field(tag, key + _field(b"\x12", _value(value)))


def _make_room(kept: dict[Any, Any]) -> None:
    if len(kept) >= _MOST_KNOWN:
        kept.clear()


def _is_text(value: Value) -> bool:
    return type(value) is str or (type(value) is tuple and all(type(each) is str for each in value))


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
    return tag + _length(len(content)) + content


def _length(length: int) -> bytes:
    if length < 0x80:
        return _LENGTHS[length]
    if length < 0x4000:
        return bytes((length & 0x7F | 0x80, length >> 7))
    return _varint(length)


def _text(value: str) -> bytes:
    return value.encode("utf-8", "replace")


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
