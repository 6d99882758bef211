"""A whole response → `Answer`. Pure."""

from __future__ import annotations

from typing import Any

from llm_proxy.completion.answer import Answer, Choice, Finish
from llm_proxy.completion.request import Part, Reasoning, Text, ToolUse
from llm_proxy.completion.signature import mark
from llm_proxy.providers.fields import a_text, an_array, an_object, counted, seconds
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import ProtocolViolation

Json = dict[str, Any]


def answer(body: Json) -> Answer:
    """Raises `ProtocolViolation`. Items that no request of ours asks for (searches of the provider, …) are passed over.

    Texts in a row are one part, and so are thoughts up to one with a proof, as they are in a stream.
    """
    parts: list[Part] = []
    for value in an_array(body.get("output"), "output"):
        item = an_object(value, "an output item")
        match item.get("type"):
            case "message":
                _say(parts, _message(item))
            case "reasoning":
                _think(parts, reasoning(item))
            case "function_call":
                parts.append(
                    ToolUse(
                        a_text(item.get("call_id"), "call_id"),
                        a_text(item.get("name"), "name"),
                        a_text(item.get("arguments"), "arguments"),
                    )
                )
    return Answer(
        a_text(body.get("id"), "id"),
        a_text(body.get("model"), "model"),
        (Choice(tuple(parts), finish(body, called=any(isinstance(part, ToolUse) for part in parts))),),
        response_usage(body.get("usage")),
        seconds(body.get("created_at")),
    )


def _say(parts: list[Part], text: str) -> None:
    last = parts[-1] if parts else None
    if isinstance(last, Text):
        parts[-1] = Text(last.text + text)
    elif text:
        parts.append(Text(text))


def _think(parts: list[Part], thought: Reasoning) -> None:
    last = parts[-1] if parts else None
    if not (thought.text or thought.signature):
        return
    if isinstance(last, Reasoning) and not last.signature:
        parts[-1] = Reasoning(last.text + thought.text, thought.signature)
    else:
        parts.append(thought)


def _message(item: Json) -> str:
    said = []
    for value in an_array(item.get("content"), "content"):
        part = an_object(value, "a content part")
        kind = part.get("type")
        if kind == "output_text":
            said.append(a_text(part.get("text"), "text"))
        elif kind == "refusal":
            said.append(a_text(part.get("refusal"), "refusal"))
    return "".join(said)


def reasoning(item: Json) -> Reasoning:
    """What a reasoning item says: its summaries, or its thoughts where the provider shows them, with the proof."""
    summaries = [_thought(part) for part in an_array(item.get("summary"), "summary")]
    thoughts = [_thought(part) for part in an_array(item.get("content"), "content")]
    proof = a_text(item.get("encrypted_content"), "encrypted_content")
    return Reasoning("\n\n".join(summaries) + "".join(thoughts), mark("openai", proof))


def _thought(part: object) -> str:
    return a_text(an_object(part, "a thought").get("text"), "text")


def finish(body: Json, *, called: bool) -> Finish:
    """Why a response ended. Raises `ProtocolViolation` if it has not, or failed."""
    status = body.get("status")
    if status == "completed":
        return "tool_use" if called else "stop"
    if status != "incomplete":
        raise ProtocolViolation("the provider's answer is not complete")
    details = body.get("incomplete_details")
    reason = details.get("reason") if type(details) is dict else None
    return "filtered" if reason == "content_filter" else "length"


def response_usage(told: object) -> Usage | None:
    """The `usage` object of a response; None if it is none, or nonsense. Never raises."""
    if type(told) is not dict:
        return None
    return counted(
        told.get("input_tokens"),
        told.get("output_tokens"),
        cache_read=_detail(told, "input_tokens_details", "cached_tokens"),
        cache_write=_detail(told, "input_tokens_details", "cache_write_tokens"),
        reasoning=_detail(told, "output_tokens_details", "reasoning_tokens"),
    )


def _detail(told: Json, group: str, key: str) -> object:
    details = told.get(group)
    return details.get(key) if type(details) is dict else None
