"""Answers in no dialect → whole chat completions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llm_proxy.completion.answer import Answer, Choice, Finish
from llm_proxy.completion.proof import named
from llm_proxy.completion.request import Completion, Reasoning, Text, ToolUse
from llm_proxy.spend.usage import Usage

Json = dict[str, Any]

FINISH_REASONS: Final[Mapping[Finish, str]] = {
    "stop": "stop",
    "length": "length",
    "tool_use": "tool_calls",
    "filtered": "content_filter",
}


def completion_of(answer: Answer, completion: Completion) -> Json:
    """A `chat.completion` object. It names the provider's model, as the answers that are passed on do."""
    body: Json = {
        "id": answer.id,
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model or completion.model,
        "choices": [_choice(choice, number) for number, choice in enumerate(answer.choices)],
    }
    if answer.usage is not None:
        body["usage"] = usage_of(answer.usage)
    return body


def _choice(choice: Choice, number: int) -> Json:
    texts = [part.text for part in choice.parts if isinstance(part, Text)]
    thoughts = [part for part in choice.parts if isinstance(part, Reasoning)]
    calls = [part for part in choice.parts if isinstance(part, ToolUse)]
    message: Json = {"role": "assistant", "content": "".join(texts) if texts or not calls else None, "refusal": None}
    if thoughts:
        message["reasoning_content"] = "".join(thought.text for thought in thoughts)
        message["thinking_blocks"] = [thinking_block(thought) for thought in thoughts]
    if calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in calls
        ]
    written: Json = {
        "index": number,
        "message": message,
        "logprobs": None,
        "finish_reason": FINISH_REASONS[choice.finish],
    }
    if choice.stop:
        written["stop_reason"] = choice.stop
    return written


def thinking_block(thought: Reasoning) -> Json:
    """A thought with its proof, as a client has to send it back; the form that other gateways write too.

    The signature is empty if there is none: the block tells that another dialect's model thought this.
    """
    if thought.redacted:
        return {"type": "redacted_thinking", "data": named(thought.redacted)}
    return {"type": "thinking", "thinking": thought.text, "signature": named(thought.signature)}


def usage_of(usage: Usage) -> Json:
    """A `usage` object."""
    prompt: Json = {"cached_tokens": usage.cache_read}
    if usage.cache_write:
        prompt["cache_write_tokens"] = usage.cache_write
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
