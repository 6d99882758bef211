"""The outermost stage of the MCP plane: the span and the measures of each request, however it ends.

Nothing of a request's content is in either, unless the configuration asks for it in spans: no arguments, no results,
no text of an error.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

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
from mcp_gateway.envelopes.observability.traces.baggage import NOTE, Taken, Wanted
from mcp_gateway.envelopes.observability.traces.context import in_headers, in_meta
from mcp_gateway.envelopes.observability.traces.events import events
from mcp_gateway.envelopes.observability.traces.span import Value, text
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
    """Measures every request, and traces it where there is a `Tracer`."""

    __slots__ = ("_detail", "_measures", "_tracer")

    def __init__(self, measures: Measures, tracer: Tracer | None, detail: Live[Detail]) -> None:
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
            seconds = time.perf_counter() - began
            if traced is None or not traced.context.sampled:
                afterwards(self._measure, call, ending, seconds)
            else:
                afterwards(self._tell, call, traced, ending, seconds, traced.now(), detail.show, result)

    def _tell(
        self,
        call: Call,
        traced: Traced,
        ending: _Ending,
        seconds: float,
        at: int,
        show: Show | None,
        result: dict[str, Any] | None,
    ) -> None:
        self._measure(call, ending, seconds)
        _finish(call, traced, ending, at, show, result)

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
    @property
    def trail(self) -> Trail: ...


def facts(request: Observed, outcome: str) -> dict[str, Value]:
    """The attributes that the spans of all requests have; metadata and baggage by the keys that are configured."""
    notes = request.trail.notes
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


def _attributes(call: Call, outcome: str, tool: str, prompt: str) -> dict[str, Value]:
    notes, attributes = call.trail.notes, facts(call, outcome)
    attributes[names.MCP_METHOD] = text(call.method)
    attributes[names.JSONRPC_ID] = text(call.id) if isinstance(call.id, str) else str(call.id)
    attributes[names.MCP_VERSION] = text(call.client.version)
    attributes[names.SERVER] = call.server
    if tool:
        attributes[names.OPERATION] = names.EXECUTE_TOOL
        attributes[names.TOOL_NAME] = tool
    if prompt:
        attributes[names.PROMPT_NAME] = prompt
    uri = call.params.get("uri")
    if isinstance(uri, str):
        attributes[names.MCP_RESOURCE] = text(uri.partition("?")[0])
    if "upstream" in notes:
        attributes[names.UPSTREAM] = text(str(notes["upstream"]))
    return attributes


def _show(attributes: dict[str, Value], show: Show, call: Call, result: dict[str, Any] | None) -> None:
    """Add what a tool was asked and what it said. Of what was refused before a tool was found nothing is shown."""
    if names.TOOL_NAME not in attributes:
        return
    said = None if result is None else {key: value for key, value in result.items() if key != "_meta"}
    put(attributes, show, {names.TOOL_ARGUMENTS: call.params.get("arguments"), names.TOOL_RESULT: said})


def _finish(
    call: Call, traced: Traced, ending: _Ending, at: int, show: Show | None, result: dict[str, Any] | None
) -> None:
    tool, prompt = _named(call)
    attributes = _attributes(call, ending.outcome, tool, prompt)
    if show is not None:
        _show(attributes, show, call, result)
    method, target = call.method if call.method in _METHODS else names.OTHER, tool or prompt
    name = f"{method} {text(target)}" if target else method
    traced.finish(name, attributes, error=ending.error, events=events(call.trail.notes, at), at=at)


def take(trail: Trail, wanted: Wanted, headers: Mapping[str, Sequence[str]], meta: object = None) -> None:
    """Leave on `trail` what is wanted of a request's baggage, if there is any."""
    taken = wanted.of(headers, meta)
    if taken is not None:
        trail.notes[NOTE] = taken
