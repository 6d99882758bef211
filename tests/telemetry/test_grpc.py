"""The same over gRPC, to a real server of the collector's services."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.real.recording import Recording, static_upstream
from tests.telemetry.receiver import Receiver, seen
from tests.telemetry.site import site, spans

grpc: Any = pytest.importorskip("grpc")

_PACKAGE = "opentelemetry.proto.collector"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Recording]:
    with static_upstream() as running:
        yield running


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A collector that speaks gRPC."""

    def traces(request: Any, context: Any) -> Any:
        receiver.headers.append(dict(context.invocation_metadata()))
        receiver.spans.extend(seen(request.SerializeToString()))
        return ExportTraceServiceResponse()

    def metrics(request: Any, context: Any) -> Any:
        receiver.metrics.append(request)
        return ExportMetricsServiceResponse()

    server = grpc.server(ThreadPoolExecutor(2))
    for name, serve, asked, answer in (
        ("trace.v1.TraceService", traces, ExportTraceServiceRequest, ExportTraceServiceResponse),
        ("metrics.v1.MetricsService", metrics, ExportMetricsServiceRequest, ExportMetricsServiceResponse),
    ):
        handler = grpc.unary_unary_rpc_method_handler(serve, asked.FromString, answer.SerializeToString)
        services = grpc.method_handlers_generic_handler(f"{_PACKAGE}.{name}", {"Export": handler})
        server.add_generic_rpc_handlers((services,))
    receiver = Receiver(f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
    server.start()
    try:
        yield receiver
    finally:
        server.stop(None).wait()


async def test_spans_and_metrics_go_over_grpc(tmp_path: Path, upstream: Recording) -> None:
    (tmp_path / "token").write_text("opaque")
    headers = {"X-Token": f"file:{tmp_path / 'token'}"}
    began = time.time_ns()
    with receiving() as collector:
        contract: dict[str, Any] = {"metadata": {"keys": {"cost-center": {}}}}
        more: dict[str, Any] = {"otlp_protocol": "grpc", "otlp_headers": headers, "metric_labels": ["cost-center"]}
        async with site(tmp_path, upstream, collector, gateway=contract, **more) as here:
            await here.complete(headers={"x-gateway-metadata": '{"cost-center": "blue"}'})
            await here.call(name="a_look_up", arguments={"word": "x"})
            found = await spans(collector, 4)
    assert {span.name for span in found} == {
        "chat openai/m",
        "chat m",
        "tools/call a_look_up",
        "tools/call look_up",
    }
    assert {each["x-token"] for each in collector.headers} == {"opaque"}
    # Leaving sends the metrics as they are then.
    (resource,) = collector.metrics[-1].resource_metrics
    (scope,) = resource.scope_metrics
    sent = {metric.name: metric for metric in scope.metrics}
    duration = sent["mcp.server.operation.duration"]
    (point,) = duration.histogram.data_points
    assert duration.unit == "s" and point.count == sum(point.bucket_counts) == 1
    assert list(point.explicit_bounds)[-1] == 300 and len(point.bucket_counts) == len(point.explicit_bounds) + 1
    assert began - 60 * 10**9 < point.start_time_unix_nano < point.time_unix_nano
    assert not point.HasField("min"), "nobody kept the least"
    assert sent["mcp_gateway_requests_in_flight"].gauge.data_points[0].as_double == 0
    tokens = sent["gen_ai.client.token.usage"]
    assert tokens.unit == "{token}"
    told = {each.key: each.value.string_value for each in tokens.histogram.data_points[0].attributes}
    assert told["gen_ai.provider.name"] == "openai" and told["mcp_gateway.metadata.cost-center"] == "blue"
