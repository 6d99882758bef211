"""Reloading the plane: what is under way goes on, what stays is kept, and a bad file changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.llm_proxy.double.faults import StallMidStream
from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.serving import Gateway, providers, serving

BODY = {"model": "openai/m", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    async with Double() as double:
        yield double


async def status(gateway: Gateway, http: httpx.AsyncClient, model: str = "openai/m") -> int:
    return (await http.post(f"{gateway.url}/v1/chat/completions", json={**BODY, "model": model})).status_code


async def test_a_stream_goes_on_while_its_provider_is_replaced(tmp_path: Path, double: Double) -> None:
    async with serving(tmp_path, double) as gateway, httpx.AsyncClient(timeout=30) as http:
        stall = StallMidStream(after=1_500)
        double.script(stall)
        body = {**BODY, "stream": True, "messages": [{"role": "user", "content": "count to 3000"}]}
        asked = asyncio.create_task(http.post(f"{gateway.url}/v1/chat/completions", json=body))
        await stall.reached.wait()
        other = providers(double)
        other["openai"]["timeout"] = "20s"
        await gateway.reload(double, providers=other)
        assert await status(gateway, http) == 200
        stall.release()
        answer = await asked
        assert answer.text.rstrip().endswith("[DONE]")
        await double.until(lambda double: double.connections <= 1)


async def test_a_bad_file_leaves_everything_as_it_is(tmp_path: Path, double: Double) -> None:
    async with serving(tmp_path, double) as gateway, httpx.AsyncClient(timeout=30) as http:
        for bad in ('{"providers": {}}', '{"providers": {"new": {"type": "openai", "base_url": "x"}}}', "{"):
            (tmp_path / "models.yaml").write_text(bad)
            assert not (await gateway.here.gateway.reload()).ok
            assert await status(gateway, http) == 200
        policies = {"path": "policies"}
        (tmp_path / "policies").mkdir()
        (tmp_path / "policies" / "bad.cedar").write_text(
            '@id("x") permit (principal, action == Action::"no", resource);'
        )
        changed = {name: {**each, "timeout": "9s"} for name, each in providers(double).items()}
        with pytest.raises(AssertionError):
            await gateway.reload(double, providers=changed, gateway={"policies": policies})
        for _ in range(3):
            assert await status(gateway, http) == 200


async def test_models_come_and_go(tmp_path: Path, double: Double) -> None:
    async with serving(tmp_path, double) as gateway, httpx.AsyncClient(timeout=30) as http:
        only = {"other": providers(double)["anthropic"]}
        await gateway.reload(double, providers=only)
        assert await status(gateway, http) == 404
        assert await status(gateway, http, "other/m") == 200
        await gateway.reload(double, gateway={"models": None})
        assert await status(gateway, http, "other/m") == 404
        await gateway.reload(double)
        assert await status(gateway, http) == 200
