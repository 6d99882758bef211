"""What Anthropic's wire says with words and shapes of its own, in both directions. Pure.

A tool call's input is an object there and JSON text here. Text that is no object (a model may write anything) goes as
`{"INVALID_JSON": text}`, the form in which Anthropic's own documents have broken input sent back, and is text again
when it returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from llm_proxy.completion.answer import Finish
from llm_proxy.providers.fields import counted, tokens
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.strictjson import JsonError, dumps, loads_upstream

Json = dict[str, Any]

INVALID_JSON: Final = "INVALID_JSON"

_REASONS: Final[Mapping[Finish, str]] = MappingProxyType(
    {"stop": "end_turn", "length": "max_tokens", "tool_use": "tool_use", "filtered": "refusal"}
)
_FINISHES: Final[Mapping[str, Finish]] = MappingProxyType(
    {
        "max_tokens": "length",
        "model_context_window_exceeded": "length",
        "tool_use": "tool_use",
        "refusal": "filtered",
    }
)


def stop_reason(finish: Finish, stop: str) -> str:
    """The word for why an answer ended; `stop` is the stop sequence that ended it."""
    return "stop_sequence" if stop and finish == "stop" else _REASONS[finish]


def finish_of(reason: str) -> Finish:
    """What a `stop_reason` means. One that is not known is an end like any other: new ones come without notice."""
    return _FINISHES.get(reason, "stop")


def to_input(arguments: str) -> Json:
    """The input of a tool call whose arguments are this text."""
    if not arguments.strip():
        return {}
    try:
        value = loads_upstream(arguments.encode(errors="replace"))
    except JsonError:
        return {INVALID_JSON: arguments}
    return value if type(value) is dict else {INVALID_JSON: arguments}


def to_arguments(input: Json) -> str:
    """The arguments of a tool call with this input, as compact JSON text."""
    broken = input.get(INVALID_JSON) if len(input) == 1 else None
    return broken if type(broken) is str else dumps(input).decode()


def usage_of(counts: object) -> Usage | None:
    """The usage in a `usage` object; None if it says nothing, or nonsense. Never raises.

    `input_tokens` leaves out what was read from the cache or written to it; here `input` is the sum of the three.
    """
    if type(counts) is not dict:
        return None
    fresh, read, written = (
        counts.get(key) for key in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    )
    whole = fresh
    if read is not None or written is not None:
        parts = [tokens(0 if part is None else part) for part in (fresh, read, written)]
        whole = "nonsense" if None in parts else sum(part or 0 for part in parts)
    details = counts.get("output_tokens_details")
    thinking = details.get("thinking_tokens") if type(details) is dict else None
    return counted(whole, counts.get("output_tokens"), cache_read=read, cache_write=written, reasoning=thinking)


def usage_object(usage: Usage | None) -> Json:
    """The `usage` object that says `usage`; zeros if nobody knows, because the member may not be absent."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    said: Json = {
        "input_tokens": max(0, usage.input - usage.cache_read - usage.cache_write),
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output,
    }
    if usage.reasoning:
        said["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return said
