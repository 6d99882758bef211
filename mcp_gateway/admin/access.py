"""The control plane's view of who sees what, as the running policies have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import FastAPI, Query
from fastapi.responses import JSONResponse

from mcp_gateway.admin.control import Control
from mcp_gateway.admin.shapes import Problem


def access_routes(app: FastAPI, control: Control) -> None:
    """Add them to `app`."""

    @app.get("/api/identities", tags=["access"], summary="Principals and teams that the running policies name")
    async def identities() -> list[str]:
        return control.identities()

    @app.get(
        "/api/access",
        tags=["access"],
        summary="What a principal sees of every virtual server",
        response_model=dict[str, Any],
        responses={404: {"model": Problem, "description": "Nobody can be called that"}},
    )
    async def access(
        who: Annotated[str, Query(alias="as", description="'corp|alice', 'virtual_account:ci', 'team:x', 'anybody'")],
        team: Annotated[Sequence[str], Query()] = (),
        scope: Annotated[Sequence[str], Query()] = (),
        email: str | None = None,
        claim: Annotated[Sequence[str], Query(description="NAME=VALUE; repeatable")] = (),
    ) -> JSONResponse:
        claims: dict[str, list[str]] = {}
        for each in claim:
            name, _, value = each.partition("=")
            claims.setdefault(name, []).append(value)
        found: dict[str, Any] = await control.access(
            who, teams=tuple(team), scopes=tuple(scope), email=email, claims=claims
        )
        return JSONResponse(found)
