"""The official clients against the gateway, unchanged, before every family of providers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.llm_proxy.double.clients import anthropic_client, openai_client
from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.serving import FAMILIES, Gateway, serving

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
ASKED = 'call weather {"city": "Oslo"}'


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    async with Double(keys=frozenset({"provider-key-1"})) as double:
        yield double


@pytest.fixture
async def gateway(tmp_path: Path, double: Double) -> AsyncIterator[Gateway]:
    async with serving(tmp_path, double) as gateway:
        yield gateway


@pytest.mark.parametrize("family", FAMILIES)
async def test_chat(gateway: Gateway, double: Double, family: str) -> None:
    async with openai_client(gateway.url, "anonymous") as client:
        whole = await client.chat.completions.create(
            model=f"{family}/m", messages=[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
        )
        assert whole.choices[0].message.content == "You said: Hi"
        assert whole.choices[0].finish_reason == "stop"
        assert whole.created > 0
        assert whole.usage is not None
        used = double.counted("provider-key-1", "m")
        assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (used.input, used.output)

        text, usage = "", None
        stream = await client.chat.completions.create(
            model=f"{family}/m",
            messages=[{"role": "user", "content": "count to 30"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
            usage = chunk.usage or usage
        assert text == " ".join(map(str, range(1, 31)))
        assert usage is not None
        assert usage.completion_tokens == 30

        quiet = await client.chat.completions.create(
            model=f"{family}/m", messages=[{"role": "user", "content": "count to 3"}], stream=True
        )
        assert [chunk.usage async for chunk in quiet if chunk.usage is not None] == []
    first, second, third = gateway.records
    assert first["attempts"][0]["target"] == f"{family}/m"
    assert second["attempts"][0]["usage"]["output"] == 30
    assert third["attempts"][0]["usage"]["output"] == 3


@pytest.mark.parametrize("family", FAMILIES)
async def test_chat_with_tools(gateway: Gateway, family: str) -> None:
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
    messages: list[Any] = [{"role": "user", "content": ASKED}]
    async with openai_client(gateway.url, "anonymous") as client:
        for stream in (True, False):
            if stream:
                name = arguments = ""
                async for chunk in await client.chat.completions.create(
                    model=f"{family}/m", messages=messages, tools=[tool], stream=True
                ):
                    for call in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
                        assert call.function is not None
                        name += call.function.name or ""
                        arguments += call.function.arguments or ""
                assert (name, json.loads(arguments)) == ("weather", {"city": "Oslo"})
                continue
            first = await client.chat.completions.create(model=f"{family}/m", messages=messages, tools=[tool])
            called = first.choices[0].message
            assert first.choices[0].finish_reason == "tool_calls"
            assert called.tool_calls is not None
            call_id = called.tool_calls[0].id
            messages += [called.to_dict(), {"role": "tool", "tool_call_id": call_id, "content": "sunny"}]
            second = await client.chat.completions.create(model=f"{family}/m", messages=messages, tools=[tool])
            assert "sunny" in (second.choices[0].message.content or "")


@pytest.mark.parametrize("family", FAMILIES)
async def test_responses(gateway: Gateway, family: str) -> None:
    async with openai_client(gateway.url, "anonymous") as client:
        whole = await client.responses.create(model=f"{family}/m", input="Hi", instructions="Be kind.")
        assert whole.output_text == "You said: Hi"
        text, done = "", None
        async for event in await client.responses.create(model=f"{family}/m", input="count to 20", stream=True):
            if event.type == "response.output_text.delta":
                text += event.delta
            if event.type == "response.completed":
                done = event.response
        assert text == " ".join(map(str, range(1, 21)))
        assert done is not None
        assert done.usage is not None
        assert done.usage.output_tokens == 20
        assert done.output_text == text


@pytest.mark.parametrize("family", FAMILIES)
async def test_messages(gateway: Gateway, family: str) -> None:
    async with anthropic_client(gateway.url, "anonymous") as client:
        whole = await client.messages.create(
            model=f"{family}/m", max_tokens=50, system="Be kind.", messages=[{"role": "user", "content": "Hi"}]
        )
        assert [block.text for block in whole.content if block.type == "text"] == ["You said: Hi"]
        assert whole.stop_reason == "end_turn"
        async with client.messages.stream(
            model=f"{family}/m", max_tokens=50, messages=[{"role": "user", "content": "count to 20"}]
        ) as stream:
            text = "".join([piece async for piece in stream.text_stream])
            final = await stream.get_final_message()
        assert text == " ".join(map(str, range(1, 21)))
        assert final.usage.output_tokens == 20
        tool: Any = {"name": "weather", "input_schema": SCHEMA}
        called = await client.messages.create(
            model=f"{family}/m", max_tokens=50, messages=[{"role": "user", "content": ASKED}], tools=[tool]
        )
        used = [block for block in called.content if block.type == "tool_use"]
        assert [(block.name, block.input) for block in used] == [("weather", {"city": "Oslo"})]
        assert called.stop_reason == "tool_use"


@pytest.mark.parametrize("family", ("openai", "gemini"))
async def test_embeddings(gateway: Gateway, family: str) -> None:
    async with openai_client(gateway.url, "anonymous") as client:
        answer = await client.embeddings.create(model=f"{family}/m", input=["one", "two words"])
    assert [each.index for each in answer.data] == [0, 1]
    assert all(len(each.embedding) > 1 for each in answer.data)


async def test_models_are_listed_and_unknown_ones_refused(gateway: Gateway) -> None:
    async with openai_client(gateway.url, "anonymous") as client:
        assert [model.id async for model in client.models.list()] == []
        with pytest.raises(Exception, match="no model") as refused:
            await client.chat.completions.create(model="nowhere/m", messages=[{"role": "user", "content": "Hi"}])
    assert getattr(refused.value, "status_code", None) == 404
    assert gateway.records[-1]["reason"] == "unknown_model"
