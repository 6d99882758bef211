"""What of requests is told besides the facts: how many of them, which of their baggage, and of their content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from mcp_gateway.envelopes.observability import names
from mcp_gateway.envelopes.observability.audit.bodies import text_of
from mcp_gateway.envelopes.observability.traces.baggage import Wanted
from mcp_gateway.envelopes.observability.traces.span import Value

MOST_CONTENT: Final = 8 * 1024
"""Most bytes of one content as JSON. Looking it through is done while the call waits."""

Show = Callable[[object], str | None]
"""A JSON value as JSON text without what is sensitive; None where there is more of it than a span has room for."""


@dataclass(frozen=True, slots=True)
class Detail:
    """`ratio` of the traces that begin here are sampled. Without `baggage` none is read, without `show` no content."""

    ratio: float = 1.0
    baggage: Wanted | None = None
    show: Show | None = None


def put(attributes: dict[str, Value], show: Show, contents: Mapping[str, object]) -> None:
    """Add `contents`, without those that are None, under their names; and the names of those that do not fit."""
    left_out: list[str] = []
    for name, content in contents.items():
        if content is None:
            continue
        shown = show(content)
        if shown is None:
            left_out.append(name)
        else:
            attributes[name] = shown
    if left_out:
        attributes[names.CONTENT_LEFT_OUT] = left_out


def put_newest(attributes: dict[str, Value], show: Show, name: str, messages: list[object]) -> None:
    """Add `messages` as far as they fit, the newest of them, and say if there were more."""
    left = MOST_CONTENT - 1
    start = len(messages)
    # A list takes a byte for each member besides itself, and one more.
    while start and (left := left - len(text_of(messages[start - 1])) - 1) >= 0:
        start -= 1
    shown = show(messages[start:]) if start < len(messages) else None
    if shown is not None:
        attributes[name] = shown
    if start or (messages and shown is None):
        given = attributes.get(names.CONTENT_LEFT_OUT, ())
        attributes[names.CONTENT_LEFT_OUT] = [*given, name] if isinstance(given, list | tuple) else [name]
