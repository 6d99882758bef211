"""The span of a request to an upstream, and the context that goes with it: in ``_meta`` (SEP-414) and in HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from urllib.parse import urlsplit

from mcp_gateway.calls.kinds import Invocation, Kind, Result
from mcp_gateway.core.errors import GatewayError, Rejected
from mcp_gateway.envelopes.observability import names
from mcp_gateway.envelopes.observability.traces.baggage import NOTE, passed_on
from mcp_gateway.envelopes.observability.traces.context import BAGGAGE, HEADERS
from mcp_gateway.envelopes.observability.traces.span import SpanKind, Value, text
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
    theirs = {key: value for key, value in invocation.meta.items() if key not in HEADERS}
    passed = passed_on(invocation.call.trail)
    ours = {**context.fields(), BAGGAGE: passed} if passed else context.fields()
    started = traced.now()
    error: str | None = None
    code: int | None = None
    try:
        result = await invoke(replace(invocation, meta={**theirs, **ours}))
        if result.get("isError") is True:
            error = names.TOOL_ERROR
        return result
    except asyncio.CancelledError:
        error = "cancelled"
        raise
    except Rejected as rejected:
        code = rejected.code
        error = str(code)
        raise
    except GatewayError as failed:
        error = failed.reason
        raise
    except BaseException:
        error = "internal_error"
        raise
    finally:
        if context.sampled:
            attributes = _attributes(invocation, peer)
            if code is not None:
                attributes[names.RPC_STATUS] = str(code)
            times = (started, traced.now())
            traced.put(_name(invocation), SpanKind.CLIENT, context, times, attributes, error)


def with_baggage(invocation: Invocation) -> Invocation:
    """`invocation`, not traced, with what goes on of its baggage."""
    passed = passed_on(invocation.call.trail)
    return replace(invocation, meta={**invocation.meta, BAGGAGE: passed}) if passed else invocation


def carried(invocation: Invocation, fields: Fields) -> Fields:
    """`fields` with the context of a traced request and its baggage, which stand in its ``_meta`` already."""
    notes, meta = invocation.call.trail.notes, invocation.meta
    if TRAIL in notes:
        return {**fields, **{name: meta[name] for name in HEADERS if name in meta}}
    return {**fields, BAGGAGE: meta[BAGGAGE]} if NOTE in notes and BAGGAGE in meta else fields


def _name(invocation: Invocation) -> str:
    method = invocation.kind.value
    return f"{method} {text(invocation.target)}" if invocation.kind in (Kind.TOOL, Kind.PROMPT) else method


def _attributes(invocation: Invocation, peer: Peer) -> dict[str, Value]:
    attributes: dict[str, Value] = {
        **peer,
        names.MCP_METHOD: invocation.kind.value,
        names.UPSTREAM: invocation.upstream,
        names.REQUEST_ID: invocation.call.request_id,
    }
    match invocation.kind:
        case Kind.TOOL:
            attributes[names.OPERATION] = names.EXECUTE_TOOL
            attributes[names.TOOL_NAME] = text(invocation.target)
        case Kind.PROMPT:
            attributes[names.PROMPT_NAME] = text(invocation.target)
        case Kind.RESOURCE:
            attributes[names.MCP_RESOURCE] = text(invocation.target.partition("?")[0])
    return attributes
