"""`POST /v1/responses`. Pure.

The gateway stores nothing: whether `store` and `previous_response_id` mean anything is up to a provider that speaks
this API itself. `background` is refused always: its answer would have to be fetched later, past what is counted here.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import orjson

from llm_proxy.completion.answer import Answer
from llm_proxy.completion.dialect import Asked
from llm_proxy.completion.request import Completion
from llm_proxy.ingress import fields
from llm_proxy.ingress.openai_error import openai_error
from llm_proxy.ingress.responses.read import read
from llm_proxy.ingress.responses.stream import ResponsesWriter
from llm_proxy.ingress.responses.whole import whole
from mcp_gateway.core.errors import GatewayError

Json = dict[str, Any]


class Responses:
    """The dialect of `/v1/responses`."""

    __slots__ = ()

    wire: ClassVar[Literal["responses"]] = "responses"

    def asked(self, body: Json) -> Asked:
        """What the gateway reads of every request. Raises `Invalid` with a pointer."""
        if fields.flag(body, "background"):
            fields.wrong("background is not offered: nothing is stored here to be fetched later", "/background")
        return Asked(
            fields.needed_text(body, "model"),
            bool(fields.flag(body, "stream")),
            output_limit=fields.whole(body, "max_output_tokens", least=1),
        )

    def read(self, body: Json) -> Completion:
        """The request in no dialect. Raises `Invalid` with a pointer to what is wrong or has no translation."""
        return read(body)

    def answer(self, answer: Answer, completion: Completion) -> Json:
        """A whole answer to `completion`."""
        return whole(answer, completion)

    def writer(self, completion: Completion) -> ResponsesWriter:
        return ResponsesWriter(completion)

    def error(self, error: GatewayError, status: int, request_id: str) -> Json:
        """The body of a refusal or failure."""
        return openai_error(error, status, request_id)

    def stream_error(self, error: GatewayError, status: int, request_id: str) -> bytes:
        """The same as the last of a stream's server-sent events.

        Clients look for `error` in any event's data, and for an event `error` with `code` and `message` at its top.
        """
        body = openai_error(error, status, request_id)
        said = body["error"]
        top = {"type": "error", "code": said["code"], "message": said["message"], "param": said["param"]}
        return b"event: error\ndata: %b\n\n" % orjson.dumps({**top, "sequence_number": 0, **body})

    def without_usage(self, event: bytes) -> bytes | None:
        """`event`: this dialect always tells the usage."""
        return event

    def wants_usage(self, body: Json) -> bool:
        return True
