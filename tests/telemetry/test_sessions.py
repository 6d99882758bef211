"""How long sessions last, of clients and with upstreams, and how long each token of a stream takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.telemetry.receiver import receiving
from tests.telemetry.site import site
from tests.upstreams.evil import EvilMCP

VERSION = "2025-11-25"
FIELDS = {"accept": "application/json, text/event-stream", "mcp-protocol-version": VERSION}


async def post(http: httpx.AsyncClient, url: str, method: str, session: str = "", **params: Any) -> httpx.Response:
    fields = {**FIELDS, **({"mcp-session-id": session} if session else {})}
    return await http.post(url, headers=fields, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


def counted(shown: str, name: str) -> list[str]:
    return re.findall(rf"^{name}_count\{{(.*)\}} 1$", shown, re.MULTILINE)


async def test_sessions_are_measured_when_they_end(tmp_path: Path) -> None:
    client: dict[str, Any] = {
        "protocolVersion": VERSION,
        "capabilities": {},
        "clientInfo": {"name": "agent", "version": "1"},
    }
    with receiving() as collector:
        async with EvilMCP(era="legacy") as evil, site(tmp_path, evil, collector) as here:
            url = f"{here.gateway.url}/servers/desk/mcp"
            opened = await post(here.http, url, "initialize", **client)
            session = opened.headers["mcp-session-id"]
            assert counted(await here.metrics(), "mcp_server_session_duration_seconds") == []
            await here.http.delete(url, headers={**FIELDS, "mcp-session-id": session})
            shown = await here.metrics()
            gateway = here.gateway.here.gateway
    labels = f'mcp_protocol_version="{VERSION}",mcp_gateway_server="desk"'
    assert counted(shown, "mcp_server_session_duration_seconds") == [labels]
    assert counted(shown, "mcp_client_session_duration_seconds") == [], "it is still open"
    (ended,) = counted(gateway.control.metrics(), "mcp_client_session_duration_seconds")
    expected = f'mcp_protocol_version="{VERSION}",error_type="",network_transport="tcp",mcp_gateway_upstream="archive"'
    assert ended == expected
    last = {m.name: m for r in collector.metrics[-1].resource_metrics for s in r.scope_metrics for m in s.metrics}
    told = last["mcp.server.session.duration"]
    assert told.unit == "s" and list(told.histogram.data_points[0].explicit_bounds)[-1] == 300
    assert {each.key for each in told.histogram.data_points[0].attributes} == {
        "mcp.protocol.version",
        "mcp_gateway.server",
    }


@pytest.mark.parametrize("stream", [True, False])
async def test_only_streams_have_a_time_for_each_token(tmp_path: Path, *, stream: bool) -> None:
    async with EvilMCP() as evil, site(tmp_path, evil, None) as here:
        assert (await here.complete(stream=stream, stream_options={"include_usage": True})).status_code == 200
        shown = await here.metrics()
    found = counted(shown, "gen_ai_server_time_per_output_token_seconds")
    assert found == (['gen_ai_operation_name="chat",gen_ai_request_model="openai/m"'] if stream else [])
