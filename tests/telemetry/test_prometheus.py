"""What dashboards ask and alerts watch, asked of a real Prometheus that scrapes a gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.test_dashboards import ALERTS, expressions, rules
from tests.real.recording import Recording, static_upstream
from tests.telemetry.prometheus import Prometheus, prometheus
from tests.telemetry.site import site


@pytest.fixture(scope="module")
def upstream() -> Iterator[Recording]:
    with static_upstream() as running:
        yield running


def asked(server: Prometheus) -> None:
    """Every expression is one, and those of what happened have a result."""
    server.until('mcp_server_operation_duration_seconds_count{gen_ai_tool_name="a_look_up"}')
    for _, expression, _ in expressions():
        server.get("query", query=expression.replace("$__rate_interval", "5m"))
    (called,) = server.until("mcp_server_operation_duration_seconds_count{gen_ai_tool_name='a_look_up',error_type=''}")
    assert called["value"][1] == "3" and called["metric"]["mcp_gateway_server"] == "desk"
    (tokens,) = server.until("gen_ai_client_token_usage_count{gen_ai_token_type='output'}")
    assert tokens["metric"]["gen_ai_provider_name"] == "openai" and tokens["metric"]["metadata_team"] == "blue"
    slow = server.until("histogram_quantile(0.5, sum by (le) (mcp_client_operation_duration_seconds_bucket))")
    assert 0 < float(slow[0]["value"][1]) < 300
    loaded = [rule["name"] for group in server.get("rules")["groups"] for rule in group["rules"]]
    assert loaded == [rule["alert"] for rule in rules()]


@pytest.mark.timeout(150)
async def test_a_real_prometheus_answers_what_dashboards_ask(tmp_path: Path, upstream: Recording) -> None:
    contract: dict[str, Any] = {"metadata": {"keys": {"team": {}}}}
    async with site(tmp_path, upstream, None, gateway=contract, metric_labels=["team"]) as here:
        for _ in range(3):
            await here.call(name="a_look_up", arguments={"word": "x"})
        await here.complete(headers={"x-gateway-metadata": '{"team": "blue"}'})
        with prometheus(tmp_path, here.gateway.here.control.removeprefix("http://"), ALERTS) as server:
            await asyncio.to_thread(asked, server)
