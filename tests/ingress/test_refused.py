"""What ends before the pipeline leaves one record, and what the pipeline records is not recorded twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from mcp_gateway.core.asgi.inflight import InFlight
from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import GatewayError, IdentityUnavailable, InsufficientScope
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.identity.protected import ProtectedResource
from mcp_gateway.envelopes.observability.lines import MemoryLines
from mcp_gateway.envelopes.observability.metrics.measures import Measures
from mcp_gateway.envelopes.observability.refusals import Refusals
from tests.ingress.agent import opened
from tests.ingress.rig import BOTH, Rig, composition, modern_headers, modern_request


class Closed:
    """A door that lets nobody in, for one reason."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def recall(self, asgi: Mapping[str, Any], resource: ProtectedResource) -> Principal | None:
        return None

    async def verify(self, asgi: Mapping[str, Any], resource: ProtectedResource) -> Principal:
        raise self._error

    def document(self, resource: ProtectedResource) -> Json | None:
        return None


def refused(rig: Rig) -> list[dict[str, Any]]:
    return [record for record in rig.lines.records if record["event"] == "refused"]


@pytest.mark.parametrize(
    ("error", "status", "outcome", "principal"),
    [
        (InsufficientScope("too little", principal="corp|alice"), 403, "refused", "corp|alice"),
        (IdentityUnavailable("nobody knows"), 503, "refused", None),
        (RuntimeError("a defect with canary-77"), 200, "failed", None),
    ],
)
async def test_what_a_door_says_is_recorded(error: Exception, status: int, outcome: str, principal: str | None) -> None:
    rig = Rig(door=Closed(error))
    answer = await rig.call("echo").done()
    (record,) = refused(rig)
    assert (answer.status, record["status"], record["outcome"], record["principal"]) == (
        status,
        status,
        outcome,
        principal,
    )
    assert record["reason"] == (error.reason if isinstance(error, GatewayError) else "internal_error")
    assert record["request_id"] == answer.header("x-request-id")
    assert "canary" not in json.dumps(record)


async def test_no_room_is_recorded() -> None:
    rig = Rig(inflight=InFlight(0, 0))
    assert (await rig.call("echo").done()).status == 503
    (record,) = refused(rig)
    assert (record["reason"], record["status"], record["server"]) == ("overloaded", 503, None)


async def test_what_the_pipeline_records_is_no_refusal_at_the_door() -> None:
    rig = Rig()
    await rig.call("no such tool").done()
    await rig.modern("no/such/method").done()
    rig.terminal.fails("echo", RuntimeError("a defect"))
    await rig.call("echo").done()
    agent = await opened(rig)
    await agent.call("no such tool").done()
    assert refused(rig) == [] and len(rig.audit) >= 5


async def test_a_request_id_in_use_and_a_batch_that_is_none_are_refused_once_each() -> None:
    rig = Rig(composition())
    headers = {"content-type": "application/json", "accept": BOTH}
    answer = await rig.post([], headers).done()
    assert answer.status == 400
    (record,) = refused(rig)
    assert (record["reason"], record["principal"]) == ("invalid_envelope", "anonymous")


async def test_hostile_words_stay_in_their_field() -> None:
    rig = Rig()
    message = modern_request("tools/list")
    evil = {**modern_headers(message), "mcp-method": "tools/call", "x-user": "a\x1b[31m"}
    await rig.post(message, evil).done()
    (record,) = refused(rig)
    assert record["reason"] == "header_mismatch"
    assert all(str(value).isprintable() for value in record.values())


async def test_one_network_of_ipv6_is_one_caller() -> None:
    lines = MemoryLines()
    refusals = Refusals(lines, Measures(), most=20)
    scope: dict[str, Any] = {"method": "GET", "path": "/", "headers": []}
    for number in range(10):
        refusals("mcp", {**scope, "client": (f"2001:db8::{number:x}", 1)}, f"r-{number}", "not_found", 404)
    for number in range(3):
        refusals("mcp", {**scope, "client": (f"2001:db8:0:{number + 1}::1", 1)}, f"s-{number}", "not_found", 404)
    refusals("mcp", {**scope, "client": ("not an address: at all", 1)}, "t", "not_found", 404)
    refusals("mcp", {"headers": []}, "u", "not_found", 404)
    refusals.close()
    told = [line for line in lines.records if line["event"] == "refused"]
    assert [line["request_id"] for line in told] == ["r-0", "r-1", "s-0", "s-1", "s-2", "t", "u"]
    (unrecorded,) = [line for line in lines.records if line["event"] == "unrecorded"]
    assert unrecorded["refusals"] == {"not_found": 8}
