"""Spans as they are recorded: plain values, cheap to make. What exporters want is made of them elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Final, NamedTuple

from mcp_gateway.envelopes.observability.identities import printable
from mcp_gateway.envelopes.observability.traces.context import Context

Value = str | bool | int | float | Sequence[str]

MAX_TEXT: Final = 256
"""Most characters of a text from outside in a name or an attribute: bounds the memory of a span."""

MAX_LIST: Final = 64


class SpanKind(Enum):
    """What a span is to those on either side of it."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"


class SpanEvent(NamedTuple):
    """Something that happened at one moment. `at` is in nanoseconds since 1970."""

    name: str
    at: int
    attributes: Mapping[str, Value]


class Span(NamedTuple):
    """One finished span. Times are in nanoseconds since 1970. `error` is its `error.type`, None where it went well.

    `remote` says that `parent` came from outside.
    """

    name: str
    kind: SpanKind
    context: Context
    parent: Context | None
    remote: bool
    started: int
    ended: int
    attributes: Mapping[str, Value]
    error: str | None = None
    events: Sequence[SpanEvent] = ()
    links: Sequence[Context] = ()


Told = Span | Callable[[], Span]
"""A span, or what makes it once it is written. What that holds is bounded as a span is."""


def text(value: str, most: int = MAX_TEXT) -> str:
    """Words from outside as an attribute: one line, cut short, what is not printable escaped."""
    if len(value) > most:
        value = value[:most]
    return value if value.isprintable() else printable(value)


def texts(values: object) -> tuple[str, ...]:
    """The same of a list, and nothing for what is none."""
    given = values[:MAX_LIST] if isinstance(values, tuple | list) else ()
    try:
        whole = "".join(given)
    except TypeError:
        whole = None
    if whole is not None and len(whole) <= MAX_TEXT and whole.isprintable():
        return tuple(given)
    return tuple([text(each) for each in given if isinstance(each, str)])
