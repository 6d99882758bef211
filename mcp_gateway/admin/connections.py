"""The control plane's view of accounts that people have connected."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query
from fastapi.responses import JSONResponse

from mcp_gateway.admin.control import Control
from mcp_gateway.admin.cursors import BadCursor, decode, encode
from mcp_gateway.admin.faults import problem
from mcp_gateway.admin.queries import Cursor
from mcp_gateway.admin.shapes import ConnectionShape, Ended, Listed, Problem

MOST: Final = 1000
"""Connections of a page."""

_KIND: Final = "connections"
_UNAVAILABLE: Final[Mapping[str, Any]] = MappingProxyType(
    {"model": Problem, "description": "The vault cannot be asked now"}
)


def connection_routes(app: FastAPI, control: Control) -> None:
    """Add them to `app`."""

    @app.get(
        "/api/connections",
        tags=["connections"],
        summary="Accounts that are connected, without their secrets",
        responses={400: {"model": Problem, "description": "A cursor that means nothing"}, 503: dict(_UNAVAILABLE)},
    )
    async def connections(
        principal: str | None = None,
        upstream: str | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
        cursor: Cursor = None,
    ) -> Listed[ConnectionShape]:
        after = None if cursor is None else _after(cursor)
        found = await control.connections(principal, upstream, after=after, most=limit + 1)
        page = found[:limit]
        last = [page[-1]["principal"], page[-1]["upstream"]] if len(found) > limit else None
        items = [ConnectionShape(**each) for each in page]
        return Listed(items=items, next=None if last is None else encode(_KIND, last))

    # A subject may hold slashes; the name of an upstream does not.
    @app.delete(
        "/api/connections/{principal:path}/{upstream}",
        tags=["connections"],
        summary="Delete a connection and tell its authorization server (RFC 7009)",
        response_model=Ended,
        responses={404: {"model": Problem, "description": "There is no such connection"}, 503: dict(_UNAVAILABLE)},
    )
    async def disconnect(principal: str, upstream: str) -> JSONResponse:
        done = await control.disconnect(principal, upstream)
        if done is None:
            return problem(404, "there is no such connection", "unknown_connection")
        return JSONResponse(done)


def _after(cursor: str) -> tuple[str, str]:
    found: Any = decode(_KIND, cursor)
    if not isinstance(found, list) or len(found) != 2 or not all(isinstance(each, str) for each in found):
        raise BadCursor
    return found[0], found[1]
