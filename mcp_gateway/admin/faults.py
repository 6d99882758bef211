"""How the control plane says what is wrong: one table of what routes raise."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from mcp_gateway.admin.changes import REASON
from mcp_gateway.admin.cursors import BadCursor
from mcp_gateway.admin.lookups import Busy, NoRecord, RecordUnreadable
from mcp_gateway.admin.moments import BadMoment
from mcp_gateway.admin.shapes import Problem
from mcp_gateway.core.asgi.types import Receive, Scope, Send
from mcp_gateway.core.errors import IdentityUnavailable
from mcp_gateway.core.named import UnknownPrincipal
from mcp_gateway.envelopes.observability.ledger.usage import TooMany, UnknownKey

UNREADABLE: Final[Mapping[int | str, dict[str, Any]]] = MappingProxyType(
    {
        400: {"model": Problem, "description": "A cursor or a time that means nothing"},
        409: {"model": Problem, "description": "No record is kept (`telemetry.audit.path`)"},
        503: {"model": Problem, "description": "The record cannot be read now"},
    }
)
"""What a route that reads the record may answer."""

ROLE_REQUIRED: Final = "role_required"
"""The reason where the caller's role is too little."""


class Unlike(JSONResponse):
    """An answer that is not what was asked for. It leaves its reason in the scope, for the record of the request."""

    def __init__(self, status: int, reason: str, content: object, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content, status_code=status, headers=dict(headers or {}))
        self.reason = reason

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[REASON] = self.reason
        await super().__call__(scope, receive, send)


class NotYours(Exception):
    """More was asked for than the caller's role shows. `role` is the one that it takes."""

    def __init__(self, role: str) -> None:
        super().__init__(role)
        self.role = role


def handle_faults(app: FastAPI) -> None:
    """Have `app` answer them."""

    @app.exception_handler(IdentityUnavailable)
    async def unavailable(_: object, error: IdentityUnavailable) -> JSONResponse:
        return problem(503, error.message, error.reason, {"Retry-After": str(max(1, round(error.retry_after)))})

    @app.exception_handler(NoRecord)
    async def no_record(_: object, __: NoRecord) -> JSONResponse:
        told = "no record of calls is kept: there is no `telemetry.audit.path` in the configuration"
        return problem(409, told, "no_record")

    @app.exception_handler(RecordUnreadable)
    async def unreadable(_: object, error: RecordUnreadable) -> JSONResponse:
        return problem(503, str(error), "record_unreadable", {"Retry-After": "5"})

    @app.exception_handler(Busy)
    async def busy(_: object, __: Busy) -> JSONResponse:
        return problem(503, "too many look-ups in the record wait already", "overloaded", {"Retry-After": "1"})

    @app.exception_handler(BadCursor)
    async def bad_cursor(_: object, __: BadCursor) -> JSONResponse:
        return problem(400, "`cursor` is not one that this list gave", "bad_cursor")

    @app.exception_handler(BadMoment)
    async def bad_moment(_: object, error: BadMoment) -> JSONResponse:
        return problem(400, str(error), "bad_time")

    @app.exception_handler(UnknownKey)
    async def unknown_key(_: object, error: UnknownKey) -> JSONResponse:
        return problem(400, f"there can be no key {str(error)!a}", "unknown_key")

    @app.exception_handler(TooMany)
    async def too_many(_: object, error: TooMany) -> JSONResponse:
        return problem(422, f"{error}: group by less, or ask for a shorter time", "too_many_groups")

    @app.exception_handler(UnknownPrincipal)
    async def unknown_principal(_: object, error: UnknownPrincipal) -> JSONResponse:
        return problem(404, str(error), "unknown_principal")

    @app.exception_handler(NotYours)
    async def not_yours(_: object, error: NotYours) -> JSONResponse:
        detail = f"this needs the role {error.role}"
        return Unlike(403, ROLE_REQUIRED, {"detail": detail, "reason": ROLE_REQUIRED, "role": error.role})


def problem(status: int, detail: str, reason: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An answer that says what is wrong."""
    return Unlike(status, reason, {"detail": detail, "reason": reason}, headers)
