"""How spans are parted into requests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mcp_gateway.envelopes.observability.traces.context import Context
from mcp_gateway.envelopes.observability.traces.otlp import Otlp
from mcp_gateway.envelopes.observability.traces.span import Span, SpanKind, Told, Value

COLLECTOR_TAKES = 4 << 20


def span(number: int, size: int) -> Span:
    told: dict[str, Value] = {"content": "x" * size, "number": number}
    return Span("s", SpanKind.SERVER, Context(1, number + 1, True), None, False, 1, 2, told)


def sent(batch: Sequence[Told], refused: frozenset[int] = frozenset()) -> tuple[int, list[list[int]]]:
    """How many arrived, and the spans of each request by number; those whose place is in `refused` do not arrive."""
    otlp = Otlp("http://127.0.0.1:1", "http", {}, version="1", instance="i", originals={})
    requests: list[list[int]] = []

    def send(request: bytes) -> bool:
        assert len(request) < COLLECTOR_TAKES
        (resource,) = ExportTraceServiceRequest.FromString(request).resource_spans
        spans = resource.scope_spans[0].spans
        requests.append([each.attributes[1].value.int_value for each in spans])
        return len(requests) - 1 not in refused

    otlp._send = send
    return otlp.spans(batch), requests


def test_small_ones_go_in_one_request_those_too_that_are_made_when_they_are_written() -> None:
    assert sent([span(0, 10), partial(span, 1, 10)]) == (2, [[0, 1]])


@pytest.mark.parametrize(
    ("refused", "arrived"), [(frozenset(), 5), (frozenset({0}), 3), (frozenset({2}), 4), (frozenset({0, 1, 2}), 0)]
)
def test_no_request_is_larger_than_a_collector_takes(refused: frozenset[int], arrived: int) -> None:
    batch = [span(number, 700_000) for number in range(5)]
    assert sent(batch, refused) == (arrived, [[0, 1], [2, 3], [4]])
