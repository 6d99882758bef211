"""The stage that has calls which may change something recorded before they are made."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Protocol

from mcp_gateway.calls.kinds import Invocation, Kind, Result
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.envelopes.observability.audit.bodies import Body, bodies
from mcp_gateway.envelopes.observability.identities import printable
from mcp_gateway.envelopes.observability.lines import now
from mcp_gateway.envelopes.policy.authorize import Permitted


class Intents(Protocol):
    """Takes intents; `envelopes.observability.audit.recorder.Recorder` is the real one."""

    @property
    def body(self) -> Body | None:
        """What is recorded of arguments."""
        ...

    async def intend(self, record: Mapping[str, object]) -> None:
        """Keep it for good. Raises `AuditUnavailable`."""
        ...


class RecordIntent:
    """Lets a call of a tool pass once its intent is kept, and tools that only read at once. Notes what it costs."""

    __slots__ = ("_intents",)

    def __init__(self, intents: Intents) -> None:
        self._intents = intents

    def __call__(
        self, call: Permitted[Invocation], call_next: Handler[Permitted[Invocation], Result]
    ) -> Awaitable[Result]:
        invocation = call.call
        tool = invocation.tool
        if invocation.kind is not Kind.TOOL or tool is None or tool.connects:
            return call_next(call)
        if tool.cost:
            invocation.call.trail.notes["cost_nano_usd"] = tool.cost
        if tool.read_only:
            return call_next(call)
        return self._intended(call, call_next)

    async def _intended(
        self, permitted: Permitted[Invocation], call_next: Handler[Permitted[Invocation], Result]
    ) -> Result:
        invocation = permitted.call
        call = invocation.call
        await self._intents.intend(
            {
                "time": now(),
                "event": "intent",
                "request_id": call.request_id,
                "server": call.server,
                "principal": printable(call.principal.id),
                "method": printable(call.method),
                "upstream": invocation.upstream,
                "target": printable(invocation.target),
                "policies": permitted.decision.policies,
                "snapshot": call.snapshot,
                **bodies(self._intents.body, arguments=invocation.params.get("arguments")),
            }
        )
        return await call_next(permitted)
