"""Embeddings, as clients ask for them."""

from typing import Any

import httpx2
import openai
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse

from llm_proxy.completion.dialect import Asked
from llm_proxy.completion.embedding import Embedding, Vectors
from llm_proxy.ingress.embeddings import Embeddings
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import Invalid
from tests.llm_proxy.ingress.responses.values import json

Json = dict[str, Any]
EMBEDDINGS = Embeddings()


@pytest.mark.parametrize(
    ("body", "embedding"),
    [
        ({"model": "m", "input": "hi"}, Embedding("m", ("hi",))),
        ({"model": "m", "input": ["a", "b"], "user": "u"}, Embedding("m", ("a", "b"))),
        (
            {"model": "m", "input": "hi", "dimensions": 8, "encoding_format": "base64"},
            Embedding("m", ("hi",), 8, "base64"),
        ),
    ],
)
def test_what_is_asked(body: Json, embedding: Embedding) -> None:
    assert EMBEDDINGS.read(body) == embedding
    assert EMBEDDINGS.asked(body) == Asked("m", output_limit=0)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"input": "hi"}, "/model"),
        ({"model": "m"}, "/input"),
        ({"model": "m", "input": ""}, "/input"),
        ({"model": "m", "input": []}, "/input"),
        ({"model": "m", "input": ["a", ""]}, "/input/1"),
        ({"model": "m", "input": [1, 2]}, "/input/0"),
        ({"model": "m", "input": [[1, 2]]}, "/input/0"),
        ({"model": "m", "input": ["a", None]}, "/input/1"),
        ({"model": "m", "input": {"text": "a"}}, "/input"),
        ({"model": "m", "input": "a", "dimensions": 0}, "/dimensions"),
        ({"model": "m", "input": "a", "encoding_format": "hex"}, "/encoding_format"),
    ],
)
def test_what_is_refused_is_pointed_at(body: Json, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        EMBEDDINGS.read(body)
    assert refused.value.pointer == pointer


def test_tokens_pass_where_nothing_is_translated() -> None:
    assert EMBEDDINGS.asked({"model": "m", "input": [[1, 2], [3]]}) == Asked("m", output_limit=0)
    with pytest.raises(Invalid):
        EMBEDDINGS.asked({"model": "m", "input": "a", "stream": True})


def test_an_answer() -> None:
    vectors = Vectors("text-x", ((0.5, -1.0), (2.0, 0.25)), Usage(7))
    body = EMBEDDINGS.answer(vectors, Embedding("m", ("a", "b")))
    assert body == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, -1.0]},
            {"object": "embedding", "index": 1, "embedding": [2.0, 0.25]},
        ],
        "model": "text-x",
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }
    CreateEmbeddingResponse.model_validate(body)


@pytest.mark.parametrize("encoding", [None, "float", "base64"])
async def test_the_official_client_reads_it(encoding: Any) -> None:
    """Left alone, it asks for base64 and decodes it."""
    asked: list[Embedding] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(EMBEDDINGS.read(orjson.loads(request.content)))
        body = EMBEDDINGS.answer(Vectors("text-x", ((0.5, -1.0), (2.0, 0.25))), asked[0])
        return httpx2.Response(200, json=body)

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    client = openai.AsyncOpenAI(api_key="k", base_url="http://gw/v1", http_client=http)
    options = {} if encoding is None else {"encoding_format": encoding}
    response = await client.embeddings.create(model="m", input=["a", "b"], **options)
    assert asked[0].encoding == (encoding or "base64")
    if encoding != "base64":
        assert [item.embedding for item in response.data] == [[0.5, -1.0], [2.0, 0.25]]
    assert (response.model, response.usage.prompt_tokens) == ("text-x", 0)


def test_a_refusal_has_openais_shape() -> None:
    body = EMBEDDINGS.error(Invalid("no", pointer="/input/0"), 400, "req-1")
    assert (body["error"]["param"], body["error"]["code"]) == ("input[0]", "invalid_request")
    assert EMBEDDINGS.stream_error(Invalid("no"), 400, "req-1") == b""


@given(st.dictionaries(st.sampled_from(("model", "input", "dimensions", "encoding_format", "stream")), json))
def test_any_json_is_read_or_refused(body: Json) -> None:
    for read in (EMBEDDINGS.asked, EMBEDDINGS.read):
        try:
            assert read(body).model == body["model"]
        except Invalid as refused:
            assert refused.pointer.startswith("/")
