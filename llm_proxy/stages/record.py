"""What happened to each request, as one line, refusals included. Nothing of its content, unless
`telemetry.audit.bodies` asks for it; of a stream never the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llm_proxy.asking import Ask, Attempt, Reply
from mcp_gateway.envelopes.observability.audit.bodies import bodies
from mcp_gateway.envelopes.observability.audit.recorder import Recorder
from mcp_gateway.envelopes.observability.identities import Introduced, printable
from mcp_gateway.envelopes.observability.lines import LineSink
from mcp_gateway.envelopes.observability.record import End, facts, introduce

_MOST: Final = 256
"""Characters of a name from outside."""


class Record:
    """Writes one `completion` line per request: who, what, the outcome and its reason, every attempt, the snapshot."""

    __slots__ = ("_body", "_introduced", "_sink")

    def __init__(self, sink: LineSink) -> None:
        self._sink = sink
        self._introduced = Introduced()
        self._body = sink.body if isinstance(sink, Recorder) else None

    def __call__(self, call: Ask, reply: Reply | None, outcome: str, reason: str | None, end: End) -> None:
        """Write it. `reply` is what the client was answered, if that was not an error."""
        introduce(self._sink, self._introduced, call.trail.notes)
        self._sink.write(self._told(call, reply, facts("completion", call, outcome, reason, end)))

    def _told(self, call: Ask, reply: Reply | None, record: dict[str, object]) -> dict[str, object]:
        notes = call.trail.notes
        record["dialect"] = call.dialect.wire
        record["model"] = printable(call.asked.model[:_MOST])
        record["stream"] = call.asked.stream
        record["rule"] = notes.get("rule")
        record["cache"] = notes.get("cache")
        record["attempts"] = _attempts(call.flow.attempts)
        if self._body is not None:
            record |= bodies(self._body, request=call.body, answer=None if reply is None else reply.body)
        return record


def _attempts(attempts: Sequence[Attempt]) -> list[Mapping[str, Any]]:
    return [
        {
            "target": attempt.target,
            "status": attempt.status,
            "error": attempt.error or None,
            "first_token_ms": None if attempt.first_token is None else round(attempt.first_token * 1000, 3),
            "duration_ms": round(attempt.duration * 1000, 3),
            "usage": None if attempt.usage is None else {"input": attempt.usage.input, "output": attempt.usage.output},
            "estimated": attempt.estimated,
            "cost_nano_usd": attempt.cost,
        }
        for attempt in attempts
    ]
