"""The wire family of `POST {base_url}/chat/completions`: OpenAI and what is compatible with it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from llm_proxy.completion.answer import Answer
from llm_proxy.completion.proof import translated
from llm_proxy.completion.request import Completion
from llm_proxy.completion.wire import Fault
from llm_proxy.providers.openai_chat import answer, request
from llm_proxy.providers.openai_chat.request import LimitName
from llm_proxy.providers.openai_chat.stream import ChunkReader
from llm_proxy.providers.openai_fault import openai_fault
from llm_proxy.providers.openai_usage import chat_usage
from llm_proxy.spend.usage import Usage

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class OpenAIChat:
    """Implements `Codec`. `limit_name` is what the server calls the limit of tokens in requests that are translated."""

    limit_name: LimitName = "max_completion_tokens"

    wire: ClassVar[Literal["chat"]] = "chat"

    def path(self, model: str, *, stream: bool) -> str:
        return "/chat/completions"

    def headers(self, key: str | None) -> Sequence[tuple[str, str]]:
        return () if key is None else (("authorization", f"Bearer {key}"),)

    def request(self, completion: Completion, model: str) -> Json:
        return request.written(completion, model, self.limit_name)

    def forward(self, body: Json, model: str) -> Json:
        """A stream is made to tell its usage.

        And thoughts are left out that were translated for the client, from a model of another family earlier in the
        conversation: servers of this one refuse members of messages that they do not know.
        """
        sent = {**body, "model": model}
        messages = body.get("messages")
        if type(messages) is list:
            for message in messages:
                if _translated(message):
                    sent["messages"] = [_without_thoughts(one) if _translated(one) else one for one in messages]
                    break
        if body.get("stream") is True:
            options = body.get("stream_options")
            sent["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
        return sent

    def answer(self, body: Json) -> Answer:
        return answer.read(body)

    def usage(self, body: Json) -> Usage | None:
        return chat_usage(body.get("usage"))

    def reader(self) -> ChunkReader:
        return ChunkReader()

    def fault(self, status: int, body: object) -> Fault:
        return openai_fault(status, body)


def _translated(message: object) -> bool:
    """Whether all its thoughts are a translation's."""
    blocks = message.get("thinking_blocks") if type(message) is dict else None
    if type(blocks) is not list or not blocks:
        return False
    proofs = [block.get("signature", block.get("data", "")) for block in blocks if type(block) is dict]
    return len(proofs) == len(blocks) and all(type(proof) is str and translated(proof) for proof in proofs)


def _without_thoughts(message: Json) -> Json:
    return {key: value for key, value in message.items() if key not in ("thinking_blocks", "reasoning_content")}
