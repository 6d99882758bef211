"""The wire of OpenAI's responses API. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from llm_proxy.completion.answer import Answer
from llm_proxy.completion.proof import foreign
from llm_proxy.completion.request import Completion
from llm_proxy.completion.wire import Fault
from llm_proxy.providers.openai_fault import openai_fault
from llm_proxy.providers.openai_responses.answer import answer, response_usage
from llm_proxy.providers.openai_responses.request import request
from llm_proxy.providers.openai_responses.stream import ResponsesReader
from llm_proxy.spend.usage import Usage

Json = dict[str, Any]


class OpenAIResponses:
    """One wire family."""

    __slots__ = ()

    wire: ClassVar[Literal["responses"]] = "responses"

    def path(self, model: str, *, stream: bool) -> str:
        return "/responses"

    def headers(self, key: str | None) -> Sequence[tuple[str, str]]:
        return (("authorization", f"Bearer {key}"),) if key else ()

    def request(self, completion: Completion, model: str) -> Json:
        """Raises `Invalid` where this API cannot say what is asked for."""
        return request(completion, model)

    def forward(self, body: Json, model: str) -> Json:
        """A stream tells its usage always, so only the model changes.

        And thoughts are left out that a model of another family has proven, earlier in the conversation.
        """
        given = body.get("input")
        if type(given) is list and any(_foreign(item) for item in given):
            return {**body, "model": model, "input": [item for item in given if not _foreign(item)]}
        return {**body, "model": model}

    def answer(self, body: Json) -> Answer:
        """Raises `ProtocolViolation`."""
        return answer(body)

    def usage(self, body: Json) -> Usage | None:
        """Of a whole response, or of an event that holds one."""
        response = body.get("response", body)
        return response_usage(response.get("usage")) if type(response) is dict else None

    def reader(self) -> ResponsesReader:
        return ResponsesReader()

    def fault(self, status: int, body: object) -> Fault:
        return openai_fault(status, body)


def _foreign(item: object) -> bool:
    if type(item) is not dict or item.get("type") != "reasoning":
        return False
    proof = item.get("encrypted_content")
    return type(proof) is str and foreign(proof)
