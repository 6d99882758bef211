"""What reads answers in the dialects of clients. Pure."""

from __future__ import annotations

from llm_proxy.completion.wire import Wire
from llm_proxy.providers.anthropic_messages.codec import AnthropicMessages
from llm_proxy.providers.codec import Codec
from llm_proxy.providers.openai_chat.codec import OpenAIChat
from llm_proxy.providers.openai_responses.codec import OpenAIResponses


def codec_of(wire: Wire) -> Codec:
    """The codec of answers to clients of completions in `wire`."""
    match wire:
        case "messages":
            return AnthropicMessages()
        case "responses":
            return OpenAIResponses()
    return OpenAIChat()
