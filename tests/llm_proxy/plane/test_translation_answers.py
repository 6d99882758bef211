"""What official clients make of an answer is the same whatever family gave it, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import openai
import pytest
import pytest_asyncio
from pydantic import BaseModel

from tests.llm_proxy.double.question import Says
from tests.llm_proxy.plane.features import TOOLS
from tests.llm_proxy.plane.site import Site, official

Json = dict[str, Any]

PROVIDERS = ("openai", "native", "anthropic", "gemini")
CALLS: tuple[tuple[str, Json], ...] = (("weather", {"city": "Oslo"}), ("weather", {"city": "New York"}))
CALLED = '{"city": "Oslo"}', '{"city": "New York"}'
ENDS: dict[str, dict[str, str | None]] = {
    "chat": {"stop": "stop", "length": "length", "tool_use": "tool_calls"},
    "responses": {"stop": None, "length": "max_output_tokens", "tool_use": None},
    "messages": {"stop": "end_turn", "length": "max_tokens", "tool_use": "tool_use"},
}


class Place(BaseModel):
    """What structured output is parsed to."""

    city: str
    people: int


class Seen(NamedTuple):
    """An answer as a program reads it from the client's objects."""

    text: str
    thought: str
    calls: tuple[tuple[str, Json], ...]
    end: str | None
    read: int
    cached: int
    written: int


ANSWERS: dict[str, tuple[Says, str, str]] = {
    "text": (Says("All is well."), "", "stop"),
    "thought": (Says("All is well.", thinking="let me see"), "", "stop"),
    "several calls": (Says("I look. ", thinking="let me see", calls=CALLS), "tools", "tool_use"),
    "cached prompt": (Says("All is well.", cache_read=900), "", "stop"),
    "limit": (Says("one two three four five"), "limit", "length"),
}
LIMITS: dict[str, Json] = {
    "chat": {"max_completion_tokens": 3},
    "responses": {"max_output_tokens": 3},
    "messages": {"max_tokens": 3},
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with official(tmp_path_factory.mktemp("site")) as site:
        yield site


async def seen(site: Site, dialect: str, model: str, said: Json, *, stream: bool) -> Seen:
    read = {"chat": of_chat, "responses": of_responses, "messages": of_messages}[dialect]
    return await read(site, {"model": model, **said}, stream)


async def of_chat(site: Site, said: Json, stream: bool) -> Seen:
    asked = {"messages": [{"role": "user", "content": "Hi"}], **said}
    completions = site.openai.chat.completions
    if stream:
        async with completions.stream(**asked, stream_options={"include_usage": True}) as streamed:
            answer: Any = await streamed.get_final_completion()
    else:
        answer = await completions.create(**asked)
    (choice,) = answer.choices
    calls = tuple((one.function.name, json.loads(one.function.arguments)) for one in choice.message.tool_calls or ())
    thought = (choice.message.model_extra or {}).get("reasoning_content", "")
    usage = answer.usage
    cached = usage.prompt_tokens_details.cached_tokens
    end = choice.finish_reason
    return Seen(choice.message.content or "", thought, calls, end, usage.prompt_tokens, cached, usage.completion_tokens)


async def of_responses(site: Site, said: Json, stream: bool) -> Seen:
    asked = {"input": "Hi", **said}
    if stream:
        async with site.openai.responses.stream(**asked) as streamed:
            events = [event async for event in streamed]
        answer: Any = events[-1].response  # type: ignore[union-attr]  # the last event holds the whole
        deltas = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        assert deltas == answer.output_text
    else:
        answer = await site.openai.responses.create(**asked)
    items = answer.output
    calls = tuple((one.name, json.loads(one.arguments)) for one in items if one.type == "function_call")
    thought = "".join(part.text for one in items if one.type == "reasoning" for part in one.summary)
    end = answer.incomplete_details.reason if answer.incomplete_details else None
    usage = answer.usage
    cached = usage.input_tokens_details.cached_tokens
    return Seen(answer.output_text, thought, calls, end, usage.input_tokens, cached, usage.output_tokens)


async def of_messages(site: Site, said: Json, stream: bool) -> Seen:
    asked = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 500, **said}
    if stream:
        async with site.anthropic.messages.stream(**asked) as streamed:
            answer: Any = await streamed.get_final_message()
    else:
        answer = await site.anthropic.messages.create(**asked)
    blocks = answer.content
    calls = tuple((one.name, one.input) for one in blocks if one.type == "tool_use")
    text = "".join(one.text for one in blocks if one.type == "text")
    thought = "".join(one.thinking for one in blocks if one.type == "thinking")
    usage, cached = answer.usage, answer.usage.cache_read_input_tokens or 0
    return Seen(text, thought, calls, answer.stop_reason, usage.input_tokens + cached, cached, usage.output_tokens)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("dialect", ["chat", "responses", "messages"])
