"""Routing by speed when a provider slows down, through sockets. An answer is slow because others pass it meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.llm_proxy.double.faults import SlowFirstToken, StallMidStream
from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.serving import Gateway, serving


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    async with Double() as double:
        yield double


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30) as http:
        yield http


class Load:
    """Asks for the model of the rule, again and again."""

    def __init__(self, http: httpx.AsyncClient, gateway: Gateway, double: Double) -> None:
        self._http, self._gateway, self._double = http, gateway, double

    async def ask(self, model: str = "prod/x") -> str:
        """The target that answered."""
        said = [{"role": "user", "content": "count to 9"}]
        body = {"model": model, "stream": True, "max_tokens": 50, "messages": said}
        answer = await self._http.post(f"{self._gateway.url}/v1/chat/completions", json=body)
        assert "[DONE]" in answer.text
        target: str = answer.headers["x-gateway-model"]
        return target

    async def share(self, target: str, requests: int) -> float:
        """How much of the next requests `target` answers."""
        return [await self.ask() for _ in range(requests)].count(target) / requests

    async def slowly(self, step: SlowFirstToken | StallMidStream, seconds: float) -> str:
        """The target that answered while others were asked for as long as that. Asks until it is `swift`'s turn."""
        loop = asyncio.get_running_loop()
        self._double.script(step, model="swift")
        reached = asyncio.create_task(step.reached.wait())
        asking = asyncio.create_task(self.ask())
        while not reached.done():
            await asyncio.wait((asking, reached), return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                asking = asyncio.create_task(self.ask())
        until = loop.time() + seconds
        while loop.time() < until:
            assert await self.ask("openai/other") == "openai/other"
        step.release()
        return await asking


def rule(kind: str, *targets: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"id": "speed", "type": kind, "when": {"models": ["prod/*"]}, "load_balance_targets": list(targets)}]


async def test_a_target_that_is_slower_than_its_cut_off_comes_last(
    tmp_path: Path, double: Double, http: httpx.AsyncClient
) -> None:
    first = {"target": "openai/swift", "priority": 0, "sla_cutoff": {"time_to_first_token_ms": 500}}
    routing = rule("priority-based-routing", first, {"target": "anthropic/spare", "priority": 1})
    async with serving(tmp_path, double, routing=routing) as gateway:
        load = Load(http, gateway, double)
        before = await load.share("openai/swift", 3)
        # Four answers, and more than four times what one may take: on average too slow.
        assert await load.slowly(SlowFirstToken(), 2.1) == "openai/swift"
        after = await load.share("openai/swift", 20)
    assert (before, after) == (1, 0), f"its share: {before:.0%}, and once it is slow {after:.0%}"


async def test_the_fastest_get_the_requests(tmp_path: Path, double: Double, http: httpx.AsyncClient) -> None:
    routing = rule("latency-based-routing", {"target": "openai/swift"}, {"target": "gemini/spare"})
    async with serving(tmp_path, double, routing=routing) as gateway:
        load = Load(http, gateway, double)
        # Whoever has fewer than three answers counts as one of the fastest, and draws with them.
        seen: list[str] = []
        while seen.count("openai/swift") < 2:
            seen.append(await load.ask())
        before = seen.count("openai/swift") / len(seen)
        for _ in range(3):
            await load.ask("gemini/spare")
        assert await load.slowly(StallMidStream(after=4), 1.0) == "openai/swift"
        after = await load.share("openai/swift", 40)
    assert before > after == 0, f"its share: {before:.0%}, and once it is slow {after:.0%}"
