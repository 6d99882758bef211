"""The outermost stage of the MCP plane: the record, the measures and the span of each request, however it ends.

It stands outermost so that refusals and unknown methods are told of too. Nothing of a request's content is in measures
and spans, unless the configuration asks for it in spans: no arguments, no results,
no text of an error.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

from mcp_gateway.core.afterwards import afterwards
from mcp_gateway.core.call import Call, Trail
from mcp_gateway.core.errors import Invalid, UpstreamError
from mcp_gateway.core.live import Live
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.observability import names
from mcp_gateway.envelopes.observability.detail import Detail, Show, put
from mcp_gateway.envelopes.observability.ending import ended
from mcp_gateway.envelopes.observability.metrics.measures import MCP, Measures
from mcp_gateway.envelopes.observability.record import Audit, End, Trace
from mcp_gateway.envelopes.observability.traces.baggage import NOTE, Taken, Wanted
from mcp_gateway.envelopes.observability.traces.context import in_headers, in_meta
from mcp_gateway.envelopes.observability.traces.events import events
from mcp_gateway.envelopes.observability.traces.span import MAX_TEXT, Span, Value, text
from mcp_gateway.envelopes.observability.traces.tracer import Traced, Tracer

_METHODS: Final = frozenset(
    {
        *("tools/call", "tools/list", "prompts/get", "prompts/list", "completion/complete", "logging/setLevel"),
        *("resources/read", "resources/list", "resources/templates/list"),
        *("resources/subscribe", "resources/unsubscribe", "subscriptions/listen"),
        *("initialize", "ping", "server/discover"),
    }
)
"""The methods that are told apart; whatever else a client may call is one more."""

_MOST_PRINCIPAL: Final = 320


class Observe:
    """Records and measures every request, and traces it where there is a `Tracer`."""

    __slots__ = ("_audit", "_detail", "_measures", "_trace", "_tracer")

    def __init__(
        self, audit: Audit, trace: Trace | None, measures: Measures, tracer: Tracer | None, detail: Live[Detail]
    ) -> None:
        """`trace` is there where a line with the timings of each request is wanted."""
        self._audit = audit
        self._trace = trace
        self._measures = measures
        self._tracer = tracer
        self._detail = detail

    async def __call__(self, call: Call, call_next: Handler[Call, dict[str, Any]]) -> dict[str, Any]:
        began = time.perf_counter()
        detail = self._detail.current
        traced = None
        if self._tracer is not None:
            ambient = in_headers(call.headers) if call.headers else None
            traced = self._tracer.begin(call.trail, in_meta(call.params.get("_meta")), ambient)
        if detail.baggage is not None:
            take(call.trail, detail.baggage, call.headers, call.params.get("_meta"))
        ending, result = _WELL, None
        try:
            result = await call_next(call)
            if result.get("isError") is True:
                ending = _TOOL_ERROR
            return result
        except BaseException as error:
            ending = _ending(error)
            raise
        finally:
            at = 0 if traced is None else traced.now()
            end = End(time.time(), time.perf_counter() - began)
            afterwards(self._tell, call, result, ending, end, traced, at, detail.show)

    def _tell(
        self,
        call: Call,
        result: dict[str, Any] | None,
        ending: _Ending,
        end: End,
        traced: Traced | None,
        at: int,
        show: Show | None,
    ) -> None:
        """`at` is the same moment as `end.at`, in nanoseconds on the clock of the span."""
        self._audit(call, result, ending.outcome, ending.reason, end)
        if self._trace is not None:
            self._trace(call, end)
        self._measure(call, ending, end.seconds)
        if traced is None or not traced.context.sampled:
            return
        seen = _Seen.of(call)
        if show is None:
            traced.tell(partial(_span, seen, traced, ending, at, {}))
        else:
            traced.tell(_span(seen, traced, ending, at, _shown(show, seen, call, result)))

    def _measure(self, call: Call, ending: _Ending, seconds: float) -> None:
        measures, notes = self._measures, call.trail.notes
        method = call.method if call.method in _METHODS else names.OTHER
        tool, prompt = _named(call)
        error = ending.error or ""
        keys = measures.keys(notes)
        measures.mcp_server.observe(seconds, method, error, tool, prompt, call.server, *keys)
        if call.trail.upstream_seconds:
            upstream = str(notes.get("upstream", ""))
            theirs = error if ending.upstream else ""
            measures.mcp_client.observe(call.trail.upstream_seconds, method, theirs, tool, upstream)
        if ending.reason is not None:
            measures.refusals.add(1, MCP, ending.reason)
        measures.noted(MCP, notes)


class _Ending:
    """How a request ended: `error` is its `error.type`, `upstream` whether it is one of the upstream."""

    __slots__ = ("error", "outcome", "reason", "upstream")

    def __init__(self, outcome: str, reason: str | None, error: str | None, *, upstream: bool = False) -> None:
        self.outcome = outcome
        self.reason = reason
        self.error = error
        self.upstream = upstream


_WELL: Final = _Ending("ok", None, None)
_TOOL_ERROR: Final = _Ending(names.TOOL_ERROR, names.TOOL_ERROR, names.TOOL_ERROR, upstream=True)


def _ending(error: BaseException) -> _Ending:
    """What a client asked wrongly is no error of a server (JSON-RPC -32600 to -32602, -32002)."""
    outcome, reason = ended(error)
    kind = None if isinstance(error, Invalid) else reason
    return _Ending(outcome, reason, kind, upstream=isinstance(error, UpstreamError))


def _named(call: Call) -> tuple[str, str]:
    """The tool and the prompt as the client knows them; empty for what there is none of."""
    if "upstream" not in call.trail.notes:
        return "", ""
    name = call.params.get("name")
    if not isinstance(name, str):
        return "", ""
    return (name, "") if call.method == "tools/call" else ("", name)


class Observed(Protocol):
    """What every kind of request has that is observed."""

    @property
    def request_id(self) -> str: ...
    @property
    def principal(self) -> Principal: ...
    @property
    def ip(self) -> str: ...
    @property
    def snapshot(self) -> str: ...


def facts(request: Observed, notes: Mapping[str, object], outcome: str) -> dict[str, Value]:
    """The attributes that the spans of all requests have, of the notes on their trails too; metadata and baggage by
    the keys that are configured."""
    attributes: dict[str, Value] = {
        names.CLIENT_ADDRESS: request.ip,
        names.REQUEST_ID: request.request_id,
        names.PRINCIPAL: text(request.principal.id, _MOST_PRINCIPAL),
        names.SNAPSHOT: request.snapshot,
        names.OUTCOME: outcome,
    }
    if "limit" in notes:
        attributes[names.LIMIT] = text(str(notes["limit"]))
    declared = notes.get("metadata")
    if declared is not None and isinstance(declared, Mapping):
        for key, value in declared.items():
            attributes[names.METADATA + text(key)] = text(str(value))
    taken = notes.get(NOTE)
    if isinstance(taken, Taken):
        attributes.update(taken.attributes)
    return attributes


_TOLD: Final = (
    *("upstream", "decision", "release", "policies", "policy_failure"),
    *("guardrails", "limit", "metadata", NOTE),
)
"""The notes on a trail that a span tells of."""


class _Seen(NamedTuple):
    """What a span is made of: nothing of a call's content, so that it may wait as long as a span may."""

    ip: str
    request_id: str
    principal: Principal
    snapshot: str
    notes: Mapping[str, object]
    method: str
    id: str | int
    version: str
    server: str
    tool: str
    prompt: str
    uri: str | None

    @classmethod
    def of(cls, call: Call) -> _Seen:
        notes, uri = call.trail.notes, call.params.get("uri")
        tool, prompt = _named(call)
        return cls(
            call.ip,
            call.request_id,
            call.principal,
            call.snapshot,
            {name: notes[name] for name in _TOLD if name in notes},
            call.method,
            call.id,
            call.client.version,
            call.server,
            tool,
            prompt,
            uri[:MAX_TEXT] if isinstance(uri, str) else None,
        )


