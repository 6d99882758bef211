"""Three gateway processes on one Redis, each under another wall clock: what is admitted is exactly the limit."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from redis.asyncio import Redis

from tests.real.processes import Gateway, configuration
from tests.support_redis import redis_server
from tests.upstreams.evil import EvilMCP

SKEWS = (-300, 0, 300)
"""Seconds by which the clocks of the three are wrong."""

ROUNDS = 5
"""Tries at a round in which Redis answered in time throughout: one that was too slow leaves calls uncounted."""

ADMITTED, LIMITED, UNCOUNTED = "ok", 42900, 50300


class Skewed(Gateway):
    """A gateway whose wall clock is wrong."""

    module = "tests.real.skewed"


@dataclass(frozen=True, slots=True)
class Replicas:
    gateways: Sequence[Gateway]
    upstream: EvilMCP
    redis: Redis

    async def metric(self, name: str) -> int:
        """The sum of a counter over the replicas."""
        found = 0
        async with httpx.AsyncClient() as http:
            for each in self.gateways:
                lines = (await http.get(f"{each.control}/metrics")).text.splitlines()
                found += sum(int(line.rpartition(" ")[2]) for line in lines if line.startswith(name))
        return found

    async def round(self, tools: Sequence[str]) -> Counter[tuple[str, Any]]:
        """All these calls at once at each replica, by clients of both eras; how they ended, by tool.

        Begins with fresh pools, and again if Redis was not asked in time: that proves nothing about counting.
        """
        for _ in range(ROUNDS):
            await self.redis.flushall()
            self.upstream.requests.clear()
            failures = await self.metric("mcp_gateway_limit_store_failures_total")
            async with AsyncExitStack() as stack:
                clients = [
                    await stack.enter_async_context(Client(each.url("desk"), mode=mode))
                    for each, mode in zip(self.gateways, ("2026-07-28", "legacy", "2026-07-28"), strict=True)
                ]
                ended = await asyncio.gather(*(call(client, tool) for tool in tools for client in clients))
            if await self.metric("mcp_gateway_limit_store_failures_total") == failures:
                return Counter(ended)
        raise AssertionError("Redis never answered in time")

    def arrived(self) -> Counter[str]:
        """The calls that reached the upstream, by tool."""
        return Counter(seen.tool for seen in self.upstream.requests if seen.tool is not None)


async def call(client: Client, tool: str) -> tuple[str, Any]:
    try:
        await client.call_tool(tool, {})
    except MCPError as error:
        return tool, error.error.code
    return tool, ADMITTED


@asynccontextmanager
async def replicas(folder: Path, *rules: dict[str, Any]) -> AsyncIterator[Replicas]:
    """Running, and ended with the context."""
    given = [{"id": f"r{number}", "on_store_error": "deny", **rule} for number, rule in enumerate(rules)]
    body = f"sources: [{{upstream: evil}}]\nrate_limits: {json.dumps(given)}\n"
    with redis_server(folder) as server, ExitStack() as stack:
        async with EvilMCP() as evil, Redis.from_url(server.url.reveal()) as redis:
            gateways = []
            for number, skew in enumerate(SKEWS):
                home = folder / f"replica-{number}"
                home.mkdir()
                file = configuration(home, f"  evil: {{url: {evil.url}}}\n", {"desk": body})
                file.write_text(f"{file.read_text()}state: {{redis: env:REDIS}}\n")
                running = Skewed(home, REDIS=server.url.reveal(), CLOCK_SKEW=str(skew))
                stack.callback(ended, running)
                await asyncio.to_thread(running.start)
                gateways.append(running)
            yield Replicas(gateways, evil, redis)
            for each in gateways:
                assert await asyncio.to_thread(each.end) == 0


def ended(gateway: Gateway) -> None:
    if gateway.process is not None and gateway.process.poll() is None:
        gateway.process.kill()
        gateway.process.wait()


@pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")
async def test_replicas_with_wrong_clocks_admit_exactly_the_limit(tmp_path: Path) -> None:
    async with replicas(tmp_path, {"limit": 25, "unit": "calls_per_hour"}) as here:
        async with httpx.AsyncClient() as http:
            shown = [(await http.get(f"{each.control}/api/upstreams")).json()[0]["since"] for each in here.gateways]
        wrong = [round((since - time.time()) / 300) for since in shown]
        assert wrong == [-1, 0, 1], "the clocks are not wrong"
        found = await here.round(["ok"] * 20)
        assert found == {("ok", ADMITTED): 25, ("ok", LIMITED): 35}
        assert here.arrived() == {"ok": 25}
        assert await here.redis.dbsize() == 1, "one pool for all"


@pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")
async def test_two_rules_at_once_are_both_exact_and_a_refusal_counts_nowhere(tmp_path: Path) -> None:
    """Both tools have room for 20, all in all there is room for 30: what one refuses does not use up the other."""
    rules = (
        {"limit": 30, "unit": "calls_per_hour"},
        {"limit": 20, "unit": "calls_per_day", "per": ["tool"]},
        {"limit": 1, "unit": "calls_per_day", "when": {"tools": ["evil/tool_error"]}},
    )
    async with replicas(tmp_path, *rules) as here:
        found = await here.round([*["ok"] * 10, *["trickle"] * 10])
        admitted = {tool: found[tool, ADMITTED] for tool in ("ok", "trickle")}
        assert sum(admitted.values()) == 30 and max(admitted.values()) <= 20
        assert found.total() == 60 and set(found) <= {(tool, way) for tool in admitted for way in (ADMITTED, LIMITED)}
        assert here.arrived() == {tool: count for tool, count in admitted.items() if count}
        found = await here.round([*["ok"] * 10, *["tool_error"] * 10])
        assert found["tool_error", ADMITTED] == 1, "the narrowest rule"
        assert found["ok", ADMITTED] == 20, "and its refusals left the room of the others"
