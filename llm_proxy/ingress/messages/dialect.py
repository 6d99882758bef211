"""The dialect of `POST /v1/messages`. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from llm_proxy.completion.answer import Answer
from llm_proxy.completion.dialect import Asked
from llm_proxy.completion.request import Completion
from llm_proxy.ingress.messages import request
from llm_proxy.ingress.messages.answer import message_of
from llm_proxy.ingress.messages.errors import error_of
from llm_proxy.ingress.messages.stream import MessageWriter
from mcp_gateway.core.errors import GatewayError
from mcp_gateway.core.sse import encode_event
from mcp_gateway.core.strictjson import dumps

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Messages:
    """Implements `Dialect`. What is dropped, translated and refused stands in `llm_proxy.ingress.messages.request`."""

    wire: ClassVar[Literal["messages"]] = "messages"

    def asked(self, body: Json) -> Asked:
        return request.asked(body)

    def read(self, body: Json) -> Completion:
        return request.read(body)

    def answer(self, answer: Answer, completion: Completion) -> Json:
        return message_of(answer, completion)

    def writer(self, completion: Completion) -> MessageWriter:
        return MessageWriter(completion)

    def error(self, error: GatewayError, status: int, request_id: str) -> Json:
        return error_of(error, status, request_id)

    def stream_error(self, error: GatewayError, status: int, request_id: str) -> bytes:
        return encode_event(dumps(error_of(error, status, request_id)), event=b"error")

    def without_usage(self, event: bytes) -> bytes | None:
        """The dialect always tells the usage."""
        return event

    def wants_usage(self, body: Json) -> bool:
        return True
