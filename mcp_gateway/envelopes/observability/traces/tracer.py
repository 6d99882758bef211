"""Which requests are traced, and the spans of one that is.

Where nobody listens there is no `Tracer`, and nothing here runs. A request of a trace that is not sampled gets its
context and no span.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from mcp_gateway.core.call import Trail
from mcp_gateway.envelopes.observability.traces.context import Context
from mcp_gateway.envelopes.observability.traces.span import Span, SpanEvent, SpanKind, Told, Value

TRAIL: Final = "tracing"
"""Where the traced request stands on its trail, for those further in."""

_TRACE_BITS: Final = 128
_SPAN_BITS: Final = 64
_SAMPLED_BY: Final = (1 << 64) - 1
"""Samplers of OpenTelemetry go by these bits of a trace's id: all who use one ratio choose the same traces."""


class Traced:
    """One request on its way, and the span that it is for those who called.

    `pending` are the contexts that went out with its attempts, by their numbers: their spans are recorded at its end.
    """

    __slots__ = ("_began", "context", "links", "parent", "pending", "started", "tell")

    def __init__(
        self, context: Context, parent: Context | None, links: Sequence[Context], put: Callable[[Told], None]
    ) -> None:
        self.context = context
        self.parent = parent
        self.links = links
        self.started = time.time_ns()
        self.pending: dict[int, Context] = {}
        self._began = time.perf_counter_ns()
        self.tell = put
        """Records a span, or what makes one: made in the thread that writes spans, by the thousand, it costs less."""

    def child(self) -> Context:
        """The context of something that this request leads to."""
        context = self.context
        return Context(context.trace_id, _some(_SPAN_BITS), context.sampled, context.state)

    def now(self) -> int:
        """Nanoseconds since 1970, on a clock that nobody sets while the request is under way."""
        return self.started + time.perf_counter_ns() - self._began

    def span(
        self,
        name: str,
        attributes: Mapping[str, Value],
        *,
        error: str | None,
        events: Sequence[SpanEvent] = (),
        at: int | None = None,
    ) -> Span:
        """The request's own span, which ended `at`, in nanoseconds since 1970, or ends now."""
        parent, ended = self.parent, self.now() if at is None else at
        remote, links = parent is not None, self.links
        return Span(
            name, SpanKind.SERVER, self.context, parent, remote, self.started, ended, attributes, error, events, links
        )

    def finish(
        self,
        name: str,
        attributes: Mapping[str, Value],
        *,
        error: str | None,
        events: Sequence[SpanEvent] = (),
        at: int | None = None,
    ) -> None:
        """Record the request's own `span`."""
        if self.context.sampled:
            self.tell(self.span(name, attributes, error=error, events=events, at=at))

    def put(
        self,
        name: str,
        kind: SpanKind,
        context: Context,
        times: tuple[int, int],
        attributes: Mapping[str, Value],
        error: str | None = None,
    ) -> None:
        """Record a span below the request's own. `times` are its start and its end."""
        if self.context.sampled:
            self.tell(Span(name, kind, context, self.context, False, *times, attributes, error))


class Tracer:
    """Begins traces. `ratio` of those that begin here are sampled; those that come from outside say it themselves."""

    __slots__ = ("_bound", "_put")

    def __init__(self, put: Callable[[Told], None], ratio: float) -> None:
        self._put = put
        self.sample(ratio)

    def sample(self, ratio: float) -> None:
        """From now on `ratio` of the traces that begin here are sampled."""
        self._bound = round(ratio * (_SAMPLED_BY + 1))

    def begin(self, trail: Trail, parent: Context | None, ambient: Context | None = None) -> Traced:
        """A request that arrived. `ambient` is another context that it came in, which its span links."""
        if parent is None:
            parent, ambient = ambient, None
        links = (ambient,) if ambient is not None and ambient != parent else ()
        if parent is None:
            trace_id = _some(_TRACE_BITS)
            context = Context(trace_id, _some(_SPAN_BITS), (trace_id & _SAMPLED_BY) < self._bound)
        else:
            context = Context(parent.trace_id, _some(_SPAN_BITS), parent.sampled, parent.state)
        traced = Traced(context, parent, links, self._put)
        trail.notes[TRAIL] = traced
        return traced


def traced_in(trail: Trail) -> Traced | None:
    """The traced request that `trail` belongs to, None where it is not traced."""
    found = trail.notes.get(TRAIL)
    return found if isinstance(found, Traced) else None


def _some(bits: int) -> int:
    """A random id, which must not be zero."""
    return random.getrandbits(bits) or 1
