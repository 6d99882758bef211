"""The dialect of `POST /v1/chat/completions`. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from llm_proxy.completion.answer import Answer
from llm_proxy.completion.dialect import Asked
from llm_proxy.completion.request import Completion
from llm_proxy.ingress.chat import request
from llm_proxy.ingress.chat.answer import completion_of
from llm_proxy.ingress.chat.stream import ChunkWriter, without_usage
from llm_proxy.ingress.openai_error import openai_error
from mcp_gateway.core.errors import GatewayError
from mcp_gateway.core.sse import encode_event
from mcp_gateway.core.strictjson import dumps

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chat:
    """Implements `Dialect`. What is dropped, translated and refused stands in `llm_proxy.ingress.chat.request`."""

    wire: ClassVar[Literal["chat"]] = "chat"

    def asked(self, body: Json) -> Asked:
        return request.asked(body)

    def read(self, body: Json) -> Completion:
        return request.read(body)

    def answer(self, answer: Answer, completion: Completion) -> Json:
        return completion_of(answer, completion)

    def writer(self, completion: Completion) -> ChunkWriter:
        return ChunkWriter(completion)

    def error(self, error: GatewayError, status: int, request_id: str) -> Json:
        return openai_error(error, status, request_id)

    def stream_error(self, error: GatewayError, status: int, request_id: str) -> bytes:
        return encode_event(dumps(openai_error(error, status, request_id)))

    def without_usage(self, event: bytes) -> bytes | None:
        return without_usage(event)

    def wants_usage(self, body: Json) -> bool:
        return request.wants_usage(body)
