"""Requests that are refused before a pipeline sees them: no token, no JSON, no such path. Counted, recorded, traced.

Whoever is not known may send as many as the network carries. Of those only so many a minute get a record and a span;
the others are counted, and the next record says how many there were of which reason (docs/decisions/011).
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from mcp_gateway.core.allowance import WINDOW_SECONDS, Allowance
from mcp_gateway.core.call import Trail
from mcp_gateway.core.errors import GatewayError, InsufficientScope, Unauthenticated, UpstreamError
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.observability import names
from mcp_gateway.envelopes.observability.lines import LineSink, now
from mcp_gateway.envelopes.observability.metrics.measures import Measures
from mcp_gateway.envelopes.observability.paths import shown
from mcp_gateway.envelopes.observability.traces.context import HEADERS, Context, in_headers
from mcp_gateway.envelopes.observability.traces.span import Value, text
from mcp_gateway.envelopes.observability.traces.tracer import Tracer

EDGE: Final = "edge"
"""The plane of what never came as far as one."""

CONTROL: Final = "control"
CONNECT: Final = "connect"
"""The plane of the pages on which people connect accounts."""

PER_MINUTE: Final = 600

_DEFECT: Final = GatewayError.reason
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
_MOST_PRINCIPAL: Final = 320
_NETWORK_BITS: Final = 64
"""Whoever has one address of IPv6 has this many bits of them."""

_ROUTES: Final = ("/servers/", "/v1/", "/connect", "/.well-known/oauth-protected-resource", "/api/", "/reload")


class Refusals:
    """Takes every request that ends without having met a pipeline, once. Never waits, never raises."""

    __slots__ = ("_allowance", "_measures", "_since", "_sink", "_timer", "_tracer", "_untold")

    def __init__(
        self,
        sink: LineSink,
        measures: Measures,
        tracer: Tracer | None = None,
        *,
        most: int = PER_MINUTE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`most` is how many a minute of those who are not known are recorded one by one."""
        self._sink = sink
        self._measures = measures
        self._tracer = tracer
        self._allowance = Allowance(most, clock=clock)
        self._untold: Counter[str] = Counter()
        self._since = ""
        self._timer: asyncio.TimerHandle | None = None

    def __call__(
        self,
        plane: str,
        scope: Mapping[str, Any],
        request_id: str,
        error: GatewayError | str,
        status: int,
        *,
        server: str = "",
        principal: Principal | str | None = None,
    ) -> None:
        """A request was answered with `status`. `error` is why, or the reason's word; `scope` is ASGI's, or as much of
        it as is known; `server` the virtual server, where the path names one; `principal` may be the id alone."""
        reason = error if isinstance(error, str) else error.reason
        self._measures.refusals.add(1, plane, reason)
        who, agent = _asked_by(principal, error)
        client = scope.get("client")
        address = str(client[0]) if client else ""
        if not who and not self._allowance.take(_network(address)):
            self._leave_out(plane, reason)
            return
        record: dict[str, object] = {
            "time": now(),
            "event": "refused",
            "request_id": request_id,
            "plane": plane,
            "server": server or None,
            "principal": text(who, _MOST_PRINCIPAL) if who else None,
            "agent": None if agent is None else text(agent),
            "client_address": text(address) or None,
            "http_method": text(str(scope.get("method") or "")) or None,
            "path": shown(str(scope.get("path") or "")) or None,
            "status": status,
            "outcome": "failed" if reason == _DEFECT or isinstance(error, UpstreamError) else "refused",
            "reason": reason,
        }
        if isinstance(error, Unauthenticated) and error.why:
            record["why"] = error.why
        if self._tracer is not None:
            self._trace(self._tracer, scope, record, status)
        self._tell()
        self._sink.write(record)

    def at_the_edge(self, scope: Mapping[str, Any], request_id: str, reason: str, status: int) -> None:
        """The same of a request that the edge answered: it may be no HTTP at all."""
        self(EDGE, scope, request_id, reason, status)

    def close(self) -> None:
        """Say what is not said yet."""
        if self._timer is not None:
            self._timer.cancel()
        self._tell()

    def _leave_out(self, plane: str, reason: str) -> None:
        self._measures.unrecorded.add(1, plane, reason)
        self._untold[reason] += 1
        if self._timer is None:
            self._since = now()
            self._timer = asyncio.get_running_loop().call_later(WINDOW_SECONDS, self._tell)

    def _tell(self) -> None:
        """Record how many were left out, if any were."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        counted, self._untold = dict(sorted(self._untold.items())), Counter()
        self._sink.write({"time": now(), "event": "unrecorded", "since": self._since, "refusals": counted})

    def _trace(self, tracer: Tracer, scope: Mapping[str, Any], record: Mapping[str, object], status: int) -> None:
        traced = tracer.begin(Trail(), _ambient(scope))
        if not traced.context.sampled:
            return
        reason = str(record["reason"])
        method = scope.get("method")
        method = method if method in _METHODS else names.OTHER
        path = str(record["path"] or "")
        route = next((each for each in _ROUTES if path.startswith(each)), "")
        attributes: dict[str, Value] = {
            names.HTTP_METHOD: method,
            names.HTTP_STATUS: status,
            names.URL_PATH: path,
            names.CLIENT_ADDRESS: str(record["client_address"] or ""),
            names.REQUEST_ID: str(record["request_id"]),
            names.OUTCOME: str(record["outcome"]),
            names.ERROR_TYPE: reason,
        }
        for name, key in ((names.SERVER, "server"), (names.PRINCIPAL, "principal")):
            if record[key] is not None:
                attributes[name] = str(record[key])
        # By the conventions for HTTP an answer below 500 is no error of a server, but has a type.
        failed = status >= _SERVERS_FAULT
        if failed:
            del attributes[names.ERROR_TYPE]
        traced.finish(f"{method} {route}".rstrip(), attributes, error=reason if failed else None)


_SERVERS_FAULT: Final = 500
_NOTHING: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})


def _asked_by(principal: Principal | str | None, error: GatewayError | str) -> tuple[str, str | None]:
    """The id of whoever asked, empty for who is not known, and the agent that they came through."""
    if isinstance(principal, Principal):
        return principal.id, principal.client_id
    return principal or (error.principal if isinstance(error, InsufficientScope) else ""), None


def _ambient(scope: Mapping[str, Any]) -> Context | None:
    given: dict[str, tuple[str, ...]] = {}
    for name, value in scope.get("headers", ()):
        key = name.decode("latin-1")
        if key in HEADERS:
            given[key] = (*given.get(key, ()), value.decode("latin-1"))
    return in_headers(given or _NOTHING)


def _network(address: str) -> str:
    """Whose share a refusal takes."""
    if ":" not in address:
        return address
    try:
        whole = int(ipaddress.IPv6Address(address.partition("%")[0]))
    except ValueError:
        return address
    return f"{whole >> (128 - _NETWORK_BITS):x}::"
