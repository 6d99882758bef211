"""What happened to each call, as one structured line.

No content is written: no arguments, no results, no error text of an upstream. What `telemetry.audit.bodies` asks for is
made by the record that keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

from mcp_gateway.core.call import Call, Trail
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.observability.audit.bodies import bodies
from mcp_gateway.envelopes.observability.audit.recorder import Recorder
from mcp_gateway.envelopes.observability.identities import IdentityFacts, Introduced, printable
from mcp_gateway.envelopes.observability.lines import LineSink, now, stamp

_MAX_TEXT = 128
_MAX_PRINCIPAL = 320
"""An issuer's name and a subject fit whole: cut ids could be one person's or another's."""


class End(NamedTuple):
    """When a request was over, in Unix seconds, and how many seconds it took."""

    at: float
    seconds: float


class Trace:
    """Writes one `span` line per call with its timings and the caller's trace context."""

    __slots__ = ("_sink",)

    def __init__(self, sink: LineSink) -> None:
        self._sink = sink

    def __call__(self, call: Call, end: End) -> None:
        meta = call.params.get("_meta")
        self._sink.write(
            {
                "time": stamp(end.at),
                "event": "span",
                "request_id": call.request_id,
                "mcp.method.name": _short(call.method),
                "mcp.protocol.version": call.client.version,
                "traceparent": _short(meta.get("traceparent")) if isinstance(meta, Mapping) else None,
                "duration_ms": round(end.seconds * 1000, 3),
                "upstream_ms": round(call.trail.upstream_seconds * 1000, 3),
            }
        )


class Audit:
    """Writes one `call` line per call: who, what, the outcome and its reason, the snapshot that decided.

    Where policies decided, `asked` is what they were asked; who asked is in a `principal` line before it.
    """

    __slots__ = ("_body", "_introduced", "_sink", "intents")

    def __init__(self, sink: LineSink) -> None:
        """`sink` may be a `Recorder`: it is `intents` then, which calls that may change something wait for."""
        self._sink = sink
        self._introduced = Introduced()
        self.intents = sink if isinstance(sink, Recorder) else None
        self._body = None if self.intents is None else self.intents.body

    def __call__(self, call: Call, result: dict[str, Any] | None, outcome: str, reason: str | None, end: End) -> None:
        """Write it. `result` is what the client was answered, if that was not an error."""
        introduce(self._sink, self._introduced, call.trail.notes)
        self._sink.write(self._told(call, result, facts("call", call, outcome, reason, end)))

    def _told(self, call: Call, result: dict[str, Any] | None, record: dict[str, object]) -> dict[str, object]:
        notes = call.trail.notes
        record["server"] = call.server
        record["method"] = _short(call.method)
        record["upstream"] = notes.get("upstream")
        record["target"] = _short(notes.get("target"))
        record["client"] = _short((call.client.info or {}).get("name"))
        record["version"] = call.client.version
        if self._body is not None:
            record |= bodies(self._body, arguments=call.params.get("arguments"), result=result)
        return record


_USUAL: Final = ("decision", "release", "policies")
_RARE: Final = (
    "policy_failure",
    "would",
    "would_policies",
    "limit",
    "would_limit",
    "uncounted_limits",
    "would_exhaust",
    "uncounted_budgets",
    "guardrails",
    "metadata_faults",
    "would_metadata_faults",
    "cost_nano_usd",
)
_ANY_RARE: Final = frozenset(_RARE)
_DECIDED: Final = (*_USUAL, *_RARE, "asked")
"""What policies, limits, guardrails and the contract for metadata leave on a call's trail: ids and keys of theirs,
counts and words, and what a decision was made of.

Nothing of a call's content, unless the configuration says so (`policies.record`).
"""


class Recorded(Protocol):
    """What every kind of request has that is recorded."""

    @property
    def request_id(self) -> str: ...
    @property
    def principal(self) -> Principal: ...
    @property
    def snapshot(self) -> str: ...
    @property
    def trail(self) -> Trail: ...


def facts(event: str, request: Recorded, outcome: str, reason: str | None, end: End) -> dict[str, object]:
    """What the records of all requests have: who asked, what was decided, what came of it."""
    trail, principal = request.trail, request.principal
    notes = trail.notes
    record: dict[str, object] = {
        "time": stamp(end.at),
        "event": event,
        "request_id": request.request_id,
        "principal": _short(principal.id, _MAX_PRINCIPAL),
        "agent": _short(principal.client_id),
        "outcome": outcome,
        "reason": reason,
    }
    for name in _USUAL if _ANY_RARE.isdisjoint(notes) else (*_USUAL, *_RARE):
        if name in notes:
            record[name] = notes[name]
    if "asked" in notes:
        record["asked"] = notes["asked"]
    if "metadata" in notes:
        record |= declared(notes)
    record["snapshot"] = request.snapshot
    record["duration_ms"] = round(end.seconds * 1000, 3)
    record["upstream_ms"] = round(trail.upstream_seconds * 1000, 3)
    return record


def decided(notes: Mapping[str, object]) -> dict[str, object]:
    """What was decided on a call, by which policies and limits; nothing where none were asked."""
    return {name: notes[name] for name in _DECIDED if name in notes}


def introduce(sink: LineSink, introduced: Introduced, notes: Mapping[str, object]) -> None:
    """Write who asked, before the first of the records that name them by a digest."""
    who = notes.get("who")
    if isinstance(who, IdentityFacts) and introduced.due(who.digest):
        sink.write({"time": now(), "event": "principal", "who": who.digest, **who.facts})


def declared(notes: Mapping[str, object]) -> dict[str, object]:
    """The metadata of the call under the keys that the configuration names, where there is some."""
    given = notes.get("metadata")
    if given is None or not isinstance(given, Mapping):
        return {}
    return {"metadata": {key: _short(value) for key, value in given.items()}}


def _short(value: object, most: int = _MAX_TEXT) -> str | None:
    """Words from outside, cut short; what a terminal or a log viewer acts on is escaped."""
    if not isinstance(value, str):
        return None
    return value if len(value) <= most and value.isprintable() else printable(value[:most])
