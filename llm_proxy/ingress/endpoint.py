"""One POST in one dialect: read, pass through the pipeline, answer; in the dialect's own shape whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from llm_proxy.asking import FORWARDED, Ask, Flow, Reply
from llm_proxy.completion.dialect import Dialect
from llm_proxy.faults import UnsupportedMedia, headers_of, status_of
from llm_proxy.ingress.embeddings import Embeddings
from llm_proxy.ingress.out import HttpOut
from llm_proxy.stages.cache import HEADERS as CACHE_HEADERS
from mcp_gateway.core import strictjson
from mcp_gateway.core.asgi.body import ClientDisconnected, read_body
from mcp_gateway.core.asgi.disconnect import watch
from mcp_gateway.core.asgi.types import Receive, Scope
from mcp_gateway.core.errors import GatewayError, Invalid
from mcp_gateway.core.metadata import HEADERS as METADATA_HEADERS
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.strictjson import JsonLimits
from mcp_gateway.envelopes.observability.metrics.measures import LLM
from mcp_gateway.envelopes.observability.refusals import Refusals
from mcp_gateway.envelopes.observability.traces.context import HEADERS as TRACE_HEADERS
from mcp_gateway.envelopes.safety.header import HEADERS as GUARDRAIL_HEADERS

_JSON: Final = b"application/json"
READ: Final = frozenset(
    name.encode() for name in (*METADATA_HEADERS, *GUARDRAIL_HEADERS, *CACHE_HEADERS, *TRACE_HEADERS, *FORWARDED)
)
"""The headers that the plane always reads, or passes on to a provider that speaks the client's dialect."""

Report = Callable[[str, Exception], None]
"""Told the request id and the exception of what should not have happened."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on one request: its body in bytes, and its JSON."""

    body: int
    json: JsonLimits


@dataclass(frozen=True, slots=True)
class Serving:
    """What serves a request, of one snapshot. `timeout` is in seconds.

    With `drain`, a request whose client goes away is worked on to its end. `headers` are those that are read of a
    request, in lower case: credentials are not among them, so that what lives as long as a request cannot leak one.
    """

    handler: Handler[Ask, Reply]
    snapshot: str
    timeout: float
    drain: bool
    headers: frozenset[bytes] = READ


class Endpoint:
    """Serves one dialect."""

    __slots__ = ("_dialect", "_limits", "_loop", "_refused", "_report")

    def __init__(self, dialect: Dialect | Embeddings, limits: Limits, report: Report, refused: Refusals) -> None:
        self._refused = refused
        self._dialect = dialect
        self._limits = limits
        self._report = report
        # Found once: in CPython 3.11 finding the running loop costs a system call.
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(
        self, scope: Scope, receive: Receive, out: HttpOut, principal: Principal, serving: Serving
    ) -> None:
        ask: Ask | None = None
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None

        def leave() -> None:
            out.leave()
            if not serving.drain:
                task.cancel()

        try:
            headers = _told(scope["headers"], serving.headers)
            ask = self._ask(loop, scope, await read_body(receive, self._limits.body), headers, out, principal, serving)
            with watch(receive, leave, scope=scope):
                reply = await serving.handler(ask)
        except ClientDisconnected:
            return
        except asyncio.CancelledError:
            if not out.gone or serving.drain:
                raise
            task.uncancel()  # the client went away, and nothing is done for it any more
        except Exception as error:
            fault = error if isinstance(error, GatewayError) else GatewayError("internal error")
            if fault is not error:
                self._report(out.request_id, error)
            if ask is None:
                self._refused(LLM, scope, out.request_id, fault, status_of(fault), principal=principal)
            await self.refuse(out, fault)
        else:
            if reply.body is None:
                await out.end()
            else:
                await out.whole(200, reply.raw or strictjson.dumps(reply.body))

    async def refuse(self, out: HttpOut, error: GatewayError) -> None:
        """Answer with `error`; on a stream that has begun, as its last event."""
        status = status_of(error)
        if out.committed:
            await out.end(self._dialect.stream_error(error, status, out.request_id))
        else:
            body = self._dialect.error(error, status, out.request_id)
            await out.whole(status, strictjson.dumps(body), headers_of(error))

    def _ask(
        self,
        loop: asyncio.AbstractEventLoop,
        scope: Scope,
        raw: bytes,
        headers: Mapping[str, tuple[str, ...]],
        out: HttpOut,
        principal: Principal,
        serving: Serving,
    ) -> Ask:
        body = strictjson.loads(raw, self._limits.json)
        if not isinstance(body, dict):
            raise Invalid("the body must be an object")
        client = scope.get("client")
        return Ask(
            out.request_id,
            self._dialect,
            self._dialect.asked(body),
            body,
            len(raw),
            principal,
            out,
            loop.time() + serving.timeout,
            serving.snapshot,
            client[0] if client else "::",
            headers,
            out.trail,
            Flow(),
        )


def _told(headers: Iterable[tuple[bytes, bytes]], wanted: frozenset[bytes]) -> Mapping[str, tuple[str, ...]]:
    """Those of the headers that are wanted. Raises `UnsupportedMedia` where the body is said to be no JSON."""
    media = b""
    told: dict[str, tuple[str, ...]] = {}
    for key, value in headers:
        if key == b"content-type":
            media = value
        if key in wanted:
            name = key.decode("latin-1")
            told[name] = (*told.get(name, ()), value.decode("latin-1"))
    if media != _JSON and media.partition(b";")[0].strip().lower() != _JSON:
        raise UnsupportedMedia("Content-Type must be application/json")
    return told
