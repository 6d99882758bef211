"""Which target answers, through sockets: rules, retries, fallbacks, and streams that fail before they began."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from tests.llm_proxy.double.clients import openai_client
from tests.llm_proxy.double.faults import (
    ContextExceeded,
    Cut,
    EndEarly,
    ErrorInStream,
    Failure,
    Fault429,
    Fault500,
    MalformedChunk,
    Raw,
)
from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.serving import Gateway, serving

CONTRACT = """
rules:
  - id: simple-repo-questions
    type: priority-based-routing
    when: {models: [prod/engineering-assistant], metadata: {workflow: repo-understanding}}
    load_balance_targets:
      - {target: openai/gpt-4o-mini, priority: 0, retry_config: {attempts: 2, delay: 100,
         on_status_codes: ['429','500']}, fallback_status_codes: ['429','500','502','503']}
      - {target: anthropic/claude-sonnet, priority: 1}
  - id: security-critical-review
    type: priority-based-routing
    when: {metadata: {workflow: security-review}}
    load_balance_targets: [{target: anthropic/claude-opus, priority: 0}, {target: openai/gpt-4.1, priority: 1}]
  - id: batch-processing-jobs
    type: priority-based-routing
    when: {metadata: {surface: batch-pipeline}}
    load_balance_targets: [{target: gemini/llama-3.1-70b, priority: 0}, {target: openai/gpt-4o-mini, priority: 1}]
