"""One budget for both planes, through sockets: calls of tools and completions draw on it, and a webhook hears of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.envelopes.policy.budgets.test_alerts import listening
from tests.faults.agents import Agent, agent
from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.serving import Gateway, serving
from tests.upstreams.evil import EvilMCP

PRICES = {"openai/m": {"input": 1_000, "output": 1_000}}
"""A tenth of a cent a token, in USD per million."""


@asynccontextmanager
async def both(folder: Path, budget: Mapping[str, Any]) -> AsyncIterator[tuple[Gateway, Agent, EvilMCP]]:
    """A gateway with a tool that costs a dollar, and a model."""
    async with EvilMCP() as evil, Double() as double:
        (folder / "virtual_servers").mkdir(exist_ok=True)
        server = {"name": "desk", "sources": [{"upstream": "evil", "tools": {"ok": {"cost": 1.0}}}]}
        (folder / "virtual_servers/desk.yaml").write_text(json.dumps(server))
        upstreams = {"upstreams": {"evil": {"url": evil.url}}}
        async with serving(folder, double, gateway=upstreams, budgets=[budget], prices=PRICES) as gateway:
            yield gateway, await agent(f"{gateway.url}/servers/desk/mcp", "modern"), evil


async def complete(gateway: Gateway) -> httpx.Response:
    async with httpx.AsyncClient(timeout=30) as http:
        asked = {"model": "openai/m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 10}
        return await http.post(f"{gateway.url}/v1/chat/completions", json=asked)


async def test_calls_use_up_what_completions_then_miss_and_a_webhook_hears_of_it(tmp_path: Path) -> None:
    async with listening(200) as listener:
        alerts = {"thresholds": [50, 100], "webhook": listener.url.reveal()}
        budget = {"id": "all", "limits": {"cost_per_lifetime": 3}, "alerts": alerts}
        async with both(tmp_path, budget) as (gateway, here, evil):
            assert (await complete(gateway)).status_code == 200
            answers = [await here.call("ok") for _ in range(4)]
            completion = await complete(gateway)
            await gateway.here.gateway._standing.llm.alerts.sent()
            metrics = gateway.here.gateway.control.metrics()
    refused = [answer["error"] for answer in answers if "error" in answer]
    assert len(refused) == 2 and evil.calls("ok") == 2, "the completion has a share of the third dollar"
    assert (refused[0]["code"], refused[0]["data"]["reason"]) == (42901, "budget_exhausted")
    assert refused[0]["data"]["limit"] == "all" and "retryAfterMs" not in refused[0]["data"]
    assert completion.status_code == 429 and completion.json()["error"]["code"] == "budget_exhausted"
    assert [body["threshold_percent"] for body in listener.bodies] == [50.0]
    assert 'mcp_gateway_budget_requests_total{budget="all",outcome="refused"} 3' in metrics
    assert 'mcp_gateway_budget_alerts_total{budget="all",outcome="sent"} 1' in metrics


async def test_a_budget_outlives_a_reload_that_raises_it(tmp_path: Path) -> None:
    async with both(tmp_path, {"id": "all", "limits": {"cost_per_day": 2}}) as (gateway, here, evil):
        assert ["error" in await here.call("ok") for _ in range(3)] == [False, False, True]
        async with Double() as double:
            raised = {"id": "all", "limits": {"cost_per_day": 3}}
            upstreams = {"upstreams": {"evil": {"url": evil.url}}}
            await gateway.reload(double, gateway=upstreams, budgets=[raised], prices=PRICES)
        assert ["error" in await here.call("ok") for _ in range(2)] == [False, True]
    assert evil.calls("ok") == 3


async def test_a_gateway_that_is_started_again_knows_what_is_spent(tmp_path: Path) -> None:
    budget = {"id": "all", "limits": {"cost_per_lifetime": 2}}
    async with both(tmp_path, budget) as (_, here, _):
        assert ["error" in await here.call("ok") for _ in range(3)] == [False, False, True]
    async with both(tmp_path, budget) as (_, here, evil):
        assert (await here.call("ok"))["error"]["data"]["reason"] == "budget_exhausted"
        assert evil.calls("ok") == 0
