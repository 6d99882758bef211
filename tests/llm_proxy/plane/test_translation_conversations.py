"""A conversation whose turns different families answer: the client sends back what it got, and nobody refuses it.

The double refuses proofs of reasoning that it did not give, in each family's way.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from itertools import permutations
from typing import Any

import pytest
import pytest_asyncio
from anthropic.types import Message
from openai.types.chat import ChatCompletionMessage

from tests.llm_proxy.double.anthropic_messages import SIGNATURE
from tests.llm_proxy.double.faults import Raw
from tests.llm_proxy.double.openai_responses import PROOF
from tests.llm_proxy.double.question import Says
from tests.llm_proxy.plane.features import TOOLS
from tests.llm_proxy.plane.site import Site, official

Json = dict[str, Any]

ROUTES = list(permutations(("native", "openai", "anthropic", "gemini"), 3))
THINKS = Says("", thinking="let me see", calls=(("weather", {"city": "Oslo"}), ("weather", {"city": "Rome"})))
THINKING: Json = {"thinking": {"type": "enabled", "budget_tokens": 2048}, "max_tokens": 9000}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with official(tmp_path_factory.mktemp("site")) as site:
        yield site


class Talk:
    """A client that keeps all it got, whole or as the helper of the official client for streams folds it."""

    def __init__(self, site: Site, dialect: str, *, stream: bool) -> None:
        self._site, self._dialect, self._stream = site, dialect, stream
        self.turns: list[Any] = [{"role": "user", "content": "What is the weather?"}]

    async def turn(self, provider: str) -> None:
        """Have `provider` call tools, and tell it what came of that."""
        self._site.double.script(THINKS)
        match self._dialect:
            case "chat":
                await self._chat(f"{provider}/m")
            case "responses":
                await self._responses(f"{provider}/m")
            case _:
                await self._messages(f"{provider}/m")

    async def _chat(self, model: str) -> None:
        asked: Json = {"model": model, "messages": self.turns, **TOOLS["chat"], "reasoning_effort": "low"}
        completions = self._site.openai.chat.completions
        if self._stream:
            async with completions.stream(**asked) as stream:
                answer: ChatCompletionMessage = (await stream.get_final_completion()).choices[0].message
        else:
            answer = (await completions.create(**asked)).choices[0].message
        assert answer.model_extra and answer.model_extra["reasoning_content"] == "let me see"
        assert answer.tool_calls is not None
        # What a streaming client puts together holds what it parsed, which nobody sends.
        kept = answer.model_dump(exclude_none=True, exclude={"parsed"})
        for call in kept["tool_calls"]:
            call["function"].pop("parsed_arguments", None)
        self.turns.append(kept)
        self.turns += [{"role": "tool", "tool_call_id": call.id, "content": "cold"} for call in answer.tool_calls]

    async def _responses(self, model: str) -> None:
        asked: Json = {"model": model, "input": self.turns, **TOOLS["responses"], "reasoning": {"effort": "low"}}
        if self._stream:
            async with self._site.openai.responses.stream(**asked) as stream:
                output: Sequence[Any] = (await stream.get_final_response()).output
        else:
            output = (await self._site.openai.responses.create(**asked)).output
        assert [item.type for item in output] == ["reasoning", "function_call", "function_call"]
        for item in output:
            kept = item.model_dump(exclude_none=True, exclude={"parsed_arguments"})
            self.turns.append(kept)
        self.turns += [
            {"type": "function_call_output", "call_id": item.call_id, "output": "cold"}
            for item in output
            if item.type == "function_call"
        ]

    async def _messages(self, model: str) -> None:
        asked: Json = {"model": model, "messages": self.turns, **TOOLS["messages"], **THINKING}
        if self._stream:
            async with self._site.anthropic.messages.stream(**asked) as stream:
                answer: Message = await stream.get_final_message()
        else:
            answer = await self._site.anthropic.messages.create(**asked)
        assert [block.type for block in answer.content] == ["thinking", "tool_use", "tool_use"]
        self.turns.append({"role": "assistant", "content": answer.content})
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": "cold"}
            for block in answer.content
            if block.type == "tool_use"
        ]
        self.turns.append({"role": "user", "content": results})


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("dialect", ["chat", "responses", "messages"])
async def test_every_family_goes_on_where_another_one_was(site: Site, dialect: str, stream: bool) -> None:
    for route in ROUTES:
        talk = Talk(site, dialect, stream=stream)
        for provider in (*route, route[0]):
            await talk.turn(provider)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("dialect", "provider", "proof"),
    [
        ("chat", "anthropic", SIGNATURE),
        ("responses", "anthropic", SIGNATURE),
        ("messages", "anthropic", SIGNATURE),
        ("responses", "native", PROOF),
        ("chat", "gemini", "dGhvdWdodCBieSB0aGUgZG91Ymxl"),
        ("responses", "gemini", "dGhvdWdodCBieSB0aGUgZG91Ymxl"),
        ("messages", "gemini", "dGhvdWdodCBieSB0aGUgZG91Ymxl"),
    ],
)
async def test_a_proof_comes_back_to_who_gave_it_also_past_others(
    site: Site, dialect: str, provider: str, proof: str, stream: bool
) -> None:
    talk = Talk(site, dialect, stream=stream)
    others = [other for other in ("native", "anthropic", "gemini") if other != provider]
    for asked in (provider, *others, provider):
        await talk.turn(asked)
    assert json.dumps(site.received).count(proof) == 1


@pytest.mark.asyncio(loop_scope="module")
async def test_an_id_that_anthropic_refuses_is_written_as_it_takes_it(site: Site) -> None:
    function = {"name": "weather", "arguments": "{}"}
    called = {
        "role": "assistant",
        "tool_calls": [{"id": "functions.weather:0", "type": "function", "function": function}],
    }
    choice = {"index": 0, "message": called, "finish_reason": "tool_calls"}
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    site.double.script(Raw(json.dumps(body).encode()))
    asked: Json = {"max_tokens": 50, **TOOLS["messages"]}
    turns: list[Any] = [{"role": "user", "content": "What is the weather?"}]
    answer = await site.anthropic.messages.create(model="openai/m", messages=turns, **asked)
    assert [block.id for block in answer.content if block.type == "tool_use"] == ["functions.weather:0"]
    turns.append({"role": "assistant", "content": answer.content})
    result = {"type": "tool_result", "tool_use_id": "functions.weather:0", "content": "cold"}
    turns.append({"role": "user", "content": [result]})
    await site.anthropic.messages.create(model="anthropic/m", messages=turns, **asked)
    blocks = [block for turn in site.received["messages"][1:] for block in turn["content"]]
    assert [block.get("id") or block["tool_use_id"] for block in blocks] == ["functions_weather_0"] * 2
