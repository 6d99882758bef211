"""How the fields of each dialect carry text to guardrails. Pure.

Words of people and models are looked at and rewritten; identifiers, words of the dialect and addresses are looked at
and stay; arguments of tools are looked at as the JSON they are, images and proofs as the base64 they are. What is in no
table is looked at as any text is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from llm_proxy.completion.wire import Wire
from mcp_gateway.envelopes.safety.grammar import Grammar, Handling


def _fields(**fields: Iterable[str]) -> Mapping[str, Handling]:
    return MappingProxyType({name: Handling[kind] for kind, names in fields.items() for name in names})


_COMMON: Final = _fields(
    TEXT=("text", "description", "title", "refusal", "reasoning_content", "reasoning_text", "summary_text"),
    FIXED=("type", "role", "id", "name", "model", "object", "status", "service_tier", "user", "effort", "detail"),
    ADDRESS=("url", "file_data", "file_url"),
    BINARY=("data", "signature", "encrypted_content"),
    PARTS=("content", "tools", "tool_choice", "format", "usage", "annotations", "error", "message"),
    FREE=("metadata", "parameters", "input_schema", "schema", "stream", "temperature", "top_p", "created"),
)

_CHAT: Final = Grammar(
    MappingProxyType(
        {
            **_COMMON,
            **_fields(
                TEXT=("reasoning", "thinking", "stop", "transcript", "filename", "input"),
                FIXED=("tool_call_id", "finish_reason", "file_id", "reasoning_effort", "system_fingerprint"),
                JSON=("arguments",),
                PARTS=(
                    "messages",
                    "function",
                    "functions",
                    "function_call",
                    "tool_calls",
                    "choices",
                    "thinking_blocks",
                ),
                FREE=("logprobs", "n", "max_tokens", "max_completion_tokens", "index", "strict", "logit_bias"),
            ),
            **_fields(
                FIXED=("safety_identifier", "prompt_cache_key", "verbosity", "modalities", "stop_reason"),
                PARTS=("image_url", "input_audio", "file", "audio", "response_format", "json_schema", "stream_options"),
            ),
            **_fields(PARTS=("prediction", "custom", "url_citation")),
        }
    )
)

_MESSAGES: Final = Grammar(
    MappingProxyType(
        {
            **_COMMON,
            **_fields(
                TEXT=("context", "cited_text", "stop_sequences", "stop_sequence", "document_title"),
                FIXED=("tool_use_id", "media_type", "stop_reason", "file_id", "display"),
                PARTS=("messages", "system", "source", "citations", "cache_control", "output_config", "thinking"),
                FREE=("input", "max_tokens", "is_error", "top_k", "strict"),
            ),
        }
    ),
    typed=MappingProxyType({"data": MappingProxyType({"text": Handling.TEXT})}),
)

_RESPONSES: Final = Grammar(
    MappingProxyType(
        {
            **_COMMON,
            **_fields(
                TEXT=("delta", "filename", "transcript"),
                FIXED=("call_id", "file_id", "previous_response_id", "truncation", "include", "safety_identifier"),
                ADDRESS=("image_url",),
                JSON=("arguments",),
                PARTS=("input", "output", "instructions", "summary", "text", "reasoning", "item", "part", "response"),
                FREE=("max_output_tokens", "logprobs", "store", "background", "parallel_tool_calls", "created_at"),
            ),
            **_fields(PARTS=("input_audio", "incomplete_details", "url_citation"), FIXED=("prompt_cache_key",)),
        }
    )
)

_EMBEDDINGS: Final = Grammar(
    _fields(
        TEXT=("input",), FIXED=("model", "encoding_format", "user", "object"), FREE=("dimensions",), PARTS=("data",)
    )
)

GRAMMARS: Final[Mapping[Wire, Grammar]] = MappingProxyType(
    {"chat": _CHAT, "messages": _MESSAGES, "responses": _RESPONSES, "embeddings": _EMBEDDINGS}
)
"""Those of requests, by what clients speak."""

ANSWERS: Final[Mapping[Wire, Grammar]] = MappingProxyType(
    {
        wire: replace(grammar, opaque=frozenset({"created", "created_at", "completed_at"}))
        for wire, grammar in GRAMMARS.items()
    }
)
"""Those of answers: when one was made is told in so many seconds, which look like somebody's number."""


@dataclass(frozen=True, slots=True)
class Channels:
    """How an answer tells its words: the fields of what is said and what is thought.

    `joined`: all that one choice says is one text to its client, whatever comes between.
    """

    text: str
    thought: str
    joined: bool = False

    def of(self, *, thought: bool) -> str:
        """The field of words that are `thought`, or said."""
        return self.thought if thought else self.text


CHANNELS: Final[Mapping[Wire, Channels]] = MappingProxyType(
    {
        "chat": Channels("content", "reasoning_content", joined=True),
        "messages": Channels("text", "thinking"),
        "responses": Channels("text", "text"),
    }
)
"""The same of streams."""
