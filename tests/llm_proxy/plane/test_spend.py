"""Budgets and limits on requests to models, through sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.llm_proxy.double.faults import Fault500, StallMidStream
from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.serving import Gateway, serving

PRICE = {"input": 1_000, "output": 1_000}
"""A tenth of a cent a token, in USD per million."""


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    async with Double() as double:
        yield double


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30) as http:
        yield http


async def ask(
    http: httpx.AsyncClient, gateway: Gateway, text: str = "Hi", *, headers: Any = None, **body: Any
) -> httpx.Response:
    asked = {"model": "openai/m", "messages": [{"role": "user", "content": text}], "max_tokens": 10, **body}
    return await http.post(f"{gateway.url}/v1/chat/completions", json=asked, headers=headers)


def budget(**fields: Any) -> dict[str, Any]:
    return {"id": "b", "limits": {"cost_per_day": 5}, **fields}


async def test_a_budget_that_is_used_up_refuses_before_anything_is_sent(
    tmp_path: Path, double: Double, http: httpx.AsyncClient
) -> None:
    async with serving(tmp_path, double, budgets=[budget()], prices={"openai/m": PRICE}) as gateway:
        answer = await ask(http, gateway, "count to 900", max_tokens=1000)
        while answer.status_code == 200:
            answer = await ask(http, gateway, "count to 900", max_tokens=1000)
    assert len(double.requests) >= 2
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["limit"]) == (429, "budget_exhausted", "b")
    assert 0 < error["retry_after_ms"] <= 86_400_000
    assert gateway.records[-1]["limit"] == "b"


async def test_at_most_as_many_at_once_as_the_budget_has_room_for(
    tmp_path: Path, double: Double, http: httpx.AsyncClient
) -> None:
    async with serving(tmp_path, double, budgets=[budget(limits={"tokens_per_day": 10_000})]) as gateway:
        stall = StallMidStream(after=1)
        double.always("m", stall)
        asked = [asyncio.create_task(ask(http, gateway, stream=True, max_tokens=1_000)) for _ in range(20)]
        pending = set(asked)
        while len(pending) > 4:
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        stall.release()
        answers = await asyncio.gather(*asked)
    admitted = [answer for answer in answers if answer.status_code == 200]
    # A request of some hundred bytes holds back no fewer than 2,000 tokens, and so no more than four fit at once.
    assert 1 <= len(admitted) <= 4
    assert len(double.requests) == len(admitted)


async def test_what_was_held_back_too_much_is_given_back(
    tmp_path: Path, double: Double, http: httpx.AsyncClient
) -> None:
    async with serving(tmp_path, double, budgets=[budget(limits={"tokens_per_day": 10_000})]) as gateway:
        for _ in range(20):
            assert (await ask(http, gateway, max_tokens=2_000)).status_code == 200
            double.script(Fault500(), Fault500(), Fault500())
            assert (await ask(http, gateway, max_tokens=2_000)).status_code == 502


async def test_budgets_are_counted_per_what_they_say(tmp_path: Path, double: Double, http: httpx.AsyncClient) -> None:
    per = budget(limits={"tokens_per_day": 2_500}, per=["metadata.project_id"])
    async with serving(tmp_path, double, budgets=[per]) as gateway:
        statuses: dict[str, list[int]] = {"one": [], "two": []}
        for _ in range(4):
            for project, seen in statuses.items():
                headers = {"x-tfy-metadata": f'{{"project_id": "{project}"}}'}
                seen.append((await ask(http, gateway, "count to 900", max_tokens=900, headers=headers)).status_code)
    assert statuses["one"] == statuses["two"]
    assert statuses["one"][0] == 200
    assert statuses["one"][-1] == 429


async def test_audit_records_what_it_would_refuse(tmp_path: Path, double: Double, http: httpx.AsyncClient) -> None:
    small = budget(limits={"tokens_per_day": 1}, mode="audit")
    async with serving(tmp_path, double, budgets=[small]) as gateway:
        assert (await ask(http, gateway)).status_code == 200
    assert gateway.records[-1]["would_exhaust"] == ("b",)


async def test_requests_and_tokens_are_limited_by_rate(tmp_path: Path, double: Double, http: httpx.AsyncClient) -> None:
    limits = [
        {"id": "often", "limit": 2, "unit": "requests_per_hour", "per": ["model"], "when": {"models": ["openai/a"]}},
        {"id": "much", "limit": 3_000, "unit": "tokens_per_day", "when": {"models": ["openai/b"]}},
    ]
    async with serving(tmp_path, double, rate_limits=limits) as gateway:
        often = [await ask(http, gateway, model="openai/a") for _ in range(3)]
        much = [await ask(http, gateway, "count to 900", model="openai/b", max_tokens=900) for _ in range(4)]
    assert [answer.status_code for answer in often] == [200, 200, 429]
    assert often[-1].json()["error"]["code"] == "rate_limited"
    assert often[-1].json()["error"]["limit"] == "often"
    assert int(often[-1].headers["retry-after"]) > 0
    assert [answer.status_code for answer in much][-1] == 429
    assert much[-1].json()["error"]["code"] == "rate_limited"
