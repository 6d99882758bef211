"""`POST /v1/embeddings`. Pure.

Input is a string or a list of strings. Tokens instead of texts only pass through to a provider that speaks this API:
no other one could read them. `user` is dropped where the request is translated.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from llm_proxy.completion.dialect import Asked
from llm_proxy.completion.embedding import Embedding, Vectors
from llm_proxy.ingress import fields
from llm_proxy.ingress.openai_error import openai_error
from llm_proxy.providers.vectors import encoded
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import GatewayError

Json = dict[str, Any]

_ENCODINGS: Final = ("float", "base64")


class Embeddings:
    """The dialect of `/v1/embeddings`. It is not one of completions: nothing is streamed, nothing generated."""

    __slots__ = ()

    wire: ClassVar[Literal["embeddings"]] = "embeddings"

    def asked(self, body: Json) -> Asked:
        """What the gateway reads of every request. Raises `Invalid` with a pointer."""
        if fields.flag(body, "stream"):
            fields.wrong("embeddings are not streamed", "/stream")
        return Asked(fields.needed_text(body, "model"), output_limit=0)

    def read(self, body: Json) -> Embedding:
        """The request in no dialect. Raises `Invalid` with a pointer to what is wrong or has no translation."""
        encoding = fields.word(body, "encoding_format", _ENCODINGS)
        return Embedding(
            fields.needed_text(body, "model"),
            _texts(body.get("input")),
            fields.whole(body, "dimensions", least=1),
            "base64" if encoding == "base64" else "float",
        )

    def answer(self, answer: Vectors, embedding: Embedding) -> Json:
        """The answer to `embedding`. A usage that the provider did not tell is told as 0."""
        used = answer.usage or Usage()
        as_text = embedding.encoding == "base64"
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": encoded(vector) if as_text else list(vector)}
                for index, vector in enumerate(answer.vectors)
            ],
            "model": answer.model,
            "usage": {"prompt_tokens": used.input, "total_tokens": used.total},
        }

    def error(self, error: GatewayError, status: int, request_id: str) -> Json:
        """The body of a refusal or failure."""
        return openai_error(error, status, request_id)

    def stream_error(self, error: GatewayError, status: int, request_id: str) -> bytes:
        """There are no streams: nothing."""
        return b""


def _texts(given: object) -> tuple[str, ...]:
    values = [given] if type(given) is str else given
    if type(values) is not list or not values:
        fields.wrong("input is required and must be a string or an array of strings that is not empty", "/input")
    for i, value in enumerate(values):
        if type(value) is int or type(value) is list:
            fields.wrong("tokens mean nothing to the provider of this model: send text", f"/input/{i}")
        if type(value) is not str or not value:
            fields.wrong("must be a string that is not empty", f"/input/{i}" if values is given else "/input")
    return tuple(values)
