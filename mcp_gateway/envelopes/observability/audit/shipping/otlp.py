"""Records as log records of OpenTelemetry, to a collector over HTTP or gRPC. Only loaded where one is configured.

The body is the line of the chain, so that what a back-end keeps can be verified; attributes are for looking things up.
`log.record.uid` is the record's hash: what arrives again is told by it.
"""

from __future__ import annotations

import importlib
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal

import httpx
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from mcp_gateway.envelopes.observability import names
from mcp_gateway.envelopes.observability.audit.shipping.target import Item, NotTaken

Protocol = Literal["http", "grpc"]

TIMEOUT_SECONDS: Final = 10.0
PATH: Final = "v1/logs"
METHOD: Final = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"

_OK: Final = 200
_SEVERITIES: Final = MappingProxyType(
    {
        "refused": (SeverityNumber.SEVERITY_NUMBER_WARN, "WARN"),
        "tool_error": (SeverityNumber.SEVERITY_NUMBER_WARN, "WARN"),
        "cancelled": (SeverityNumber.SEVERITY_NUMBER_WARN, "WARN"),
        "failed": (SeverityNumber.SEVERITY_NUMBER_ERROR, "ERROR"),
    }
)
_INFO: Final = (SeverityNumber.SEVERITY_NUMBER_INFO, "INFO")
_ATTRIBUTES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "request_id": names.REQUEST_ID,
        "principal": names.PRINCIPAL,
        "server": names.SERVER,
        "upstream": names.UPSTREAM,
        "method": names.MCP_METHOD,
        "model": names.REQUEST_MODEL,
        "decision": names.DECISION,
        "outcome": names.OUTCOME,
        "reason": names.ERROR_TYPE,
        "snapshot": names.SNAPSHOT,
    }
)
_TRACE: Final = 16
_SPAN: Final = 8


class HttpTarget:
    """A `Target`: OTLP over HTTP with binary protobuf."""

    __slots__ = ("_client", "_requests", "_url")

    def __init__(self, endpoint: str, headers: Mapping[str, str], resource: Mapping[str, str]) -> None:
        """`endpoint` is the collector's base URL, `headers` go with every request, `resource` says who sends."""
        self._requests = Requests(resource)
        self._url = f"{endpoint.rstrip('/')}/{PATH}"
        self._client = httpx.Client(
            headers={**headers, "content-type": "application/x-protobuf"},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
            verify=ssl.create_default_context(),
        )

    def send(self, items: Sequence[Item]) -> int:
        """Export the records; how many the collector refused."""
        try:
            answer = self._client.post(self._url, content=self._requests.of(items).SerializeToString())
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            kind = type(error).__name__
        else:
            if answer.status_code == _OK:
                return _rejected(answer.content)
            kind = f"HTTP {answer.status_code}"
        raise NotTaken(kind)

    def close(self) -> None:
        self._client.close()


class GrpcTarget:
    """A `Target`: OTLP over gRPC."""

    __slots__ = ("_channel", "_export", "_failure", "_headers", "_requests")

    def __init__(self, endpoint: str, headers: Mapping[str, str], resource: Mapping[str, str]) -> None:
        """As for HTTP. TLS where `endpoint` is an https URL. Raises `ImportError` where gRPC is not installed."""
        grpc: Any = importlib.import_module("grpc")
        self._failure: type[Exception] = grpc.RpcError
        self._requests = Requests(resource)
        self._headers = [(name.lower(), value) for name, value in headers.items()]
        url = httpx.URL(endpoint)
        secure = url.scheme == "https"
        place = f"{url.netloc.decode()}" if url.port else f"{url.netloc.decode()}:{443 if secure else 80}"
        credentials = grpc.ssl_channel_credentials() if secure else None
        self._channel = grpc.secure_channel(place, credentials) if secure else grpc.insecure_channel(place)
        self._export = self._channel.unary_unary(
            METHOD,
            request_serializer=ExportLogsServiceRequest.SerializeToString,
            response_deserializer=ExportLogsServiceResponse.FromString,
        )

    def send(self, items: Sequence[Item]) -> int:
        """Export the records; how many the collector refused."""
        try:
            answer = self._export(self._requests.of(items), metadata=self._headers, timeout=TIMEOUT_SECONDS)
        except self._failure as error:
            kind = f"gRPC {getattr(error, 'code', lambda: None)()}".replace("StatusCode.", "")
        else:
            return int(answer.partial_success.rejected_log_records)
        raise NotTaken(kind)

    def close(self) -> None:
        self._channel.close()


class Requests:
    """Makes the requests of one resource."""

    __slots__ = ("_resource", "_scope")

    def __init__(self, resource: Mapping[str, str]) -> None:
        self._resource = Resource(attributes=[_text(name, value) for name, value in resource.items()])
        self._scope = InstrumentationScope(name=names.SCOPE, version=resource.get(names.SERVICE_VERSION, ""))

    def of(self, items: Sequence[Item]) -> ExportLogsServiceRequest:
        """The request that exports `items`."""
        records = ScopeLogs(scope=self._scope, log_records=[log_record(item) for item in items])
        return ExportLogsServiceRequest(resource_logs=[ResourceLogs(resource=self._resource, scope_logs=[records])])


def log_record(item: Item) -> LogRecord:
    """A record of a chain as OpenTelemetry has it."""
    number, text = _SEVERITIES.get(item.text("outcome") or "", _INFO)
    moment = item.time
    return LogRecord(
        time_unix_nano=0 if moment is None else int(moment.timestamp() * 1000) * 1_000_000,
        observed_time_unix_nano=time.time_ns(),
        severity_number=number,
        severity_text=text,
        event_name=f"{names.AUDIT_EVENT}{item.text('event') or ''}",
        body=AnyValue(string_value=item.line),
        attributes=list(_attributes(item)),
        trace_id=_id(item, "trace_id", _TRACE),
        span_id=_id(item, "span_id", _SPAN),
    )


def _attributes(item: Item) -> Iterator[KeyValue]:
    yield _text(names.LOG_UID, item.hash)
    yield _text(names.AUDIT_CHAIN, item.chain)
    yield KeyValue(key=names.AUDIT_SEQ, value=AnyValue(int_value=item.seq))
    for field, name in _ATTRIBUTES.items():
        value = item.text(field)
        if value is not None:
            yield _text(name, value)


def _text(name: str, value: str) -> KeyValue:
    return KeyValue(key=name, value=AnyValue(string_value=value.encode("utf-8", "replace").decode()))


def _id(item: Item, name: str, size: int) -> bytes:
    """An id of a trace, empty where the record has none."""
    try:
        found = bytes.fromhex(item.text(name) or "")
    except ValueError:
        return b""
    return found if len(found) == size and any(found) else b""


def _rejected(answer: bytes) -> int:
    """How many the collector says it refused, and will refuse again."""
    try:
        return int(ExportLogsServiceResponse.FromString(answer).partial_success.rejected_log_records)
    except Exception:  # a collector that took them may answer with what is no message
        return 0
