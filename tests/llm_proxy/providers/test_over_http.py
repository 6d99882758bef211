"""The codecs of Gemini and of the responses API, and both of embeddings, against a provider over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import orjson
import pytest

from llm_proxy.completion.answer import Answer
from llm_proxy.completion.embedding import Embedding
from llm_proxy.completion.fold import Fold
from llm_proxy.completion.request import Completion, Message, Text, Tool, ToolResult, ToolUse
from llm_proxy.providers.codec import Codec
from llm_proxy.providers.embedding import EmbeddingCodec
from llm_proxy.providers.gemini.codec import Gemini
from llm_proxy.providers.gemini.embeddings import GeminiEmbeddings
from llm_proxy.providers.openai_embeddings import OpenAIEmbeddings
from llm_proxy.providers.openai_responses.codec import OpenAIResponses
from mcp_gateway.core.sse import SseDecoder
from tests.llm_proxy.double.question import Count
from tests.llm_proxy.double.server import Double

CODECS = (Gemini(), OpenAIResponses())
WEATHER = Tool("weather", "Tells the weather", {"type": "object", "properties": {"city": {"type": "string"}}})
CALL = 'call weather {"city": "Oslo"}'


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    async with Double(keys=frozenset({"key-1"})) as double:
        yield double


def base(double: Double, codec: Codec | EmbeddingCodec) -> str:
    return double.url if codec.wire == "gemini" else f"{double.url}/v1"


async def post(url: str, headers: Any, body: object) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False) as client:
        return await client.post(
            url, headers=[*headers, ("content-type", "application/json")], content=orjson.dumps(body)
        )


async def ask(double: Double, codec: Codec, completion: Completion) -> Answer:
    """The answer of `double`, read whole or from a stream as `completion` wants it."""
    url = base(double, codec) + codec.path("m", stream=completion.stream)
    response = await post(url, codec.headers("key-1"), codec.request(completion, "m"))
    assert response.status_code == 200, response.text
    if not completion.stream:
        return codec.answer(orjson.loads(response.content))
    reader, fold = codec.reader(), Fold()
    for raw in SseDecoder().feed(response.content):
        for event in reader.read(raw):
            fold.add(event)
    for event in reader.end():
        fold.add(event)
    return fold.answer()


def said(answer: Answer) -> str:
    return "".join(part.text for part in answer.choices[0].parts if isinstance(part, Text))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.wire)
async def test_an_answer_and_what_it_used(double: Double, codec: Codec, stream: bool) -> None:
    hi = Message("user", (Text("Hello there"),))
    answer = await ask(double, codec, Completion(model="m", messages=(hi,), stream=stream))
    assert said(answer) == "You said: Hello there"
    assert answer.choices[0].finish == "stop"
    assert answer.usage is not None
    assert double.counted("key-1", "m") == Count(input=answer.usage.input, output=answer.usage.output, answers=1)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.wire)
async def test_a_tool_is_called_and_its_result_read(double: Double, codec: Codec, stream: bool) -> None:
    asked = Completion(model="m", messages=(Message("user", (Text(CALL),)),), tools=(WEATHER,), stream=stream)
    first = (await ask(double, codec, asked)).choices[0]
    (call,) = [part for part in first.parts if isinstance(part, ToolUse)]
    assert (first.finish, call.name, orjson.loads(call.arguments)) == ("tool_use", "weather", {"city": "Oslo"})
    turns = (Message("assistant", first.parts), Message("user", (ToolResult(call.id, (Text("12 degrees"),)),)))
    again = Completion(model="m", messages=(*asked.messages, *turns), tools=(WEATHER,), stream=stream)
    assert "12 degrees" in said(await ask(double, codec, again))


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.wire)
async def test_an_answer_at_its_limit(double: Double, codec: Codec) -> None:
    count = Message("user", (Text("count to 50"),))
    answer = await ask(double, codec, Completion(model="m", messages=(count,), max_tokens=5, stream=True))
    assert answer.choices[0].finish == "length"
    assert said(answer).split() == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.wire)
async def test_a_key_that_is_not_known(double: Double, codec: Codec) -> None:
    hi = Completion(model="m", messages=(Message("user", (Text("hi"),)),))
    response = await post(
        base(double, codec) + codec.path("m", stream=False), codec.headers("no"), codec.request(hi, "m")
    )
    fault = codec.fault(response.status_code, orjson.loads(response.content))
    assert fault.kind == "authentication"


@pytest.mark.parametrize("codec", [OpenAIEmbeddings(), GeminiEmbeddings()], ids=lambda codec: codec.wire)
async def test_embeddings(double: Double, codec: EmbeddingCodec) -> None:
    asked = Embedding("m", ("one", "two", "one"))
    response = await post(base(double, codec) + codec.path("m"), codec.headers("key-1"), codec.request(asked, "m"))
    assert response.status_code == 200, response.text
    one, two, again = codec.answer(orjson.loads(response.content), asked).vectors
    assert one == again != two