"""

ASSISTANT = "prod/engineering-assistant"


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(json.dumps(YAML(typ="safe").load(CONTRACT)["rules"]))
    return found


def two(**first: Any) -> list[dict[str, Any]]:
    """A rule for `prod/*`: first an OpenAI target, which is not tried again, then an Anthropic one."""
    primary = {"target": "openai/a", "priority": 0, "retry_config": {"attempts": 0}, **first}
    return [
        {
            "id": "two",
            "type": "priority-based-routing",
            "when": {"models": ["prod/*"]},
            "load_balance_targets": [primary, {"target": "anthropic/b", "priority": 1}],
        }
    ]


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    async with Double() as double:
        yield double


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30) as http:
        yield http


async def ask(
    http: httpx.AsyncClient, gateway: Gateway, metadata: dict[str, str] | None = None, **body: Any
) -> httpx.Response:
    asked = {"model": ASSISTANT, "messages": [{"role": "user", "content": "count to 9"}], "max_tokens": 50, **body}
    headers = {"x-tfy-metadata": json.dumps(metadata)} if metadata else {}
    return await http.post(f"{gateway.url}/v1/chat/completions", json=asked, headers=headers)


def text(answer: httpx.Response) -> str:
    """What a stream says."""
    chunks = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk.get("choices", ()))


@pytest.mark.parametrize(
    ("model", "metadata", "target"),
    [
        (ASSISTANT, {"workflow": "repo-understanding"}, "openai/gpt-4o-mini"),
        (ASSISTANT, {"workflow": "security-review"}, "anthropic/claude-opus"),
        ("openai/other", {"surface": "batch-pipeline"}, "gemini/llama-3.1-70b"),
        ("openai/other", {"surface": "web"}, "openai/other"),
    ],
)
async def test_the_first_rule_that_matches_wins(
    tmp_path: Path, double: Double, http: httpx.AsyncClient, model: str, metadata: dict[str, str], target: str
) -> None:
    async with serving(tmp_path, double, routing=rules()) as gateway:
        answer = await ask(http, gateway, metadata, model=model)
    assert answer.status_code == 200
    assert answer.headers["x-gateway-model"] == target
    assert answer.headers["x-gateway-attempts"] == "1"
    assert double.calls() == Counter({target.partition("/")[2]: 1})


async def test_a_target_is_tried_again_and_then_the_next_one(
    tmp_path: Path, double: Double, http: httpx.AsyncClient
) -> None:
    double.script(Fault500(), Fault429(), Fault500(), model="gpt-4o-mini")
    async with serving(tmp_path, double, routing=rules()) as gateway:
        answer = await ask(http, gateway, {"workflow": "repo-understanding"})
    assert answer.status_code == 200
    assert answer.headers["x-gateway-model"] == "anthropic/claude-sonnet"
    assert answer.headers["x-gateway-attempts"] == "4"
    assert answer.headers["x-gateway-rule"] == "simple-repo-questions"
    assert double.calls() == Counter({"gpt-4o-mini": 3, "claude-sonnet": 1})
    assert [each["status"] for each in gateway.records[-1]["attempts"]] == [500, 429, 500, 200]


async def test_what_is_wrong_with_the_request_is_not_tried_elsewhere(
    tmp_path: Path, double: Double, http: httpx.AsyncClient
) -> None:
    double.script(ContextExceeded())
    async with serving(tmp_path, double, routing=two()) as gateway:
        answer = await ask(http, gateway)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "provider_refused"
    assert len(double.requests) == 1


BEFORE_CONTENT = [
    ErrorInStream(after=0),
    ErrorInStream(after=1),
    Cut(after=None),
    Cut(after=0),
    Cut(after=1),
    EndEarly(after=1),
    MalformedChunk(after=0),
    Raw(b"<html>", "text/html"),
    Raw(b"data: {}\n\n", "text/event-stream"),
    Failure(529, "overloaded"),
]


@pytest.mark.parametrize("step", BEFORE_CONTENT, ids=repr)
async def test_a_stream_that_fails_before_it_says_anything_is_answered_by_the_next(
    tmp_path: Path, double: Double, http: httpx.AsyncClient, step: Any
) -> None:
    double.script(step, model="a")
    async with serving(tmp_path, double, routing=two()) as gateway:
        answer = await ask(http, gateway, stream=True)
    assert text(answer) == "1 2 3 4 5 6 7 8 9"
    assert answer.headers["x-gateway-model"] == "anthropic/b"
    assert answer.text.count("data: [DONE]") == 1


LATE = 3_000
"""Frames: too many to arrive at once, so that some have left when the stream fails."""


@pytest.mark.parametrize(
    "step",
    [Cut(after=LATE), EndEarly(after=LATE), ErrorInStream(after=LATE), MalformedChunk(after=LATE)],
    ids=lambda step: type(step).__name__,
)
async def test_after_that_the_client_is_told_in_its_dialect(
    tmp_path: Path, double: Double, http: httpx.AsyncClient, step: Any
) -> None:
    double.script(step, model="a")
    messages = [{"role": "user", "content": "count to 4000"}]
    async with serving(tmp_path, double, routing=two()) as gateway:
        answer = await ask(http, gateway, stream=True, messages=messages, max_tokens=5_000)
        record = gateway.records[-1]
    assert answer.status_code == 200
    assert "[DONE]" not in answer.text
    assert " ".join(map(str, range(1, 4_001))).startswith(text(answer))
    last = json.loads(answer.text.rstrip().splitlines()[-1][6:])
    assert last["error"]["code"] in ("upstream_unavailable", "upstream_protocol_error")
    assert record["outcome"] == "failed"
    assert double.calls() == Counter({"a": 1})


async def test_when_all_are_dead_the_client_learns_which_were_tried_and_nothing_of_keys(
    tmp_path: Path, double: Double, http: httpx.AsyncClient
) -> None:
    double.always("a", Fault500())
    double.always("b", Failure(401, "server"))
    async with serving(tmp_path, double, routing=two()) as gateway:
        answer = await ask(http, gateway)
    assert answer.status_code == 502
    message = answer.json()["error"]["message"]
    assert "openai/a: HTTP 500" in message
    assert "anthropic/b: HTTP 401" in message
    assert "provider-key" not in answer.text
    assert "provider-key" not in str(gateway.lines.records)


async def test_a_canary_gets_its_share(tmp_path: Path, double: Double) -> None:
    canary = [
        {
            "id": "canary",
            "type": "weight-based-routing",
            "when": {"models": ["prod/*"]},
            "load_balance_targets": [{"target": "openai/old", "weight": 80}, {"target": "gemini/new", "weight": 20}],
        }
    ]
    async with serving(tmp_path, double, routing=canary) as gateway, openai_client(gateway.url, "anonymous") as client:
        for _ in range(20):
            await asyncio.gather(
                *(
                    client.chat.completions.create(model="prod/x", messages=[{"role": "user", "content": "Hi"}])
                    for _ in range(20)
                )
            )
    assert [record["attempts"] for record in gateway.records if len(record["attempts"]) > 1] == []
    # 400 draws of 0.2: outside of 40 … 130 once in some 10^9 runs.
    assert 40 < double.calls()["new"] < 130
    assert double.calls().total() == 400


@pytest.mark.parametrize("stream", [False, True])
async def test_an_outage_in_the_middle_of_load_loses_no_request(tmp_path: Path, double: Double, stream: bool) -> None:
    async with serving(tmp_path, double, routing=two()) as gateway, openai_client(gateway.url, "anonymous") as client:

        async def one(number: int) -> str:
            if number == 60:
                double.always("a", Cut(after=None))
            if number == 120:
                double.always("a", None)
            messages: Any = [{"role": "user", "content": f"number {number}"}]
            if not stream:
                whole = await client.chat.completions.create(model="prod/x", messages=messages)
                return whole.choices[0].message.content or ""
            said = ""
            async for chunk in await client.chat.completions.create(model="prod/x", messages=messages, stream=True):
                said += "".join(choice.delta.content or "" for choice in chunk.choices)
            return said

        answers: list[str] = []
        for start in range(0, 200, 10):
            answers += await asyncio.gather(*(one(number) for number in range(start, start + 10)))
    assert answers == [f"You said: number {number}" for number in range(200)]
    assert double.calls()["b"] >= 60
