"""A guardrail of the type `presidio` on prompts and answers: a stream waits until it is whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.envelopes.safety.pipeline import CITY, NAME, pipeline
from tests.llm_proxy.double.question import Says
from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.test_guarded import CARD, INPUT, OUTPUT, ask, guard, guarded, said


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    async with Double() as double:
        yield double


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30) as http:
        yield http


@pytest.mark.parametrize("stream", [False, True])
async def test_names_are_taken_out_of_prompts_and_answers(
    tmp_path: Path, double: Double, http: httpx.AsyncClient, stream: bool
) -> None:
    config = {"model": pipeline(tmp_path / "names"), "entities": ["PERSON", "LOCATION", "CREDIT_CARD"]}
    names = guard("p", type="presidio", operation="mutate", config=config)
    filler = "word " * 600
    async with guarded(tmp_path, double, [names], rule={INPUT: ["own/p"], OUTPUT: ["own/p"]}) as gateway:
        echoed = await ask(http, gateway, "chat", f"{NAME} has {CARD}", stream=stream)
        double.script(Says(f"{filler}{NAME} is in {CITY}. {filler}"))
        answered = await ask(http, gateway, "chat", "Where?", stream=stream)
    assert said("chat", echoed) == "You said: [PERSON] has [CREDIT_CARD]"
    assert said("chat", answered) == f"{filler}[PERSON] is in [LOCATION]. {filler}"
    assert NAME not in str(double.requests)
    assert [(each["hook"], each["verdict"], each["action"]) for each in gateway.records[-1]["guardrails"]] == [
        (INPUT, "pass", "allow"),
        (OUTPUT, "deny", "mutate"),
    ]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_with_a_name_is_withheld(
    tmp_path: Path, double: Double, http: httpx.AsyncClient, stream: bool
) -> None:
    names = guard("p", type="presidio", config={"model": pipeline(tmp_path / "names"), "entities": ["PERSON"]})
    async with guarded(tmp_path, double, [names], rule={OUTPUT: ["own/p"]}) as gateway:
        double.script(Says(f"{'word ' * 600}{NAME}"))
        answer = await ask(http, gateway, "chat", "Who?", stream=stream)
    assert answer.status_code == 403
    assert "word" not in answer.text and NAME not in answer.text
