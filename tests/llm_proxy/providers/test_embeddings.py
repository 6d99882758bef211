"""What both families of embeddings send and answer."""

import math
import struct
from base64 import b64encode
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.completion.embedding import Embedding, Vectors
from llm_proxy.completion.wire import Fault
from llm_proxy.ingress.embeddings import Embeddings
from llm_proxy.providers.embedding import EmbeddingCodec
from llm_proxy.providers.gemini.embeddings import GeminiEmbeddings
from llm_proxy.providers.openai_embeddings import OpenAIEmbeddings
from llm_proxy.providers.vectors import encoded, vector
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import ProtocolViolation
from tests.llm_proxy.ingress.responses.values import json, words

Json = dict[str, Any]
OPENAI, GEMINI = OpenAIEmbeddings(), GeminiEmbeddings()
CODECS: tuple[EmbeddingCodec, ...] = (OPENAI, GEMINI)
TWO = Embedding("prod/e", ("a", "b"), 2, "base64")
ANSWER: Json = {
    "object": "list",
    "model": "text-x",
    "data": [{"index": 1, "embedding": [2, 0.25]}, {"index": 0, "embedding": [0.5, -1.0]}],
    "usage": {"prompt_tokens": 7, "total_tokens": 7},
}


def test_openais_request() -> None:
    assert OPENAI.request(TWO, "text-x") == {
        "model": "text-x",
        "input": ["a", "b"],
        "encoding_format": "base64",
        "dimensions": 2,
    }
    body = {"model": "prod/e", "input": [[1, 2]], "unknown": 1}
    assert OPENAI.forward(body, "text-x") == {**body, "model": "text-x"}
    assert (OPENAI.wire, OPENAI.path("x")) == ("embeddings", "/embeddings")
    assert OPENAI.headers("k") == (("authorization", "Bearer k"),)


def test_geminis_request() -> None:
    one: Json = {"model": "models/g", "outputDimensionality": 2}
    body = {"requests": [{**one, "content": {"parts": [{"text": text}]}} for text in "ab"]}
    assert GEMINI.request(TWO, "g") == GEMINI.request(TWO, "models/g") == body
    assert GEMINI.forward(body, "g") == body
    assert (GEMINI.wire, GEMINI.path("a/b")) == ("gemini", "/v1beta/models/a%2Fb:batchEmbedContents")
    assert GEMINI.headers("k") == (("x-goog-api-key", "k"),)


def test_openais_answer_is_put_in_order() -> None:
    assert OPENAI.answer(ANSWER, TWO) == Vectors("text-x", ((0.5, -1.0), (2, 0.25)), Usage(7))


def test_geminis_answer_names_the_model_that_was_asked_for() -> None:
    body = {"embeddings": [{"values": [0.5, -1.0]}, {"values": [2, 0.25]}]}
    assert GEMINI.answer(body, TWO) == Vectors("prod/e", ((0.5, -1.0), (2, 0.25)))
    assert GEMINI.usage({"usageMetadata": {"promptTokenCount": 7}}) == Usage(7)


@pytest.mark.parametrize("codec", CODECS)
def test_faults(codec: EmbeddingCodec) -> None:
    assert codec.fault(429, None) == Fault("rate_limit")


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        [],
        [{"embedding": [1]}],
        [{"embedding": [1]}, {"embedding": [1]}, {"embedding": [1]}],
        [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}],
        [{"index": 1, "embedding": [1]}, {"index": 2, "embedding": [1]}],
        [{"index": "0", "embedding": [1]}, {"index": 1, "embedding": [1]}],
        [{"embedding": [1]}, {"embedding": []}],
        [{"embedding": [1]}, {"embedding": [True]}],
        [{"embedding": [1]}, {"embedding": ["1"]}],
        [{"embedding": [1]}, {"embedding": [1e300]}],
        [{"embedding": [1]}, {"embedding": "not base64"}],
        [{"embedding": [1]}, {"embedding": "aGk="}],
        [{"embedding": [1]}, {"embedding": b64encode(struct.pack("<f", math.nan)).decode()}],
        [{"embedding": [1]}, 5],
    ],
)
def test_nonsense_is_a_violation(data: object) -> None:
    """Vectors that are not those of the texts would be stored as if they were."""
    with pytest.raises(ProtocolViolation):
        OPENAI.answer({"data": data}, TWO)


@pytest.mark.parametrize(
    "embeddings",
    [
        None,
        {},
        [],
        [{"values": [1]}],
        [{"values": [1]}, {"values": [1]}, {"values": [1]}],
        [{"values": [1]}, {"values": [None]}],
        [{"values": [1]}, {}],
        [{"values": [1]}, [1]],
    ],
)
def test_nonsense_of_gemini_is_a_violation(embeddings: object) -> None:
    with pytest.raises(ProtocolViolation):
        GEMINI.answer({"embeddings": embeddings}, TWO)


@pytest.mark.parametrize("count", [None, -1, "7", 1.5, 10**12])
def test_usage_that_is_none(count: object) -> None:
    assert OPENAI.usage({"usage": {"prompt_tokens": count}}) is None
    assert GEMINI.usage({"usageMetadata": {"promptTokenCount": count}}) is None


floats = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8)


@given(floats)
def test_base64_holds_the_same_vector(numbers: list[float]) -> None:
    assert vector(encoded(numbers)) == vector(numbers) == tuple(numbers)


@given(st.lists(st.tuples(words, floats), min_size=1, max_size=4), st.sampled_from(("float", "base64")))
def test_an_answer_comes_back(pairs: list[tuple[str, list[float]]], encoding: Any) -> None:
    asked = Embedding("m", tuple(text for text, _ in pairs), None, encoding)
    answer = Vectors("m", tuple(tuple(numbers) for _, numbers in pairs), Usage(3))
    assert OPENAI.answer(Embeddings().answer(answer, asked), asked) == answer
    assert Embeddings().read(OPENAI.request(asked, "m")) == asked


@given(st.dictionaries(st.sampled_from(("data", "embeddings", "usage", "usageMetadata", "model")), json))
def test_any_json_is_an_answer_or_a_violation(body: Json) -> None:
    for codec in CODECS:
        codec.usage(body)
        codec.fault(500, body)
        with suppress(ProtocolViolation):
            assert len(codec.answer(body, Embedding("m", ("a",))).vectors) == 1
