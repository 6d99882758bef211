"""A collector on a real socket that takes OTLP over HTTP, decodes it, and keeps what came."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PATIENCE = 30.0
STEP = 0.02


@dataclass(frozen=True, slots=True)
class Seen:
    """A span as it came over the wire, ids in hexadecimal."""

    name: str
    kind: int
    trace: str
    span: str
    parent: str
    started: int
    ended: int
    attributes: Mapping[str, Any]
    status: int
    events: tuple[tuple[str, Mapping[str, Any]], ...]
    links: tuple[str, ...]
    resource: Mapping[str, Any]


@dataclass
class Receiver:
    """`status` is answered to exports; while `hold` is not set, no answer is given."""

    url: str
    status: int = 200
    hold: threading.Event = field(default_factory=threading.Event)
    spans: list[Seen] = field(default_factory=list)
    metrics: list[Any] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hold.set()

    def until(self, count: int) -> list[Seen]:
        """The spans, once there are so many."""
        end = time.monotonic() + PATIENCE
        while len(self.spans) < count:
            assert time.monotonic() < end, [span.name for span in self.spans]
            time.sleep(STEP)
        return list(self.spans)


def _values(attributes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in attributes:
        kind = each.value.WhichOneof("value")
        value = getattr(each.value, kind)
        found[each.key] = [one.string_value for one in value.values] if kind == "array_value" else value
    return found


def seen(body: bytes) -> Iterator[Seen]:
    """The spans of one export."""
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Seen(
                    name=span.name,
                    kind=span.kind,
                    trace=span.trace_id.hex(),
                    span=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    started=span.start_time_unix_nano,
                    ended=span.end_time_unix_nano,
                    attributes=_values(span.attributes),
                    status=span.status.code,
                    events=tuple((event.name, _values(event.attributes)) for event in span.events),
                    links=tuple(link.span_id.hex() for link in span.links),
                    resource=_values(resource.resource.attributes),
                )


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A collector, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            receiver.hold.wait(PATIENCE)
            if receiver.status == 200:
                receiver.headers.append(dict(self.headers.items()))
                receiver.bodies.append(body)
                if self.path == "/v1/traces":
                    receiver.spans.extend(seen(body))
                else:
                    receiver.metrics.append(ExportMetricsServiceRequest.FromString(body))
            self.send_response(receiver.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": STEP}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()
