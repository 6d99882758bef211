"""Exports over OTLP with OpenTelemetry's own exporters. Only loaded where a collector is configured."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics.export import MetricExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from mcp_gateway.envelopes.observability import names
from mcp_gateway.envelopes.observability.metrics.exposition import Original, read
from mcp_gateway.envelopes.observability.metrics.otlp import metrics_data
from mcp_gateway.envelopes.observability.traces.span import Span, Told
from mcp_gateway.envelopes.observability.traces.wire import SpanWriter

Protocol = Literal["http", "grpc"]

TIMEOUT_SECONDS: Final = 10.0
"""How long one export may take, the exporters' own retries included."""

_ENOUGH_BYTES: Final = 1 << 20
"""Of spans in one request, which collectors take 4 MiB of unless they are told otherwise."""

_PACKAGE: Final = "opentelemetry.exporter.otlp.proto."


class Otlp:
    """The two exporters of one collector. Everything here blocks: call it in a thread."""

    __slots__ = ("_metrics", "_originals", "_resource", "_scope", "_send", "_spans", "_writer")

    def __init__(
        self,
        endpoint: str,
        protocol: Protocol,
        headers: Mapping[str, str],
        *,
        version: str,
        instance: str,
        originals: Mapping[str, Original],
    ) -> None:
        """`endpoint` is the collector's base URL, `headers` go with every export; `originals` are the conventions'
        names of metrics."""
        self._originals = originals
        # Exporters say with every failure what the collector wrote; here failures are counted, and told once.
        silent = logging.getLogger("opentelemetry")
        silent.addHandler(logging.NullHandler())
        silent.propagate = False
        self._spans = _exporter(protocol, "trace", "OTLPSpanExporter", endpoint, headers)
        self._metrics = _exporter(protocol, "metric", "OTLPMetricExporter", endpoint, headers)
        self._scope = InstrumentationScope(names.SCOPE, version)
        who = {names.SERVICE_NAME: names.SERVICE, names.SERVICE_VERSION: version, names.SERVICE_INSTANCE: instance}
        self._resource = Resource(dict(who))
        self._writer = SpanWriter(who, names.SCOPE, version)
        self._send = self._over_grpc if protocol == "grpc" else self._over_http

    def spans(self, batch: Sequence[Told]) -> int:
        """Export spans, in as many requests as it takes to send none that is too large; how many arrived."""
        taken, size, part = 0, 0, list[bytes]()
        for told in batch:
            written = self._writer.span(told if isinstance(told, Span) else told())
            part.append(written)
            size += len(written)
            if size >= _ENOUGH_BYTES:
                taken += self._part(part)
                size, part = 0, []
        return taken + self._part(part) if part else taken

    def _part(self, written: Sequence[bytes]) -> int:
        return len(written) if self._send(self._writer.request(written)) else 0

    def _over_http(self, request: bytes) -> bool:
        # What the exporter itself does with a request once it has made one of its own spans.
        return bool(self._spans._client.export(request).success)

    def _over_grpc(self, request: bytes) -> bool:
        return self._spans.export(ExportTraceServiceRequest.FromString(request)) is SpanExportResult.SUCCESS

    def metrics(self, shown: str, since: int, at: int) -> bool:
        """Export what a text in the Prometheus format says; `since` and `at` are in nanoseconds since 1970."""
        data = metrics_data(read(shown), self._originals, self._resource, self._scope, since, at)
        return self._metrics.export(data) is MetricExportResult.SUCCESS

    def close_spans(self) -> None:
        """End an export of spans that is waiting; there are no more."""
        self._spans.shutdown()

    def close_metrics(self) -> None:
        """End an export of metrics that is waiting; there are no more."""
        self._metrics.shutdown()


def _exporter(protocol: Protocol, kind: str, name: str, endpoint: str, headers: Mapping[str, str]) -> Any:
    """An exporter of the package for `protocol`, which need not be there for the other."""
    make = getattr(importlib.import_module(f"{_PACKAGE}{protocol}.{kind}_exporter"), name)
    given = {name.lower(): value for name, value in headers.items()}
    if protocol == "grpc":
        if kind == "trace":
            make = type(name, (make,), {"_translate_data": _as_it_is, "_count_data": _as_one})
        insecure = endpoint.startswith("http:")
        return make(endpoint=endpoint, insecure=insecure, headers=given, timeout=TIMEOUT_SECONDS)
    path = "v1/traces" if kind == "trace" else "v1/metrics"
    return make(endpoint=f"{endpoint.rstrip('/')}/{path}", headers=given, timeout=TIMEOUT_SECONDS)


def _as_it_is(exporter: object, request: Any) -> Any:
    """What the exporter of spans over gRPC is given is a request already."""
    return request


def _as_one(exporter: object, request: Any) -> int:
    return 1
