"""The double fails as told: at the place, for the request and for as long as a test wants, and notices who leaves."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.llm_proxy.double.clients import anthropic_client, openai_client
from tests.llm_proxy.double.faults import (
    ContextExceeded,
    Cut,
    EndEarly,
    ErrorInStream,
    Fault429,
    Fault500,
    Fault503,
    HugeUsage,
    MalformedChunk,
    MissingUsage,
    Raw,
    Silence,
    SlowFirstToken,
    StallMidStream,
)
from tests.llm_proxy.double.server import Double
from tests.support import ROOT

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "count to 9"}]}
STREAM = {**ASK, "stream": True, "stream_options": {"include_usage": True}}


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    async with Double() as double:
        yield double


@pytest.fixture
async def http(double: Double) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=double.url, timeout=20) as client:
        yield client


async def chat(http: httpx2.AsyncClient, body: dict[str, Any]) -> httpx2.Response:
    return await http.post("/v1/chat/completions", json=body)


async def test_errors_come_in_turn_and_the_model_named_goes_first(double: Double, http: httpx2.AsyncClient) -> None:
    double.script(Fault429(retry_after=1.5), Fault500())
    double.script(Fault503(), model="other")
    double.always("m", ContextExceeded())
    answers = [await chat(http, ASK), await chat(http, {**ASK, "model": "other"}), await chat(http, ASK)]
    assert [answer.status_code for answer in answers] == [429, 503, 500]
    assert answers[0].headers["retry-after"] == "1.5"
    assert (await chat(http, ASK)).json()["error"]["code"] == "context_length_exceeded"
    double.always("m", None)
    assert (await chat(http, ASK)).status_code == 200
    assert double.counted().answers == 1
    assert double.calls() == {"m": 4, "other": 1}


async def test_errors_are_those_of_the_official_clients(double: Double) -> None:
    double.script(Fault429(), Fault503(), ErrorInStream(after=1))
    async with openai_client(double.url) as client:
        with pytest.raises(openai.RateLimitError):
            await client.chat.completions.create(**ASK)
    async with anthropic_client(double.url) as client_:
        asked = {**ASK, "max_tokens": 9}
        with pytest.raises(anthropic.APIStatusError) as overloaded:
            await client_.messages.create(**asked)
        assert overloaded.value.status_code == 529
        with pytest.raises(anthropic.APIStatusError):
            async for _ in await client_.messages.create(**asked, stream=True):
                pass


async def test_keys_and_bodies_that_are_wrong() -> None:
    async with Double(keys=frozenset({"good"})) as double, openai_client(double.url, "bad") as client:
        with pytest.raises(openai.AuthenticationError):
            await client.chat.completions.create(**ASK)
        with pytest.raises(openai.BadRequestError):
            await client.with_options(api_key="good").chat.completions.create(model="m", messages=[])
        with pytest.raises(openai.NotFoundError):
            await client.with_options(api_key="good").images.generate(prompt="x")


@pytest.mark.parametrize("body", [ASK, STREAM], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", [Silence, SlowFirstToken, StallMidStream])
async def test_what_waits_goes_on_when_released(
    double: Double, http: httpx2.AsyncClient, fault: Any, body: dict[str, Any]
) -> None:
    step = fault()
    double.script(step)
    answer = asyncio.create_task(chat(http, body))
    await step.reached.wait()
    assert double.serving == 1
    assert not answer.done()
    step.release()
    assert "usage" in (await answer).text
    assert double.counted().output == 9
    await double.until(lambda double: not double.serving)
    assert double.gone == 0


async def test_a_client_that_leaves_is_noticed_and_what_it_got_is_counted(
    double: Double, http: httpx2.AsyncClient
) -> None:
    stall = StallMidStream(after=4)  # whose turn it is, and three numbers
    double.script(stall)
    async with http.stream("POST", "/v1/chat/completions", json=STREAM) as response:
        await stall.reached.wait()
        got = await anext(response.aiter_bytes())
    await double.until(lambda double: double.gone == 1)
    assert double.requests[-1].gone.is_set()
    assert b"data: " in got
    assert (double.counted().input, double.counted().output) == (3, 3)


@pytest.mark.parametrize("body", [ASK, STREAM], ids=["whole", "stream"])
@pytest.mark.parametrize("step", [Cut(after=None), Cut(after=2)], ids=["at once", "in the middle"])
async def test_a_cut_is_no_end(double: Double, http: httpx2.AsyncClient, step: Cut, body: dict[str, Any]) -> None:
    double.script(step)
    with pytest.raises(httpx2.RemoteProtocolError):
        await chat(http, body)
    assert (await chat(http, body)).status_code == 200


async def test_bodies_that_are_wrong_though_they_end(double: Double, http: httpx2.AsyncClient) -> None:
    double.script(MalformedChunk(), MalformedChunk(), EndEarly(), ErrorInStream(), ErrorInStream(), Raw(b"[]"))
    with pytest.raises(json.JSONDecodeError):
        (await chat(http, ASK)).json()
    broken = (await chat(http, STREAM)).text
    assert broken.count("data: ") == 9 + 3 + 1 + 1  # the numbers; role, finish, usage; DONE; and the one that is broken
    assert "[DONE]" not in (await chat(http, STREAM)).text
    assert (await chat(http, ASK)).status_code == 500
    assert '"error"' in (await chat(http, STREAM)).text
    assert (await chat(http, ASK)).json() == []


async def test_usage_that_is_missing_or_huge_is_counted_as_it_was(double: Double, http: httpx2.AsyncClient) -> None:
    double.script(MissingUsage(), MissingUsage(), HugeUsage(5_000_000_000))
    assert "usage" not in (await chat(http, ASK)).json()
    assert "prompt_tokens" not in (await chat(http, STREAM)).text
    assert (await chat(http, ASK)).json()["usage"]["prompt_tokens"] == 5_000_000_000
    assert (double.counted().input, double.counted().output) == (9, 27)


async def test_it_runs_alone() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.llm_proxy.double", "--port", "0", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        port = json.loads(await process.stdout.readline())["port"]
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            await chat(client, ASK)
            counted = (await client.get("/counted")).json()
        assert [(one["model"], one["output"]) for one in counted] == [("m", 9)]
    finally:
        process.terminate()
    assert await process.wait() == 0
