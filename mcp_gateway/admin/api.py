"""The control plane as a FastAPI app. Never mounted on the data plane's port, and never served without its `Guard`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse

from mcp_gateway.admin.access import access_routes
from mcp_gateway.admin.connections import connection_routes
from mcp_gateway.admin.control import Control
from mcp_gateway.admin.decisions import decision_routes
from mcp_gateway.admin.described import Described
from mcp_gateway.admin.faults import Unlike, handle_faults, problem
from mcp_gateway.admin.lookups import Lookups
from mcp_gateway.admin.refusals import refusal_routes
from mcp_gateway.admin.shapes import (
    Alive,
    Definitions,
    Problem,
    Ready,
    ReloadOutcome,
    Server,
    ServerDetail,
    SnapshotShape,
    Upstream,
)
from mcp_gateway.admin.usage import usage_routes
from mcp_gateway.core.errors import ConfigurationError

_NO_SUCH: Final[Mapping[str, Any]] = MappingProxyType({"model": Problem, "description": "There is none of that name"})


def build(control: Control, *, version: str, metrics: bool = True, record: Path | None = None) -> FastAPI:
    """The routes of the control plane over `control`, /metrics among them if `metrics` says so.

    `record` is the folder of the record of calls, None where none is kept. Call it inside the running loop.
    """
    app = Described(
        title="MCP gateway control plane",
        version=version,
        description="Health, reload and inspection. Serves no agents.",
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
    )
    handle_faults(app)
    _health_routes(app, control)
    if metrics:
        _metrics_route(app, control)
    _inspect_routes(app, control)
    connection_routes(app, control)
    access_routes(app, control)
    usage_routes(app, control)
    lookups = Lookups(record)
    decision_routes(app, lookups)
    refusal_routes(app, lookups)
    return app


def _health_routes(app: FastAPI, control: Control) -> None:
    @app.get("/healthz", tags=["health"], summary="Whether the process lives")
    async def healthz() -> Alive:
        return Alive(status="ok")

    @app.get(
        "/readyz",
        tags=["health"],
        summary="Whether traffic should be sent here",
        response_model=Ready,
        responses={503: {"model": Ready, "description": "Not now"}},
    )
    async def readyz() -> JSONResponse:
        ready, why = control.ready()
        return JSONResponse({"ready": ready, "detail": why}, status_code=200 if ready else 503)

    @app.post(
        "/reload",
        tags=["configuration"],
        summary="Compile the configuration anew and swap it in",
        response_model=ReloadOutcome,
        responses={422: {"model": ReloadOutcome, "description": "Refused: the snapshot before stays"}},
    )
    async def reload() -> JSONResponse:
        outcome = await control.reload()
        body = {"ok": outcome.ok, "snapshot": outcome.snapshot, "problems": list(outcome.problems)}
        return JSONResponse(body) if outcome.ok else Unlike(422, ConfigurationError.reason, body)


def _metrics_route(app: FastAPI, control: Control) -> None:
    @app.get("/metrics", tags=["health"], summary="Prometheus text format", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(control.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _inspect_routes(app: FastAPI, control: Control) -> None:
    @app.get(
        "/api/servers",
        tags=["inspect"],
        summary="Virtual servers and what each source contributes",
        response_model_exclude_unset=True,
    )
    async def servers() -> list[Server]:
        return [Server(**each) for each in control.servers()]

    @app.get(
        "/api/servers/{name}",
        tags=["inspect"],
        summary="A virtual server with everything that it offers, by name",
        response_model=ServerDetail,
        responses={404: dict(_NO_SUCH)},
    )
    async def server(name: str) -> JSONResponse:
        found = control.server(name)
        if found is None:
            return problem(404, "there is no such virtual server", "unknown_server")
        return JSONResponse(found)

    @app.get("/api/upstreams", tags=["inspect"], summary="Upstreams and how they are")
    async def upstreams() -> list[Upstream]:
        return [Upstream(**each) for each in control.upstreams()]

    @app.get(
        "/api/upstreams/{name}/definitions",
        tags=["inspect"],
        summary="What an upstream says of its tools",
        response_model=Definitions,
        responses={404: dict(_NO_SUCH)},
    )
    async def definitions(name: str) -> JSONResponse:
        found = control.definitions(name)
        return problem(404, "there is no such upstream", "unknown_upstream") if found is None else JSONResponse(found)

    @app.get("/api/snapshot", tags=["inspect"], summary="The running configuration snapshot")
    async def snapshot() -> SnapshotShape:
        return SnapshotShape(**control.snapshot())
