"""W3C trace context: where a request stands in somebody's trace, read from headers and written into them. Pure.

What breaks the grammar is as if it had not been sent (Trace Context §3.2.2, §3.3.1): whoever sends it gets a new trace.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
BAGGAGE: Final = "baggage"
HEADERS: Final = (TRACEPARENT, TRACESTATE, BAGGAGE)
"""What goes from one to the next along a trace, as header fields and as entries of ``_meta``."""

_MOST_STATE: Final = 512
_MOST_MEMBERS: Final = 32
_PARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[\x21-\x7e]{0,64})?")
_MEMBER: Final = re.compile(
    r"[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)


class Context(NamedTuple):
    """One span of a trace. `state` is the ``tracestate`` that goes with it, empty for none."""

    trace_id: int
    span_id: int
    sampled: bool
    state: str = ""

    def fields(self) -> dict[str, str]:
        """The context as header fields, and as entries of ``_meta`` (SEP-414)."""
        written = {TRACEPARENT: f"00-{self.trace_id:032x}-{self.span_id:016x}-{'01' if self.sampled else '00'}"}
        if self.state:
            written[TRACESTATE] = self.state
        return written


def read(traceparent: object, tracestate: object = None) -> Context | None:
    """The context in the two values, whatever they are; None for what is none."""
    if type(traceparent) is not str:
        return None
    found = _PARENT.fullmatch(traceparent)
    if found is None or found[1] == "ff" or (found[1] == "00" and found[5] is not None):
        return None
    trace_id, span_id = int(found[2], 16), int(found[3], 16)
    if not trace_id or not span_id:
        return None
    return Context(trace_id, span_id, bool(int(found[4], 16) & 1), _state(tracestate))


def in_headers(headers: Mapping[str, Sequence[str]]) -> Context | None:
    """The context of an HTTP request; one that came twice is none."""
    parents = headers.get(TRACEPARENT, ())
    return read(parents[0], ",".join(headers.get(TRACESTATE, ()))) if len(parents) == 1 else None


def in_meta(meta: object) -> Context | None:
    """The context in the ``_meta`` of an MCP request."""
    return read(meta.get(TRACEPARENT), meta.get(TRACESTATE)) if isinstance(meta, dict) else None


def _state(value: object) -> str:
    """A ``tracestate`` that may go on; one that breaks the rules goes as a whole (§3.3.1.2)."""
    if type(value) is not str or not value or len(value) > _MOST_STATE:
        return ""
    members = [each.strip(" \t") for each in value.split(",")]
    members = [each for each in members if each]
    keys = {each.partition("=")[0] for each in members}
    if len(members) > _MOST_MEMBERS or len(keys) != len(members):
        return ""
    return ",".join(members) if all(_MEMBER.fullmatch(each) for each in members) else ""
