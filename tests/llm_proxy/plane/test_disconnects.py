"""Clients that go away in the middle: what flowed is charged, whatever becomes of the provider's stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.llm_proxy.double.faults import MissingUsage, Silence, StallMidStream
from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.serving import Gateway, serving

FRAMES = 2_500
"""Of a stream, before it stalls and the client goes away."""


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    async with Double() as double:
        yield double


async def leave(gateway: Gateway, double: Double, stall: StallMidStream | Silence, *, stream: bool) -> None:
    """Ask, and go away once the provider stalls."""
    body = {"model": "openai/m", "stream": stream, "messages": [{"role": "user", "content": "count to 5000"}]}
    async with httpx.AsyncClient(timeout=30) as http:
        if stream:
            async with http.stream("POST", f"{gateway.url}/v1/chat/completions", json=body) as answer:
                assert answer.status_code == 200
                seen = 0
                async for piece in answer.aiter_bytes():
                    seen += piece.count(b"data: ")
                    if seen >= FRAMES - 10:
                        break
                await stall.reached.wait()
            return
        with pytest.raises(httpx.TimeoutException):
            await http.post(f"{gateway.url}/v1/chat/completions", json=body, timeout=0.5)


async def recorded(gateway: Gateway, double: Double) -> dict[str, Any]:
    """The record of the one request, once it is written."""
    await double.until(lambda _: True)
    for _ in range(2_000):
        if gateway.records:
            return gateway.records[0]
        async with httpx.AsyncClient() as http:
            await http.get(f"{gateway.url}/v1/models")
    raise AssertionError("no record was written")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_stream_is_drained_and_its_usage_is_the_provider_s(
    tmp_path: Path, double: Double, stream: bool
) -> None:
    stall = StallMidStream(after=FRAMES) if stream else Silence()
    double.script(stall)
    async with serving(tmp_path, double, defaults={"on_disconnect": "drain"}) as gateway:
        await leave(gateway, double, stall, stream=stream)
        stall.release()
        record = await recorded(gateway, double)
    assert record["outcome"] == "disconnected"
    used = double.counted()
    assert record["attempts"][0]["usage"] == {"input": used.input, "output": used.output}
    assert used.output == 5_000
    assert double.gone == 0


async def test_a_cancelled_stream_ends_at_the_provider_and_is_charged_for_what_flowed(
    tmp_path: Path, double: Double
) -> None:
    stall = StallMidStream(after=FRAMES)
    double.script(stall)
    async with serving(tmp_path, double, defaults={"on_disconnect": "cancel"}) as gateway:
        await leave(gateway, double, stall, stream=True)
        await double.until(lambda double: double.gone == 1)
        record = await recorded(gateway, double)
    assert record["outcome"] == "cancelled"
    # A token of the double is a number and a space, up to five bytes: the estimate is within its bound.
    assert 2_000 < record["attempts"][0]["usage"]["output"] < 3_500


async def test_an_answer_without_usage_is_charged_by_its_length(tmp_path: Path, double: Double) -> None:
    double.script(MissingUsage(), MissingUsage())
    async with serving(tmp_path, double) as gateway, httpx.AsyncClient(timeout=30) as http:
        for stream in (True, False):
            body = {"model": "openai/m", "stream": stream, "messages": [{"role": "user", "content": "count to 500"}]}
            assert (await http.post(f"{gateway.url}/v1/chat/completions", json=body)).status_code == 200
        records = gateway.records
    for record in records:
        assert record["attempts"][0]["usage"]["output"] >= 400
        assert record["attempts"][0]["estimated"] is True
