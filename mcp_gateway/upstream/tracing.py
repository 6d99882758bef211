"""The span of a request to an upstream, and the context that goes with it: in ``_meta`` (SEP-414) and in HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from urllib.parse import urlsplit

from mcp_gateway.calls.kinds import Invocation, Kind, Result
from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import GatewayError, Rejected
from mcp_gateway.envelopes.observability import names
from mcp_gateway.envelopes.observability.traces.baggage import NOTE, passed_on
from mcp_gateway.envelopes.observability.traces.context import BAGGAGE, HEADERS, Context
from mcp_gateway.envelopes.observability.traces.span import MAX_TEXT, Span, SpanKind, Value, text
from mcp_gateway.envelopes.observability.traces.tracer import TRAIL, Traced
from mcp_gateway.upstream.credentials import Fields
from mcp_gateway.upstream.spec import HttpSpec, UpstreamSpec

Peer = Mapping[str, Value]
"""The attributes of an upstream's address, the same for all requests."""


def peer_of(spec: UpstreamSpec) -> Peer:
    """How and where the upstream is reached."""
    if not isinstance(spec, HttpSpec):
        return MappingProxyType({names.TRANSPORT: "pipe"})
    parts = urlsplit(spec.url)
    address: dict[str, Value] = {names.TRANSPORT: "tcp", names.SERVER_ADDRESS: parts.hostname or ""}
    return MappingProxyType({**address, names.SERVER_PORT: parts.port or (443 if parts.scheme == "https" else 80)})


async def ask(
    invoke: Callable[[Invocation], Awaitable[Result]], invocation: Invocation, traced: Traced, peer: Peer
) -> Result:
    """Carry out `invocation` as part of the traced request that led to it. Raises what `invoke` raises."""
    context = traced.child()
    meta: Json = context.fields()
    if passed := passed_on(invocation.call.trail):
        meta[BAGGAGE] = passed
    if invocation.meta:
        meta = {**{key: value for key, value in invocation.meta.items() if key not in HEADERS}, **meta}
    started = traced.now()
    error: str | None = None
    code = ""
    try:
        result = await invoke(invocation._replace(meta=meta))
        if result.get("isError") is True:
            error = names.TOOL_ERROR
        return result
    except asyncio.CancelledError:
        error = "cancelled"
        raise
    except Rejected as rejected:
        error = code = str(rejected.code)
        raise
    except GatewayError as failed:
        error = failed.reason
        raise
    except BaseException:
        error = "internal_error"
        raise
    finally:
        if context.sampled:
            times = (started, traced.now())
            target, upstream, request_id = invocation.target[:MAX_TEXT], invocation.upstream, invocation.call.request_id
            above = traced.context
            traced.tell(
                partial(_span, invocation.kind, target, upstream, request_id, peer, context, above, times, error, code)
            )


def with_baggage(invocation: Invocation) -> Invocation:
    """`invocation`, not traced, with what goes on of its baggage."""
    passed = passed_on(invocation.call.trail)
    return invocation._replace(meta={**invocation.meta, BAGGAGE: passed}) if passed else invocation


def carried(invocation: Invocation, fields: Fields) -> Fields:
    """`fields` with the context of a traced request and its baggage, which stand in its ``_meta`` already."""
    notes, meta = invocation.call.trail.notes, invocation.meta
    if TRAIL in notes:
        carried = dict(fields)
        for name in HEADERS:
            if name in meta:
                carried[name] = meta[name]
        return carried
    return {**fields, BAGGAGE: meta[BAGGAGE]} if NOTE in notes and BAGGAGE in meta else fields


def _span(
    kind: Kind,
    target: str,
    upstream: str,
    request_id: str,
    peer: Peer,
    context: Context,
    parent: Context,
    times: tuple[int, int],
    error: str | None,
    code: str,
) -> Span:
    name = method = kind.value
    attributes: dict[str, Value] = {
        **peer,
        names.MCP_METHOD: method,
        names.UPSTREAM: upstream,
        names.REQUEST_ID: request_id,
    }
    if kind is Kind.TOOL:
        attributes[names.OPERATION] = names.EXECUTE_TOOL
        attributes[names.TOOL_NAME] = named = text(target)
        name = f"{method} {named}"
    elif kind is Kind.PROMPT:
        attributes[names.PROMPT_NAME] = named = text(target)
        name = f"{method} {named}"
    elif kind is Kind.RESOURCE:
        attributes[names.MCP_RESOURCE] = text(target.partition("?")[0])
    if code:
        attributes[names.RPC_STATUS] = code
    return Span(name, SpanKind.CLIENT, context, parent, False, *times, attributes, error)
