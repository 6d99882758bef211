"""What the ledger says was used is what the provider counted, also for those who left early."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.llm_proxy.double.faults import Fault500, StallMidStream
from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.serving import ENVIRONMENT, Gateway, serving
from tests.real.processes import until

PRICES = {f"{family}/m": {"input": 1, "output": 2} for family in ("openai", "anthropic", "gemini")}
TEAMS = ("payments", "research")


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    async with Double() as double:
        yield double


async def usage(gateway: Gateway, by: str) -> list[dict[str, Any]]:
    """What `mcp-gateway usage` says, as another process beside the gateway."""
    command = (sys.executable, "-m", "mcp_gateway", "usage", "--by", by, "--json", "--config", "gateway.yaml")
    process = await asyncio.create_subprocess_exec(
        *command, cwd=gateway.folder, env=dict(ENVIRONMENT), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    groups: list[dict[str, Any]] = json.loads(output)["groups"]
    return groups


async def test_usage_by_team_sums_to_the_provider_s_own_count(tmp_path: Path, double: Double) -> None:
    async with (
        serving(tmp_path, double, prices=PRICES) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=30) as http,
    ):

        async def ask(number: int) -> None:
            family = ("openai", "anthropic", "gemini")[number % 3]
            metadata = {"team": TEAMS[number % 2], "project_id": f"p{number % 5}"}
            body = {
                "model": f"{family}/m",
                "stream": number % 4 < 2,
                "messages": [{"role": "user", "content": f"count to {number + 10}"}],
            }
            headers = {"x-tfy-metadata": json.dumps(metadata)}
            assert (await http.post("/v1/chat/completions", json=body, headers=headers)).status_code == 200

        double.script(Fault500())
        await ask(0)
        for start in range(1, 31, 10):
            await asyncio.gather(*(ask(number) for number in range(start, start + 10)))
        stall = StallMidStream(after=2_500)
        double.script(stall)
        body = {"model": "openai/m", "stream": True, "messages": [{"role": "user", "content": "count to 5000"}]}
        headers = {"x-tfy-metadata": '{"team": "payments"}'}
        async with http.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
            async for _ in answer.aiter_bytes():
                break
            await stall.reached.wait()
        stall.release()
        await until("the record of who left", lambda: len(gateway.records) == 32)

        async def entered() -> bool:
            return sum(int(group["requests"]) for group in await usage(gateway, "plane")) == 32

        await until("the ledger has all", entered)
        teams = await usage(gateway, "team")
        both = await usage(gateway, "team,project_id")
        models = await usage(gateway, "model,status")
    used = double.counted()
    assert sum(group["input_tokens"] for group in teams) == used.input
    assert sum(group["output_tokens"] for group in teams) == used.output
    assert {group["keys"]["team"] for group in teams} == set(TEAMS)
    assert sum(float(group["cost_usd"]) for group in teams) == pytest.approx((used.input + 2 * used.output) / 1e6)
    assert len(both) == 11
    failed = [group for group in models if group["keys"]["status"] != "ok"]
    assert [(group["attempts"], group["requests"]) for group in failed] == [(1, 0)]
