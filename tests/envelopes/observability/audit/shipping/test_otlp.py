"""Copies at a collector, over HTTP and gRPC on real sockets: one log record for each record, told by its hash."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from mcp_gateway.envelopes.observability.audit.copies import verify_copy
from mcp_gateway.envelopes.observability.audit.shipping import otlp as module
from mcp_gateway.envelopes.observability.audit.shipping.otlp import GrpcTarget, HttpTarget, log_record
from mcp_gateway.envelopes.observability.audit.shipping.target import Item, Target
from tests.envelopes.observability.audit.shipping.collecting import Collector, over_grpc, over_http
from tests.envelopes.observability.audit.shipping.support import lines, shipper
from tests.envelopes.observability.audit.support import SIGNER, begin, call, written

RESOURCE = {"service.name": "mcp-gateway", "service.version": "1"}


Way = tuple[Callable[[], AbstractContextManager[Collector]], Callable[..., Target], str]
WAYS: Mapping[str, Way] = {
    "http": (over_http, HttpTarget, "HTTP 503"),
    "grpc": (over_grpc, GrpcTarget, "gRPC UNAVAILABLE"),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    return WAYS[request.param]


def attributes(record: LogRecord) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in record.attributes}


def test_all_records_arrive_and_can_be_proved_there(tmp_path: Path, way: Way) -> None:
    receiving, make, _ = way
    chain = begin(tmp_path)
    for number in range(600):
        chain.append({**call(number), "server": "desk"})
    chain.close()
    with receiving() as collector:
        here = shipper(tmp_path, make(collector.url, {"X-Token": "opaque"}, RESOURCE))
        assert here.once(), here.failing
    assert collector.bodies() == lines(tmp_path)
    assert verify_copy((f"{body}\n".encode() for body in collector.bodies()), Path("copy"), SIGNER).sound
    assert {each["x-token"] for each in collector.headers} == {"opaque"}
    assert all(each == RESOURCE for each in collector.resources)
    second = collector.records[1]
    assert (second.event_name, second.severity_text) == ("mcp_gateway.audit.call", "INFO")
    assert second.time_unix_nano == 1_767_225_600_000_000_000
    told = attributes(second)
    assert told["mcp_gateway.audit.seq"] == 2 and told["mcp_gateway.server"] == "desk"
    assert len({attributes(each)["log.record.uid"] for each in collector.records}) == len(collector.records)


def test_a_collector_that_takes_nothing_is_tried_again(tmp_path: Path, way: Way) -> None:
    receiving, make, kind = way
    written(tmp_path, 3)
    with receiving() as collector:
        here = shipper(tmp_path, make(collector.url, {}, RESOURCE))
        collector.failing = True
        assert not here._pass(1.0) and here.failing == kind
        collector.failing = False
        assert here.once()
    assert collector.bodies() == lines(tmp_path)


def test_what_a_collector_refuses_for_good_is_counted(tmp_path: Path, way: Way) -> None:
    receiving, make, _ = way
    written(tmp_path, 3)
    with receiving() as collector:
        collector.rejects = 2
        here = shipper(tmp_path, make(collector.url, {}, RESOURCE))
        assert here.once()
    assert (here.counts.rejected, here.counts.shipped) == (2, 3)


def test_nobody_there(tmp_path: Path, way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    _, make, _ = way
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 1.0)
    written(tmp_path, 1)
    here = shipper(tmp_path, make("http://127.0.0.1:1", {}, RESOURCE))
    assert not here.once() and here.failing in {"ConnectError", "gRPC UNAVAILABLE", "gRPC DEADLINE_EXCEEDED"}


def item(**fields: Any) -> Item:
    return Item("c", 1, "ab" * 32, "0" * 64, "{}", fields)


@pytest.mark.parametrize(
    ("outcome", "severity"),
    [("ok", "INFO"), ("refused", "WARN"), ("tool_error", "WARN"), ("failed", "ERROR"), (None, "INFO"), (7, "INFO")],
)
def test_severity(outcome: object, severity: str) -> None:
    assert log_record(item(outcome=outcome)).severity_text == severity


@pytest.mark.parametrize(
    ("trace", "wanted"),
    [("4bf92f3577b34da6a3ce929d0e0e4736", 16), ("0" * 32, 0), ("zz", 0), ("abcd", 0), (None, 0), (7, 0)],
)
def test_ids_of_the_trace_where_there_are_some(trace: object, wanted: int) -> None:
    record = log_record(item(trace_id=trace, span_id="00f067aa0ba902b7"))
    assert len(record.trace_id) == wanted and record.span_id.hex() == "00f067aa0ba902b7"


def test_lone_surrogates_and_strange_times_stop_nothing() -> None:
    record = log_record(item(principal="a\udcff", time="9999-12-31T23:59:59-14:00", event=["x"]))
    assert attributes(record)["mcp_gateway.principal"] == "a?" and record.time_unix_nano == 0