def _attributes(seen: _Seen, outcome: str) -> dict[str, Value]:
    attributes = facts(seen, seen.notes, outcome)
    attributes[names.MCP_METHOD] = text(seen.method)
    attributes[names.JSONRPC_ID] = text(seen.id) if isinstance(seen.id, str) else str(seen.id)
    attributes[names.MCP_VERSION] = text(seen.version)
    attributes[names.SERVER] = seen.server
    if seen.tool:
        attributes[names.OPERATION] = names.EXECUTE_TOOL
        attributes[names.TOOL_NAME] = seen.tool
    if seen.prompt:
        attributes[names.PROMPT_NAME] = seen.prompt
    if seen.uri is not None:
        attributes[names.MCP_RESOURCE] = text(seen.uri.partition("?")[0])
    if "upstream" in seen.notes:
        attributes[names.UPSTREAM] = text(str(seen.notes["upstream"]))
    return attributes


def _shown(show: Show, seen: _Seen, call: Call, result: dict[str, Any] | None) -> dict[str, Value]:
    """What a tool was asked and what it said. Of what was refused before a tool was found nothing is shown."""
    shown: dict[str, Value] = {}
    if seen.tool:
        said = None if result is None else {key: value for key, value in result.items() if key != "_meta"}
        put(shown, show, {names.TOOL_ARGUMENTS: call.params.get("arguments"), names.TOOL_RESULT: said})
    return shown


def _span(seen: _Seen, traced: Traced, ending: _Ending, at: int, shown: Mapping[str, Value]) -> Span:
    method, target = seen.method if seen.method in _METHODS else names.OTHER, seen.tool or seen.prompt
    name = f"{method} {text(target)}" if target else method
    attributes = _attributes(seen, ending.outcome)
    attributes.update(shown)
    return traced.span(name, attributes, error=ending.error, events=events(seen.notes, at), at=at)


def take(trail: Trail, wanted: Wanted, headers: Mapping[str, Sequence[str]], meta: object = None) -> None:
    """Leave on `trail` what is wanted of a request's baggage, if there is any."""
    taken = wanted.of(headers, meta)
    if taken is not None:
        trail.notes[NOTE] = taken
