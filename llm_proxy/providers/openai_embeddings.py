"""The wire of OpenAI's embeddings, which compatible servers share. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from llm_proxy.completion.embedding import Embedding, Vectors
from llm_proxy.completion.wire import Fault
from llm_proxy.providers.fields import a_text, an_array, an_object, counted
from llm_proxy.providers.openai_fault import openai_fault
from llm_proxy.providers.vectors import vector
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import ProtocolViolation

Json = dict[str, Any]


class OpenAIEmbeddings:
    """One wire family."""

    __slots__ = ()

    wire: ClassVar[Literal["embeddings"]] = "embeddings"

    def path(self, model: str) -> str:
        return "/embeddings"

    def headers(self, key: str | None) -> Sequence[tuple[str, str]]:
        return (("authorization", f"Bearer {key}"),) if key else ()

    def request(self, embedding: Embedding, model: str) -> Json:
        body: Json = {"model": model, "input": list(embedding.texts), "encoding_format": embedding.encoding}
        return body if embedding.dimensions is None else {**body, "dimensions": embedding.dimensions}

    def forward(self, body: Json, model: str) -> Json:
        return {**body, "model": model}

    def answer(self, body: Json, embedding: Embedding) -> Vectors:
        """Vectors are put in the order of their `index`. Raises `ProtocolViolation`."""
        vectors: dict[int, tuple[float, ...]] = {}
        for place, value in enumerate(an_array(body.get("data"), "data")):
            item = an_object(value, "an embedding")
            index = item.get("index", place)
            if type(index) is not int or index in vectors:
                raise ProtocolViolation("the provider's answer is wrong: the index of an embedding")
            vectors[index] = vector(item.get("embedding"))
        if sorted(vectors) != list(range(len(embedding.texts))):
            raise ProtocolViolation("the provider's answer does not hold one embedding for each input")
        ordered = tuple(vectors[index] for index in range(len(vectors)))
        return Vectors(a_text(body.get("model"), "model"), ordered, self.usage(body))

    def usage(self, body: Json) -> Usage | None:
        told = body.get("usage")
        if type(told) is not dict or told.get("prompt_tokens") is None:
            return None
        return counted(told["prompt_tokens"], 0)

    def fault(self, status: int, body: object) -> Fault:
        return openai_fault(status, body)
