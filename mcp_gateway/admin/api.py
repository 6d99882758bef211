"""The control plane as an ASGI app. Never mounted on the data plane's port."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse

from mcp_gateway.admin.access import access_routes
from mcp_gateway.admin.connections import connection_routes
from mcp_gateway.admin.control import Control


def build(control: Control, *, version: str, metrics: bool = True) -> FastAPI:
    """The routes of the control plane over `control`, /metrics among them if `metrics` says so."""
    app = FastAPI(
        title="MCP gateway control plane",
        version=version,
        description="Health, reload and inspection. Serves no agents.",
        redoc_url=None,
    )

    @app.get("/healthz", tags=["health"], summary="Whether the process lives")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"], summary="Whether traffic should be sent here")
    async def readyz() -> JSONResponse:
        ready, why = control.ready()
        return JSONResponse({"ready": ready, "detail": why}, status_code=200 if ready else 503)

    @app.post("/reload", tags=["configuration"], summary="Compile the configuration anew and swap it in")
    async def reload() -> JSONResponse:
        outcome = await control.reload()
        body = {"ok": outcome.ok, "snapshot": outcome.snapshot, "problems": list(outcome.problems)}
        return JSONResponse(body, status_code=200 if outcome.ok else 422)

    @app.get("/api/servers", tags=["inspect"], summary="Virtual servers and what each source contributes")
    async def servers() -> list[dict[str, Any]]:
        return control.servers()

    @app.get("/api/upstreams", tags=["inspect"], summary="Upstreams and how they are")
    async def upstreams() -> list[dict[str, Any]]:
        return control.upstreams()

    @app.get("/api/upstreams/{name}/definitions", tags=["inspect"], summary="What an upstream says of its tools")
    async def definitions(name: str) -> JSONResponse:
        found = control.definitions(name)
        return JSONResponse(found or {"detail": "no such upstream"}, status_code=404 if found is None else 200)

    @app.get("/api/snapshot", tags=["inspect"], summary="The running configuration snapshot")
    async def snapshot() -> dict[str, Any]:
        return control.snapshot()

    if metrics:
        _metrics_route(app, control)
    connection_routes(app, control)
    access_routes(app, control)
    return app


def _metrics_route(app: FastAPI, control: Control) -> None:
    @app.get("/metrics", tags=["health"], summary="Prometheus text format", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(control.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")
