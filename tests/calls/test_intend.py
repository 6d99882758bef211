"""Calls that may change something are recorded before they are made; nothing is spent where that cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mcp_gateway.calls.intend import RecordIntent
from mcp_gateway.calls.kinds import Invocation, Kind, Result
from mcp_gateway.calls.pipeline import inner
from mcp_gateway.calls.state import SealState
from mcp_gateway.core.errors import AuditUnavailable
from mcp_gateway.core.seal import Sealer
from mcp_gateway.envelopes.observability.audit.bodies import Body
from mcp_gateway.envelopes.policy.authorize import Authorize, Decision, Permitted
from mcp_gateway.envelopes.policy.breaker import Breaker, Circuit
from mcp_gateway.envelopes.policy.bulkhead import Bulkhead, Places
from tests.calls.making import binding, invocation


class Intents:
    """What was recorded, and what was done after it; `broken` records nothing."""

    def __init__(self, *, broken: bool = False, body: Body | None = None) -> None:
        self.broken = broken
        self.body = body
        self.steps: list[str] = []
        self.records: list[Mapping[str, Any]] = []
        self.circuit = Circuit()

    async def intend(self, record: Mapping[str, object]) -> None:
        if self.broken:
            raise AuditUnavailable("no")
        self.steps.append("intended")
        self.records.append(record)

    async def invoke(self, permitted: Permitted[Invocation]) -> Result:
        self.steps.append("done")
        return {"resultType": "complete"}

    async def run(self, call: Invocation) -> Result:
        handler = inner(
            seal_state=SealState(Sealer((b"k" * 32,), "request-state")),
            authorize=Authorize(lambda invocation: Decision(True, ("p",))),
            breaker=Breaker({"up": self.circuit}),
            bulkhead=Bulkhead({"up": Places(1)}),
            record_intent=RecordIntent(self),
            invoke=self.invoke,
        )
        return await handler(call)


async def test_the_intent_comes_first_and_says_what_is_about_to_be_done() -> None:
    intents = Intents(body=lambda value: value)
    call = invocation()
    await intents.run(call)
    assert intents.steps == ["intended", "done"]
    [record] = intents.records
    facts = {"event": "intent", "request_id": call.call.request_id, "upstream": "up", "target": call.target}
    assert facts.items() <= record.items() and record["policies"] == ("p",)


async def test_what_only_reads_waits_for_nothing() -> None:
    intents = Intents(broken=True)
    await intents.run(invocation(tool=binding(read_only=True, cost=500_000_000)))
    assert intents.steps == ["done"]


@pytest.mark.parametrize("kind", [Kind.PROMPT, Kind.RESOURCE, Kind.COMPLETION])
async def test_other_kinds_only_read(kind: Kind) -> None:
    intents = Intents(broken=True)
    await intents.run(invocation()._replace(kind=kind, tool=None))
    assert intents.steps == ["done"]


async def test_without_a_record_nothing_is_done_and_the_upstream_is_not_blamed() -> None:
    intents = Intents(broken=True)
    for _ in range(20):
        with pytest.raises(AuditUnavailable):
            await intents.run(invocation())
    assert intents.steps == []
    intents.broken = False
    await intents.run(invocation())
    assert intents.steps == ["intended", "done"]


async def test_what_it_costs_is_noted() -> None:
    call = invocation(tool=binding(cost=250_000_000))
    await Intents().run(call)
    assert call.call.trail.notes["cost_nano_usd"] == 250_000_000
