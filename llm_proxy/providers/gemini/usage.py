"""`usageMetadata` → `Usage`. Pure; never raises."""

from __future__ import annotations

from typing import Final

from llm_proxy.providers.fields import counted, tokens
from llm_proxy.spend.usage import Usage

_BILLED: Final = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")


def gemini_usage(told: object) -> Usage | None:
    """None if it is none, or nonsense.

    `promptTokenCount` holds what was read from a cache. What tools that Google runs put into the prompt is counted
    apart from it, and so are thoughts from `candidatesTokenCount`; both are billed.
    """
    if type(told) is not dict:
        return None
    prompt, said, thought = (told.get(name) for name in _BILLED)
    if prompt is None and said is None and thought is None:
        return None
    tools, cached = told.get("toolUsePromptTokenCount"), told.get("cachedContentTokenCount")
    if tools is None and thought is None:
        return counted(prompt, said, cache_read=cached)
    input, output = _sum(prompt, tools), _sum(said, thought)
    return None if input is None or output is None else counted(input, output, cache_read=cached, reasoning=thought)


def _sum(count: object, more: object) -> int | None:
    one, other = tokens(0 if count is None else count), tokens(0 if more is None else more)
    return None if one is None or other is None else one + other