@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_is_the_same_from_everywhere(
    site: Site, name: str, dialect: str, provider: str, stream: bool
) -> None:
    says, option, finish = ANSWERS[name]
    said = {**(TOOLS[dialect] if option == "tools" else {}), **(LIMITS[dialect] if option == "limit" else {})}
    site.double.script(says)
    if name == "limit" and dialect == "chat" and stream:
        with pytest.raises(openai.LengthFinishReasonError):  # so does the client's helper, whoever answers
            await seen(site, dialect, f"{provider}/m", said, stream=stream)
        return
    before = site.double.counted()
    answer = await seen(site, dialect, f"{provider}/m", said, stream=stream)
    used = site.double.counted()
    assert answer == Seen(
        "one two three " if name == "limit" else says.text or "",
        says.thinking,
        says.calls,
        ENDS[dialect][finish],
        used.input - before.input,
        says.cache_read,
        used.output - before.output,
    )


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("provider", ["openai", "gemini"])
async def test_several_answers_at_once(site: Site, provider: str) -> None:
    asked: Json = {"model": f"{provider}/m", "messages": [{"role": "user", "content": "count to 3"}], "n": 3}
    whole = await site.openai.chat.completions.create(**asked)
    assert [(one.index, one.message.content) for one in whole.choices] == [(n, "1 2 3") for n in range(3)]
    said = {0: "", 1: "", 2: ""}
    async for chunk in await site.openai.chat.completions.create(**asked, stream=True):
        for choice in chunk.choices:
            said[choice.index] += choice.delta.content or ""
    assert said == dict.fromkeys(range(3), "1 2 3")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_structured_output_is_parsed_by_each_client(site: Site, provider: str) -> None:
    oslo = Place(city="Oslo", people=700_000)
    model, text = f"{provider}/m", oslo.model_dump_json()
    hi: Any = [{"role": "user", "content": "Which place?"}]
    site.double.script(*[Says(text)] * 6)
    chat = await site.openai.chat.completions.parse(model=model, messages=hi, response_format=Place)
    assert chat.choices[0].message.parsed == oslo
    async with site.openai.chat.completions.stream(model=model, messages=hi, response_format=Place) as streamed:
        assert (await streamed.get_final_completion()).choices[0].message.parsed == oslo
    response = await site.openai.responses.parse(model=model, input=hi, text_format=Place)
    assert response.output_parsed == oslo
    async with site.openai.responses.stream(model=model, input=hi, text_format=Place) as responding:
        assert (await responding.get_final_response()).output_parsed == oslo
    message = await site.anthropic.messages.parse(model=model, max_tokens=99, messages=hi, output_format=Place)
    assert message.parsed_output == oslo
    async with site.anthropic.messages.stream(
        model=model, max_tokens=99, messages=hi, output_format=Place
    ) as messaging:
        assert (await messaging.get_final_message()).parsed_output == oslo
    for received in list(site.double.requests)[-6:]:
        assert b'"people"' in received.body
