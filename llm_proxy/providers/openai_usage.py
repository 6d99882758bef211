"""Usage as chat completions tell it. Pure; never raises."""

from __future__ import annotations

from llm_proxy.providers.fields import counted, tokens
from llm_proxy.spend.usage import Usage


def chat_usage(told: object) -> Usage | None:
    """The `usage` object of a chat completion; None if it is none, or nonsense.

    `prompt_tokens` holds what was read from a cache, `completion_tokens` what was thought. Servers that leave the
    thinking out of it are told by their `total_tokens`, which holds everything.
    """
    if type(told) is not dict:
        return None
    prompt, completion = told.get("prompt_tokens"), told.get("completion_tokens")
    read = written = reasoning = None
    details = told.get("prompt_tokens_details")
    if type(details) is dict:
        read, written = details.get("cached_tokens"), details.get("cache_write_tokens")
    if read is None:
        read = told.get("prompt_cache_hit_tokens")
    details = told.get("completion_tokens_details")
    if type(details) is dict:
        reasoning = details.get("reasoning_tokens")
    if apart := tokens(reasoning):
        seen, said = tokens(prompt), tokens(completion)
        if seen is not None and said is not None and told.get("total_tokens") == seen + said + apart:
            completion = said + apart
    return counted(prompt, completion, cache_read=read, cache_write=written, reasoning=reasoning)
