"""The outermost stage: what happened to each request, as one line, refusals included. Nothing of its content, unless
`telemetry.audit.bodies` asks for it; of a stream never the answer."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from llm_proxy.asking import Ask, Attempt, Reply
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.envelopes.observability.audit.bodies import bodies
from mcp_gateway.envelopes.observability.audit.recorder import Recorder
from mcp_gateway.envelopes.observability.ending import ended
from mcp_gateway.envelopes.observability.identities import Introduced, printable
from mcp_gateway.envelopes.observability.lines import LineSink, now
from mcp_gateway.envelopes.observability.record import decided, declared, introduce

_MOST: Final = 256
"""Characters of a name from outside."""

_MAX_PRINCIPAL: Final = 320


class Record:
    """Writes one `completion` line per request: who, what, the outcome and its reason, every attempt, the snapshot."""

    __slots__ = ("_body", "_introduced", "_sink")

    def __init__(self, sink: LineSink) -> None:
        self._sink = sink
        self._introduced = Introduced()
        self._body = sink.body if isinstance(sink, Recorder) else None

    async def __call__(self, call: Ask, call_next: Handler[Ask, Reply]) -> Reply:
        started = time.perf_counter()
        outcome, reason, reply = "ok", None, None
        try:
            reply = await call_next(call)
            return reply
        except BaseException as error:
            outcome, reason = ended(error)
            raise
        finally:
            if outcome == "ok" and call.out.gone:
                outcome, reason = "disconnected", "client_disconnected"
            notes = call.trail.notes
            introduce(self._sink, self._introduced, notes)
            self._sink.write(
                {
                    "time": now(),
                    "event": "completion",
                    "request_id": call.request_id,
                    "dialect": call.dialect.wire,
                    "model": printable(call.asked.model[:_MOST]),
                    "stream": call.asked.stream,
                    "principal": printable(call.principal.id[:_MAX_PRINCIPAL]),
                    "agent": None if call.principal.client_id is None else printable(call.principal.client_id[:_MOST]),
                    "rule": notes.get("rule"),
                    "cache": notes.get("cache"),
                    **decided(notes),
                    **declared(notes),
                    "outcome": outcome,
                    "reason": reason,
                    "attempts": _told(call.flow.attempts),
                    "snapshot": call.snapshot,
                    "duration_ms": round((time.perf_counter() - started) * 1000, 3),
                    "upstream_ms": round(call.trail.upstream_seconds * 1000, 3),
                    **bodies(self._body, request=call.body, answer=None if reply is None else reply.body),
                }
            )


def _told(attempts: Sequence[Attempt]) -> list[Mapping[str, Any]]:
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
