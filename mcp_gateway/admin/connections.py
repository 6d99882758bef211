"""The control plane's view of accounts that people have connected."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from mcp_gateway.admin.control import Control
from mcp_gateway.core.errors import IdentityUnavailable


def connection_routes(app: FastAPI, control: Control) -> None:
    """Add them to `app`."""

    @app.exception_handler(IdentityUnavailable)
    async def unavailable(_: object, error: IdentityUnavailable) -> JSONResponse:
        headers = {"Retry-After": str(max(1, round(error.retry_after)))}
        return JSONResponse({"detail": error.message, "reason": error.reason}, status_code=503, headers=headers)

    @app.get("/api/connections", tags=["connections"], summary="Accounts that are connected, without their secrets")
    async def connections(principal: str | None = None, upstream: str | None = None) -> list[dict[str, Any]]:
        return await control.connections(principal, upstream)

    # A subject may hold slashes; the name of an upstream does not.
    @app.delete(
        "/api/connections/{principal:path}/{upstream}",
        tags=["connections"],
        summary="Delete a connection and tell its authorization server (RFC 7009)",
    )
    async def disconnect(principal: str, upstream: str) -> JSONResponse:
        done = await control.disconnect(principal, upstream)
        if done is None:
            return JSONResponse({"detail": "There is no such connection"}, status_code=404)
        return JSONResponse(done)
