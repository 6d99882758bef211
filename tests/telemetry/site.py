"""A gateway with both planes, a real upstream that remembers, a provider double and a collector."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

from mcp_gateway.core.mcp_headers import encode_header_value
from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.serving import Gateway, serving
from tests.telemetry.receiver import Receiver

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
AGENT = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{AGENT}-01"


class Reached(Protocol):
    """An upstream that runs."""

    @property
    def url(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Site:
    """Everything of one test."""

    gateway: Gateway
    double: Double
    upstream: Reached
    http: httpx.AsyncClient

    async def call(
        self,
        method: str = "tools/call",
        *,
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        **params: Any,
    ) -> dict[str, Any]:
        """One request of a modern client; its answer."""
        told = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "agent", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": {**params, "_meta": {**told, **(meta or {})}}}
        fields = {
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": encode_header_value(method),
            **({"mcp-name": encode_header_value(params["name"])} if "name" in params else {}),
            **(headers or {}),
        }
        url = f"{self.gateway.url}/servers/desk/mcp"
        answer: dict[str, Any] = (await self.http.post(url, json=body, headers=fields)).json()
        return answer

    async def complete(self, *, headers: Mapping[str, str] | None = None, **body: Any) -> httpx.Response:
        asked = {"model": "openai/m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 10, **body}
        return await self.http.post(f"{self.gateway.url}/v1/chat/completions", json=asked, headers=headers)

    async def metrics(self) -> str:
        return (await self.http.get(f"{self.gateway.here.control}/metrics")).text


@asynccontextmanager
async def site(
    folder: Path,
    upstream: Reached,
    collector: Receiver | None,
    *,
    gateway: Any = None,
    models: Any = None,
    **telemetry: Any,
) -> AsyncIterator[Site]:
    """The site, with what `telemetry` says besides where the collector is; `models` are sections of models.yaml."""
    (folder / "virtual_servers").mkdir(exist_ok=True)
    desk = {"name": "desk", "sources": [{"upstream": "archive", "prefix": "a_"}]}
    (folder / "virtual_servers" / "desk.yaml").write_text(json.dumps(desk))
    where = {} if collector is None else {"otlp_endpoint": collector.url}
    sections = {
        "upstreams": {"archive": {"url": upstream.url}},
        "telemetry": {**where, **telemetry},
        **(gateway or {}),
    }
    async with (
        Double() as double,
        serving(folder, double, gateway=sections, **(models or {})) as running,
        httpx.AsyncClient(timeout=30) as http,
    ):
        yield Site(running, double, upstream, http)


async def spans(collector: Receiver, count: int) -> Any:
    """So many spans, once they came."""
    return await asyncio.to_thread(collector.until, count)
