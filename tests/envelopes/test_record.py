"""One line per call, whatever became of it, and none of its content."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import orjson
import pytest

from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import Forbidden, GatewayError, Rejected, TimedOut, Unreachable
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.observability.identities import IdentityFacts
from mcp_gateway.envelopes.observability.lines import MemoryLines, now
from mcp_gateway.envelopes.observability.record import Audit, End
from tests.calls import making
from tests.ingress.agent import opened
from tests.ingress.rig import META, Rig, composition

CANARY = "canary-7f3a"


async def test_a_call_that_went_well() -> None:
    rig = Rig()
    info = {META + "clientInfo": {"name": "agent", "version": "1"}}
    exchange = rig.call("echo", user="alice", meta=info)
    await exchange.result()
    [line] = rig.audit
    assert {key: line[key] for key in line if key not in {"time", "duration_ms", "upstream_ms", "snapshot"}} == {
        "event": "call",
        "request_id": exchange.header("x-request-id"),
        "server": "desk",
        "principal": "corp|alice",
        "agent": None,
        "method": "tools/call",
        "upstream": "up",
        "target": "echo",
        "outcome": "ok",
        "reason": None,
        "client": "agent",
        "version": "2026-07-28",
    }
    assert line["duration_ms"] >= line["upstream_ms"] >= 0 and line["snapshot"]


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (Forbidden("no"), "refused", "policy_denied"),
        (Unreachable("m", sent=True), "failed", "upstream_unavailable"),
        (TimedOut("m"), "failed", "upstream_timeout"),
        (Rejected(-32603, CANARY, {"x": CANARY}), "failed", "upstream_rejected"),
        (GatewayError("m"), "failed", "internal_error"),
        (ValueError(CANARY), "failed", "internal_error"),
    ],
)
@pytest.mark.parametrize("modern", [True, False])
async def test_a_call_that_did_not(error: Exception, outcome: str, reason: str, modern: bool) -> None:
    rig = Rig()
    rig.terminal.fails("echo", error)
    await (rig.call("echo") if modern else (await opened(rig)).call("echo")).done()
    lines = [line for line in rig.audit if line["method"] == "tools/call"]
    assert [(line["outcome"], line["reason"]) for line in lines] == [(outcome, reason)]
    assert CANARY not in str(rig.lines.records)


ANSWERED: Json = {"resultType": "complete"}


def test_a_subject_cannot_forge_a_line_and_the_agent_is_named() -> None:
    sink = MemoryLines()
    subject = "corp|" + "a" * 250 + "\n\x1b[2J\u2028"
    who = Principal(id=subject, subject=subject, client_id="agent\r1")
    call = making.call(principal=who)
    Audit(sink)(call, ANSWERED, "ok", None, End(0.0, 0.0))
    assert sink.records[0]["principal"] == "corp|" + "a" * 250 + "\\n\\x1b[2J\\u2028"
    assert sink.records[0]["agent"] == "agent\\r1"


def test_who_asked_is_written_once_before_the_first_call_that_was_decided() -> None:
    sink = MemoryLines()
    audit = Audit(sink)
    who = Principal(id="corp|alice", subject="alice", teams=("finance",), claims={"phone": CANARY})
    for _ in range(2):
        call = making.call(principal=who)
        call.trail.notes |= {
            "who": IdentityFacts.of(who, frozenset()),
            "asked": {"action": "up/echo"},
            "decision": "allow",
        }
        audit(call, ANSWERED, "ok", None, End(0.0, 0.0))
    audit(making.call(), ANSWERED, "ok", None, End(0.0, 0.0))
    assert [line["event"] for line in sink.records] == ["principal", "call", "call", "call"]
    assert sink.records[0]["teams"] == ["finance"] and sink.records[1]["asked"] == {"action": "up/echo"}
    assert "asked" not in sink.records[3] and CANARY not in str(sink.records)


async def test_a_tool_that_ran_and_failed() -> None:
    rig = Rig()
    rig.terminal.answers("echo", {"resultType": "complete", "content": [], "isError": True})
    await rig.call("echo").result()
    assert [(line["outcome"], line["reason"]) for line in rig.audit] == [("tool_error", "tool_error")]


async def test_refusals_and_unknown_methods_too() -> None:
    rig = Rig()
    await rig.modern("no/such").error()
    await rig.call("no-such").error()
    await rig.call("region", {"where": "eu"}).error()
    assert [(line["method"], line["outcome"], line["reason"]) for line in rig.audit] == [
        ("no/such", "refused", "unknown_method"),
        ("tools/call", "refused", "unknown_name"),
        ("tools/call", "refused", "header_mismatch"),
    ]


async def test_a_call_past_its_deadline() -> None:
    rig = Rig(composition().model_copy(update={"timeout": 0.02}))
    rig.terminal.hangs("echo")
    error = await rig.call("echo").error()
    assert error["code"] == 50400 and rig.terminal.cancelled == ["echo"]
    assert [(line["outcome"], line["reason"]) for line in rig.audit] == [("failed", "upstream_timeout")]


async def test_a_call_whose_client_went_away() -> None:
    rig = Rig()
    rig.terminal.hangs("echo")
    exchange = rig.call("echo")
    await rig.terminal.entered.wait()
    exchange.disconnect()
    await exchange.done()
    assert [(line["outcome"], line["reason"]) for line in rig.audit] == [("cancelled", "cancelled")]


async def test_lists_sessions_and_streams_are_calls_as_well() -> None:
    rig = Rig()
    agent = await opened(rig)
    await agent.request("ping").result()
    listening = rig.modern("subscriptions/listen", {"notifications": {}})
    await listening.message()
    listening.disconnect()
    await listening.done()
    assert [(line["method"], line["outcome"]) for line in rig.audit] == [
        ("initialize", "ok"),
        ("ping", "ok"),
        ("subscriptions/listen", "cancelled"),
    ]


async def test_content_is_never_written() -> None:
    rig = Rig()
    rig.terminal.answers("echo", {"resultType": "complete", "content": [{"type": "text", "text": CANARY}]})
    await rig.call("echo", {"text": CANARY}, meta={"vendor/x": CANARY}).result()
    await rig.call("echo", {"count": CANARY}).result()
    await rig.modern("resources/read", {"uri": f"none://{CANARY}"}).error()
    assert len(rig.audit) == 3 and CANARY not in str(rig.lines.records)


async def test_a_span_line_carries_the_callers_trace_and_the_times() -> None:
    rig = Rig()
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    exchange = rig.call("echo", meta={"traceparent": parent})
    await exchange.result()
    [span] = [record for record in rig.lines.records if record["event"] == "span"]
    assert span["traceparent"] == parent and span["request_id"] == exchange.header("x-request-id")
    assert span["mcp.method.name"] == "tools/call"


HOSTILE = "x\n\r\x1b[2J\x00\u2028" + "y" * 5_000


async def test_hostile_names_are_cut_and_stay_on_their_line() -> None:
    rig = Rig()
    odd: Any = {META + "clientInfo": {"name": HOSTILE, "version": 5}, "traceparent": HOSTILE}
    await rig.call("echo", meta=odd).result()
    await rig.modern("resources/read", {"uri": "file:///" + "z" * 5_000}).done()
    agent = await opened(rig)
    await agent.request(HOSTILE[:100]).error()
    for record in rig.lines.records:
        text = orjson.dumps(record)
        assert len(text) < 2_000 and text.count(b"\n") == 0 and b"\x1b" not in text and b"\0" not in text


@pytest.mark.parametrize("meta", [{META + "clientInfo": []}, {META + "clientInfo": {"name": 5}}, {"traceparent": {}}])
async def test_odd_values_do_not_stop_a_record(meta: dict[str, Any]) -> None:
    rig = Rig()
    await rig.call("echo", meta=meta).result()
    assert rig.audit[0]["client"] is None


async def test_many_at_once_have_a_line_each() -> None:
    rig = Rig()
    exchanges = [rig.call("echo", id=1) for _ in range(50)]
    await asyncio.gather(*(exchange.result() for exchange in exchanges))
    assert {line["request_id"] for line in rig.audit} == {exchange.header("x-request-id") for exchange in exchanges}


def test_the_time_is_rfc_3339() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", now())
