"""The wire family of Anthropic's messages. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

from llm_proxy.completion.answer import Answer
from llm_proxy.completion.request import Completion
from llm_proxy.completion.wire import Fault
from llm_proxy.providers.anthropic_messages.answer import answer_of
from llm_proxy.providers.anthropic_messages.carried import carried
from llm_proxy.providers.anthropic_messages.faults import fault_of
from llm_proxy.providers.anthropic_messages.request import request_of
from llm_proxy.providers.anthropic_messages.stream import MessageReader
from llm_proxy.providers.anthropic_messages.words import usage_of
from llm_proxy.spend.usage import Usage

Json = dict[str, Any]

CLIENT_HEADERS: Final = ("anthropic-beta",)
"""Headers that a client of the same format may have passed on: they change what the body means."""

_PATH: Final = "/v1/messages"
_VERSION: Final = ("anthropic-version", "2023-06-01")


@dataclass(frozen=True, slots=True)
class AnthropicMessages:
    """Implements `Codec`. What is dropped, translated and refused stands in the modules beside this one."""

    wire: ClassVar[Literal["messages"]] = "messages"

    def path(self, model: str, *, stream: bool) -> str:
        return _PATH

    def headers(self, key: str | None) -> Sequence[tuple[str, str]]:
        return (_VERSION,) if key is None else (_VERSION, ("x-api-key", key))

    def request(self, completion: Completion, model: str) -> Json:
        return request_of(completion, model)

    def forward(self, body: Json, model: str) -> Json:
        """Streams of this family always tell their usage, so the model changes, and what `carried` makes of turns."""
        return carried({**body, "model": model})

    def answer(self, body: Json) -> Answer:
        return answer_of(body)

    def usage(self, body: Json) -> Usage | None:
        """Of a stream, both `message_start` and `message_delta` say a part of it: `reader` puts them together."""
        counts = body.get("usage")
        if counts is None:
            message = body.get("message")
            counts = message.get("usage") if type(message) is dict else None
        return usage_of(counts)

    def reader(self) -> MessageReader:
        return MessageReader()

    def fault(self, status: int, body: object) -> Fault:
        return fault_of(status, body)
