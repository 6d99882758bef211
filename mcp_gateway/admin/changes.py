"""What is changed over the control plane: one record of each request that may change something and was let in."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from mcp_gateway.admin.roles import Caller, Route
from mcp_gateway.core.asgi.types import REQUEST_ID
from mcp_gateway.core.errors import GatewayError
from mcp_gateway.envelopes.observability.lines import LineSink, now
from mcp_gateway.envelopes.observability.metrics.measures import Measures
from mcp_gateway.envelopes.observability.paths import shown
from mcp_gateway.envelopes.observability.refusals import CONTROL
from mcp_gateway.envelopes.observability.traces.span import text

CHANGES_NOTHING: Final = frozenset({"GET", "HEAD"})

REASON: Final = "mcp_gateway.admin.reason"
"""Key in `scope` under which an answer that is none leaves why."""

_WORDS: Final[Mapping[int, str]] = MappingProxyType(
    {404: "not_found", 405: "method_not_allowed", 422: "invalid_request"}
)
"""Why, where the framework answered by itself."""

_REFUSED: Final = 400
_FAILED: Final = 500
_MOST_PRINCIPAL: Final = 320


class Changes:
    """Writes the records. Never waits, never raises."""

    __slots__ = ("_measures", "_sink")

    def __init__(self, sink: LineSink, measures: Measures) -> None:
        self._sink = sink
        self._measures = measures

    def __call__(
        self, scope: Mapping[str, Any], caller: Caller, route: Route | None, status: int | None, started: float
    ) -> None:
        """A request of `caller`, begun at `started` on the performance counter, was answered with `status`.

        None where it ended without an answer: what became of it is not known then. `route` is None where there is none.
        """
        outcome, reason = _ended(scope, status)
        if reason is not None:
            self._measures.refusals.add(1, CONTROL, reason)
        client = scope.get("client")
        self._sink.write(
            {
                "time": now(),
                "event": "control",
                "request_id": scope[REQUEST_ID],
                "principal": text(caller.principal, _MOST_PRINCIPAL) or None,
                "role": caller.role.word,
                "client_address": text(str(client[0])) if client else None,
                "http_method": text(scope["method"]),
                "route": None if route is None else route[1].replace(":path}", "}"),
                "path": shown(scope["path"]),
                "status": status,
                "outcome": outcome,
                "reason": reason,
                "duration_ms": round((time.perf_counter() - started) * 1000, 3),
            }
        )


def reason_of(scope: Mapping[str, Any], status: int) -> str:
    """Why a request was answered with `status`, which is no success."""
    word: str = scope.get(REASON) or _WORDS.get(status, "invalid_request" if status < _FAILED else GatewayError.reason)
    return word


def _ended(scope: Mapping[str, Any], status: int | None) -> tuple[str, str | None]:
    if status is None:
        return "failed", "unanswered"
    if status < _REFUSED:
        return "ok", None
    return "refused" if status < _FAILED else "failed", reason_of(scope, status)
