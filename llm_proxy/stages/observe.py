"""The outermost stage of the LLM plane: the record, the measures and the spans of each request and of its attempts.

Nothing of a request's content is in measures and spans, unless the configuration asks for it in spans.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from llm_proxy.asking import Ask, Attempt, Reply
from llm_proxy.stages.content import show_content
from llm_proxy.stages.record import Record
from mcp_gateway.core.afterwards import afterwards
from mcp_gateway.core.errors import Invalid
from mcp_gateway.core.live import Live
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.envelopes.observability import names
from mcp_gateway.envelopes.observability.detail import Detail, Show
from mcp_gateway.envelopes.observability.ending import ended
from mcp_gateway.envelopes.observability.metrics.histogram import OVERFLOW
from mcp_gateway.envelopes.observability.metrics.measures import LLM, Measures
from mcp_gateway.envelopes.observability.observe import facts, take
from mcp_gateway.envelopes.observability.record import End
from mcp_gateway.envelopes.observability.traces.context import in_headers
from mcp_gateway.envelopes.observability.traces.events import events
from mcp_gateway.envelopes.observability.traces.span import SpanKind, Value, text
from mcp_gateway.envelopes.observability.traces.tracer import Traced, Tracer

_NANO: Final = 1_000_000_000
_SECOND: Final = 2
"""Tokens: what comes after the first."""

_PROVIDERS: Final[Mapping[str, str]] = MappingProxyType({"gemini": "gcp.gemini"})


class _Ending(NamedTuple):
    """How a request ended; `error` is its `error.type`. `at` is the same moment as `end.at`, in nanoseconds on the
    clock of its span, 0 where it has none."""

    outcome: str
    reason: str | None
    error: str | None
    end: End
    at: int


class Observe:
    """Records and measures every request and each of its attempts, and traces them where there is a `Tracer`."""

    __slots__ = ("_detail", "_families", "_measures", "_record", "_tracer")

    def __init__(
        self,
        record: Record,
        measures: Measures,
        tracer: Tracer | None,
        families: Mapping[str, str],
        detail: Live[Detail],
    ) -> None:
        """`families` says of each provider which family it is of."""
        self._record = record
        self._families = {name: _PROVIDERS.get(family, family) for name, family in families.items()}
        self._measures = measures
        self._tracer = tracer
        self._detail = detail

    async def __call__(self, call: Ask, call_next: Handler[Ask, Reply]) -> Reply:
        began = time.perf_counter()
        detail = self._detail.current
        traced, reply = None, None
        if self._tracer is not None:
            traced = self._tracer.begin(call.trail, in_headers(call.headers) if call.headers else None)
        if detail.baggage is not None:
            take(call.trail, detail.baggage, call.headers)
        outcome, reason, error = "ok", None, None
        try:
            reply = await call_next(call)
            return reply
        except BaseException as failed:
            outcome, reason = ended(failed)
            error = None if isinstance(failed, Invalid) else reason
            raise
        finally:
            if outcome == "ok" and call.out.gone:
                outcome, reason, error = "disconnected", "client_disconnected", "client_disconnected"
            at = 0 if traced is None else traced.now()
            end = End(time.time(), time.perf_counter() - began)
            afterwards(self._tell, call, reply, _Ending(outcome, reason, error, end, at), traced, detail.show)

    def _tell(self, call: Ask, reply: Reply | None, ending: _Ending, traced: Traced | None, show: Show | None) -> None:
        self._record(call, reply, ending.outcome, ending.reason, ending.end)
        self._measure(call, ending.reason, ending.error or "", ending.end.seconds)
        if traced is not None and traced.context.sampled:
            _finish(call, traced, ending, self._families, show, reply)

    def _measure(self, call: Ask, reason: str | None, error: str, seconds: float) -> None:
        measures, notes = self._measures, call.trail.notes
        operation = _operation(call)
        keys = measures.keys(notes)
        attempts = call.flow.attempts
        # What never reached a target may be a name that a client made up.
        asked = call.asked.model if attempts or "rule" in notes or "cache" in notes else OVERFLOW
        measures.server_duration.observe(seconds, operation, asked, error, *keys)
        if attempts and attempts[-1].first_token is not None:
            first = attempts[-1].started + attempts[-1].first_token - attempts[0].started
            measures.server_first.observe(max(first, 0.0), operation, asked)
            if (each := _per_token(attempts[-1])) is not None:
                measures.server_per_token.observe(each, operation, asked)
        for attempt in attempts:
            self._attempt(attempt, operation, keys)
        if reason is not None:
            measures.refusals.add(1, LLM, reason)
        measures.noted(LLM, notes)

    def _attempt(self, attempt: Attempt, operation: str, keys: tuple[str, ...]) -> None:
        measures = self._measures
        model = attempt.target.removeprefix(f"{attempt.provider}/")
        provider = self._families.get(attempt.provider, attempt.provider)
        measures.attempts.observe(attempt.duration, operation, provider, model, _error(attempt) or "", attempt.provider)
        if attempt.first_token is not None:
            measures.client_first.observe(attempt.first_token, operation, provider, model)
        if attempt.usage is not None:
            tokens = measures.client_tokens
            tokens.observe(attempt.usage.input, operation, provider, model, "input", *keys)
            tokens.observe(attempt.usage.output, operation, provider, model, "output", *keys)
        if attempt.cost:
            measures.cost.add(attempt.cost / _NANO, attempt.provider, model, *keys)


def _per_token(attempt: Attempt) -> float | None:
    """Seconds for each token after the first of a stream that ended well; None where nobody told how many came."""
    used, first = attempt.usage, attempt.first_token
    if used is None or first is None or used.output < _SECOND or attempt.error or attempt.estimated:
        return None
    return max(0.0, attempt.duration - first) / (used.output - 1)


def _operation(call: Ask) -> str:
    return names.EMBEDDINGS if call.dialect.wire == "embeddings" else names.CHAT


def _error(attempt: Attempt) -> str | None:
    """The `error.type` of an attempt: the status it was answered with, else that something else went wrong."""
    if not attempt.error:
        return None
    return str(attempt.status) if attempt.status not in (0, 200) else names.OTHER


def _attributes(call: Ask, outcome: str) -> dict[str, Value]:
    notes, attributes = call.trail.notes, facts(call, call.trail.notes, outcome)
    attributes[names.OPERATION] = _operation(call)
    attributes[names.REQUEST_MODEL] = text(call.asked.model)
    attributes[names.REQUEST_STREAM] = call.asked.stream
    attributes[names.DIALECT] = call.dialect.wire
    if call.asked.output_limit is not None:
        attributes[names.REQUEST_MAX_TOKENS] = call.asked.output_limit
    for attribute, note in ((names.RULE, "rule"), (names.CACHE, "cache")):
        if note in notes:
            attributes[attribute] = text(str(notes[note]))
    attempts = call.flow.attempts
    if attempts and not attempts[-1].error:
        attributes[names.RESPONSE_MODEL] = attempts[-1].target.removeprefix(f"{attempts[-1].provider}/")
    return attributes


def _finish(
    call: Ask, traced: Traced, end: _Ending, families: Mapping[str, str], show: Show | None, reply: Reply | None
) -> None:
    attributes = _attributes(call, end.outcome)
    if show is not None:
        show_content(attributes, show, call, reply)
    operation = _operation(call)
    for attempt in call.flow.attempts:
        _tell(call, traced, attempt, operation, families.get(attempt.provider, attempt.provider))
    name = f"{operation} {text(call.asked.model)}"
    traced.finish(name, attributes, error=end.error, events=events(call.trail.notes, end.at), at=end.at)


def _tell(call: Ask, traced: Traced, attempt: Attempt, operation: str, family: str) -> None:
    """The span of one attempt, under the context that was sent with it."""
    context = traced.pending.get(attempt.number) or traced.child()
    model = text(attempt.target.removeprefix(f"{attempt.provider}/"))
    attributes: dict[str, Value] = {
        names.OPERATION: operation,
        names.PROVIDER: family,
        names.OWN_PROVIDER: attempt.provider,
        names.REQUEST_MODEL: model,
        names.REQUEST_STREAM: call.asked.stream,
        names.ATTEMPT: attempt.number,
    }
    if attempt.status:
        attributes[names.HTTP_STATUS] = attempt.status
    if attempt.first_token is not None:
        attributes[names.FIRST_CHUNK] = attempt.first_token
    if attempt.usage is not None:
        used = attempt.usage
        for name, tokens in (
            (names.INPUT_TOKENS, used.input),
            (names.OUTPUT_TOKENS, used.output),
            (names.CACHE_READ_TOKENS, used.cache_read),
            (names.CACHE_WRITE_TOKENS, used.cache_write),
            (names.REASONING_TOKENS, used.reasoning),
        ):
            if tokens or name in (names.INPUT_TOKENS, names.OUTPUT_TOKENS):
                attributes[name] = tokens
    if attempt.estimated:
        attributes[names.ESTIMATED] = True
    if attempt.cost is not None:
        attributes[names.COST] = attempt.cost / _NANO
    started = max(int(attempt.started * _NANO), traced.started)
    times = (started, started + int(attempt.duration * _NANO))
    traced.put(f"{operation} {model}", SpanKind.CLIENT, context, times, attributes, _error(attempt))
