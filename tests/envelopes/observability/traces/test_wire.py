"""Spans on the wire: what OpenTelemetry's own encoder writes of the same spans."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from mcp_gateway.envelopes.observability.traces import span as ours
from mcp_gateway.envelopes.observability.traces.context import Context
from mcp_gateway.envelopes.observability.traces.wire import SpanWriter

RESOURCE = {"service.name": "mcp-gateway", "service.version": "1"}
SCOPE = InstrumentationScope("mcp_gateway", "1")

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
values = (
    words
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False)
    | st.lists(words, max_size=3).map(tuple)
)
attributes = st.dictionaries(words.filter(lambda word: word != "error.type"), values, max_size=5)
contexts = st.builds(
    Context, st.integers(1, (1 << 128) - 1), st.integers(1, (1 << 64) - 1), st.just(True), st.sampled_from(["", "a=b"])
)
times = st.integers(1, (1 << 63) - 1)
events = st.lists(st.builds(ours.SpanEvent, words, times, attributes), max_size=2)
spans = st.builds(
    ours.Span,
    words,
    st.sampled_from(ours.SpanKind),
    contexts,
    st.none() | contexts,
    st.just(False),
    times,
    times,
    attributes,
    st.none() | st.just("tool_error"),
    events,
    st.lists(contexts, max_size=2),
)


def context(given: Context, *, remote: bool = False) -> SpanContext:
    state = TraceState.from_header([given.state]) if given.state else None
    return SpanContext(given.trace_id, given.span_id, remote, TraceFlags(1), state)


def theirs(span: ours.Span) -> ReadableSpan:
    failed = {} if span.error is None else {"error.type": span.error}
    return ReadableSpan(
        span.name,
        context(span.context),
        None if span.parent is None else context(span.parent, remote=span.remote),
        Resource(RESOURCE),
        {**span.attributes, **failed},
        [Event(event.name, event.attributes, event.at) for event in span.events],
        [Link(context(link, remote=True)) for link in span.links],
        SpanKind[span.kind.name],
        status=Status(StatusCode.UNSET if span.error is None else StatusCode.ERROR),
        start_time=span.started,
        end_time=max(span.started, span.ended),
        instrumentation_scope=SCOPE,
    )


def written(writer: SpanWriter, *made: ours.Span) -> bytes:
    return writer.request([writer.span(each) for each in made])


@given(st.lists(spans, min_size=1, max_size=3), st.booleans())
def test_the_bytes_say_what_the_other_encoder_says(made: list[ours.Span], remote: bool) -> None:
    given = [
        ours.Span(
            each.name,
            each.kind,
            each.context,
            each.parent,
            remote and each.parent is not None,
            each.started,
            each.ended,
            each.attributes,
            each.error,
            each.events,
            each.links,
        )
        for each in made
    ]
    writer = SpanWriter(RESOURCE, "mcp_gateway", "1")
    expected = encode_spans([theirs(each) for each in given])
    for _ in range(2):  # the second time with keys that are known
        assert ExportTraceServiceRequest.FromString(written(writer, *given)) == expected


def test_what_no_encoding_can_write_is_replaced() -> None:
    span = ours.Span("a\ud800", ours.SpanKind.SERVER, Context(1, 2, True), None, False, 1, 2, {"k": "\ud800"})
    request = ExportTraceServiceRequest.FromString(written(SpanWriter({}, "s", "1"), span))
    assert request.resource_spans[0].scope_spans[0].spans[0].name == "a?"


def test_more_texts_than_are_kept_are_written_as_well_as_the_first() -> None:
    def span(number: int) -> ours.Span:
        told: dict[str, ours.Value] = {"kind": "same", "name": f"n{number % 5000}", "yes": True, "one": 1}
        told["mcp_gateway.request.id"] = f"r{number}"
        return ours.Span("s", ours.SpanKind.SERVER, Context(1, 2, True), None, False, 1, 2, told)

    writer = SpanWriter({}, "s", "1")
    for number in (*range(6000), 0, 1):
        assert written(writer, span(number)) == written(SpanWriter({}, "s", "1"), span(number))


def test_events_that_say_the_same_and_lists_are_written_as_ever() -> None:
    def span(at: int, told: dict[str, ours.Value]) -> ours.Span:
        event = ours.SpanEvent("decided", at, told)
        return ours.Span("s", ours.SpanKind.SERVER, Context(1, 2, True), None, False, 1, 2, told, events=(event,))

    writer = SpanWriter({}, "s", "1")
    said: list[dict[str, ours.Value]] = [{"k": ["a", "b"]}, {"k": ("a", "b")}, {"k": 1}, {"k": True}, {"k": "1"}]
    for at, told in enumerate([*said, *said]):
        assert written(writer, span(at, told)) == written(SpanWriter({}, "s", "1"), span(at, told))
