"""Collectors of log records on real sockets, over HTTP and over gRPC."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from mcp_gateway.envelopes.observability.audit.shipping.otlp import METHOD


@dataclass
class Collector:
    """What came to it. While `failing`, it takes nothing; of each batch it refuses `rejects`."""

    url: str = ""
    failing: bool = False
    rejects: int = 0
    records: list[LogRecord] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    resources: list[Mapping[str, str]] = field(default_factory=list)

    def take(self, request: ExportLogsServiceRequest) -> ExportLogsServiceResponse:
        for resource in request.resource_logs:
            self.resources.append({each.key: each.value.string_value for each in resource.resource.attributes})
            self.records.extend(record for scope in resource.scope_logs for record in scope.log_records)
        return ExportLogsServiceResponse(partial_success=ExportLogsPartialSuccess(rejected_log_records=self.rejects))

    def bodies(self) -> list[str]:
        return [record.body.string_value for record in self.records]


@contextmanager
def over_http() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            answer = b""
            if not collector.failing:
                assert self.path == "/v1/logs"
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                answer = collector.take(ExportLogsServiceRequest.FromString(body)).SerializeToString()
            self.send_response(503 if collector.failing else 200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def over_grpc() -> Iterator[Collector]:
    grpc: Any = pytest.importorskip("grpc")
    collector = Collector()

    def export(request: Any, context: Any) -> Any:
        if collector.failing:
            context.abort(grpc.StatusCode.UNAVAILABLE, "a secret place")
        collector.headers.append(dict(context.invocation_metadata()))
        return collector.take(request)

    server = grpc.server(ThreadPoolExecutor(2))
    handler = grpc.unary_unary_rpc_method_handler(
        export, ExportLogsServiceRequest.FromString, ExportLogsServiceResponse.SerializeToString
    )
    service, _, method = METHOD.removeprefix("/").rpartition("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    collector.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()
