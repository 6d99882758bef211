"""The double speaks its families as the official clients understand them, and counts what it says that it used."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tests.llm_proxy.double.clients import anthropic_client, openai_client
from tests.llm_proxy.double.question import Count, Says
from tests.llm_proxy.double.server import Double

TOOL: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
CHAT_TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": TOOL}}
RESPONSES_TOOL: Any = {"type": "function", "name": "weather", "parameters": TOOL, "strict": False}
MESSAGES_TOOL: Any = {"name": "weather", "input_schema": TOOL}
CALL = 'call weather {"city": "Oslo"}'


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    async with Double() as double:
        yield double


async def test_chat_whole_and_streamed(double: Double) -> None:
    async with openai_client(double.url) as client:
        whole = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello there"}])
        assert whole.choices[0].message.content == "You said: Hello there"
        assert whole.choices[0].finish_reason == "stop"
        assert whole.usage is not None
        assert (whole.usage.prompt_tokens, whole.usage.completion_tokens, whole.usage.total_tokens) == (2, 4, 6)

        text, usage = "", None
        stream = await client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "count to 50"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
            usage = chunk.usage or usage
        assert text == " ".join(map(str, range(1, 51)))
        assert usage is not None
        assert usage.completion_tokens == 50
    assert double.counted("key-1", "m") == Count(input=5, output=54, answers=2)
    assert double.counted("another") == Count()


async def test_chat_calls_tools(double: Double) -> None:
    messages: list[Any] = [{"role": "user", "content": CALL}]
    async with openai_client(double.url) as client:
        first = await client.chat.completions.create(model="m", messages=messages, tools=[CHAT_TOOL])
        assert first.choices[0].finish_reason == "tool_calls"
        assert first.choices[0].message.tool_calls
        call = first.choices[0].message.tool_calls[0]
        assert call.type == "function"
        assert json.loads(call.function.arguments) == {"city": "Oslo"}
        async with client.chat.completions.stream(model="m", messages=messages, tools=[CHAT_TOOL]) as stream:
            final = (await stream.get_final_completion()).choices[0].message.tool_calls
        assert final is not None
        assert json.loads(final[0].function.arguments) == {"city": "Oslo"}
        messages += [first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}]
        last = await client.chat.completions.create(model="m", messages=messages, tools=[CHAT_TOOL])
        assert last.choices[0].message.content == "The tool returned: 12 degrees"
        without = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": CALL}])
        assert without.choices[0].message.tool_calls is None


async def test_chat_choices_limit_and_a_tool_that_must_be_called(double: Double) -> None:
    async with openai_client(double.url) as client:
        answer = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "count to 9"}], n=3, max_completion_tokens=4
        )
        assert [choice.message.content for choice in answer.choices] == ["1 2 3 4 "] * 3
        assert {choice.finish_reason for choice in answer.choices} == {"length"}
        assert answer.usage is not None
        assert answer.usage.completion_tokens == double.counted().output == 12
        forced = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hi"}], tools=[CHAT_TOOL], tool_choice="required"
        )
        assert forced.choices[0].finish_reason == "tool_calls"


async def test_responses_whole_streamed_and_tools(double: Double) -> None:
    async with openai_client(double.url) as client:
        whole = await client.responses.create(model="m", input="Hello there", instructions="Be kind")
        assert whole.output_text == "You said: Hello there"
        assert whole.usage is not None
        assert (whole.usage.input_tokens, whole.usage.output_tokens) == (4, 4)
        async with client.responses.stream(model="m", input=CALL, tools=[RESPONSES_TOOL]) as stream:
            kinds = [event.type async for event in stream]
            final = await stream.get_final_response()
        assert kinds[0] == "response.created"
        assert kinds[-1] == "response.completed"
        call = final.output[0]
        assert call.type == "function_call"
        assert json.loads(call.arguments) == {"city": "Oslo"}
        again = await client.responses.create(
            model="m",
            tools=[RESPONSES_TOOL],
            input=[
                {"role": "user", "content": CALL},
                {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments},
                {"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"},
            ],
        )
        assert again.output_text == "The tool returned: 12 degrees"


async def test_messages_whole_streamed_and_tools(double: Double) -> None:
    double.script(Says(thinking="let me see", cache_read=7, cache_write=2))
    async with anthropic_client(double.url) as client:
        whole = await client.messages.create(
            model="m", max_tokens=99, system="Be kind", messages=[{"role": "user", "content": "Hello there"}]
        )
        assert [block.type for block in whole.content] == ["thinking", "text"]
        assert (whole.usage.input_tokens, whole.usage.output_tokens) == (4, 7)
        assert (whole.usage.cache_read_input_tokens, whole.usage.cache_creation_input_tokens) == (7, 2)
        assert double.counted() == Count(13, 7, 7, 2, 3, 1)
        messages: list[Any] = [{"role": "user", "content": CALL}]
        async with client.messages.stream(model="m", max_tokens=99, messages=messages, tools=[MESSAGES_TOOL]) as stream:
            final = await stream.get_final_message()
        call = final.content[0]
        assert call.type == "tool_use"
        assert call.input == {"city": "Oslo"}
        assert final.stop_reason == "tool_use"
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "12 degrees"}
        messages += [{"role": "assistant", "content": final.content}, {"role": "user", "content": [result]}]
        last = await client.messages.create(model="m", max_tokens=99, messages=messages, tools=[MESSAGES_TOOL])
        assert last.content[0].type == "text"
        assert last.content[0].text == "The tool returned: 12 degrees"


async def test_embeddings_are_the_same_in_both_notations(double: Double) -> None:
    async with openai_client(double.url) as client:
        packed = await client.embeddings.create(model="e", input=["one text", "another"])
        plain = await client.embeddings.create(model="e", input="one text", encoding_format="float")
        assert packed.data[0].embedding == plain.data[0].embedding
        assert packed.usage.prompt_tokens == 3
        assert [model.id for model in (await client.models.list()).data] == ["double-1", "double-2"]


async def test_gemini_whole_streamed_and_tools(double: Double) -> None:
    async with httpx2.AsyncClient(base_url=double.url, headers={"x-goog-api-key": "g"}) as client:
        body: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": CALL}]}]}
        body["tools"] = [{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": TOOL}]}]
        answer = (await client.post("/v1beta/models/gem:generateContent", json=body)).json()
        call = answer["candidates"][0]["content"]["parts"][0]["functionCall"]
        assert call == {"name": "weather", "args": {"city": "Oslo"}}
        returned = {"functionResponse": {"name": "weather", "response": {"result": "12 degrees"}}}
        body["contents"] += [
            {"role": "model", "parts": [{"functionCall": call}]},
            {"role": "user", "parts": [returned]},
        ]
        streamed = (await client.post("/v1beta/models/gem:streamGenerateContent?alt=sse", json=body)).text
        chunks = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: ")]
        text = "".join(part["text"] for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"])
        assert text == "The tool returned: 12 degrees"
        assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"
        assert chunks[-1]["usageMetadata"]["totalTokenCount"] == 6 + 5
        embedded = await client.post(
            "/v1beta/models/gem:embedContent", json={"content": {"parts": [{"text": "one text"}]}}
        )
        assert len(embedded.json()["embedding"]["values"]) == 8
    assert double.calls() == {"gem": 3}
    assert double.counted("g", "gem").answers == 3
