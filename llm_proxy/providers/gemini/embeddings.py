"""Embeddings of Google's Gemini API (`batchEmbedContents`). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from llm_proxy.completion.embedding import Embedding, Vectors
from llm_proxy.completion.wire import Fault
from llm_proxy.providers.fields import an_array, an_object, counted
from llm_proxy.providers.gemini.codec import gemini_headers, model_path
from llm_proxy.providers.gemini.fault import gemini_fault
from llm_proxy.providers.vectors import vector
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import ProtocolViolation

Json = dict[str, Any]


class GeminiEmbeddings:
    """One wire family. Answers name no model: the name the client asked for stands in for it."""

    __slots__ = ()

    wire: ClassVar[Literal["gemini"]] = "gemini"

    def path(self, model: str) -> str:
        return model_path(model) + ":batchEmbedContents"

    def headers(self, key: str | None) -> Sequence[tuple[str, str]]:
        return gemini_headers(key)

    def request(self, embedding: Embedding, model: str) -> Json:
        """One request for each text: several parts of one content would become one vector."""
        named = model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"
        common: Json = {"model": named}
        if embedding.dimensions is not None:
            common["outputDimensionality"] = embedding.dimensions
        return {"requests": [{**common, "content": {"parts": [{"text": text}]}} for text in embedding.texts]}

    def forward(self, body: Json, model: str) -> Json:
        """The model stands in the path and in each request; a client of this format has written it there."""
        return dict(body)

    def answer(self, body: Json, embedding: Embedding) -> Vectors:
        """Raises `ProtocolViolation`."""
        found = [an_object(value, "an embedding") for value in an_array(body.get("embeddings"), "embeddings")]
        if len(found) != len(embedding.texts):
            raise ProtocolViolation("the provider's answer does not hold one embedding for each input")
        return Vectors(embedding.model, tuple(vector(item.get("values")) for item in found), self.usage(body))

    def usage(self, body: Json) -> Usage | None:
        """Older models tell none."""
        told = body.get("usageMetadata")
        if type(told) is not dict or told.get("promptTokenCount") is None:
            return None
        return counted(told["promptTokenCount"], 0)

    def fault(self, status: int, body: object) -> Fault:
        return gemini_fault(status, body)
