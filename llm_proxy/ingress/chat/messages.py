"""The messages of a chat → turns in no dialect. Pure; everything wrong is `Invalid` with its place."""

from __future__ import annotations

from typing import Any, Final

from llm_proxy.completion.proof import unnamed
from llm_proxy.completion.request import Message, Part, Reasoning, Text, ToolResult, ToolUse
from llm_proxy.ingress.chat.parts import content
from llm_proxy.ingress.fields import an_object, array, needed_member, needed_text, text, wrong

Json = dict[str, Any]

_ROLES: Final = ("system", "developer", "user", "assistant", "tool")


def messages(body: Json) -> tuple[Message, ...]:
    """All turns. Results of tools that stand in a row are one turn of the user."""
    given = array(body, "messages")
    if not given:
        wrong("messages is required and must hold at least one message", "/messages")
    turns: list[Message] = []
    results: list[Part] = []
    for number, value in enumerate(given):
        at = f"/messages/{number}"
        message = an_object(value, at)
        role = needed_text(message, "role", at)
        if role == "tool":
            results.append(_result(message, at))
            continue
        if results:
            turns.append(Message("user", tuple(results)))
            results = []
        turns.append(_turn(message, role, at))
    if results:
        turns.append(Message("user", tuple(results)))
    return tuple(turns)


def _turn(message: Json, role: str, at: str) -> Message:
    if role == "user":
        return Message("user", _said(message, at, media=True))
    if role in ("system", "developer"):
        return Message("system", _said(message, at, media=False))
    if role == "assistant":
        return Message("assistant", _assistant(message, at))
    wrong(f"role must be one of {', '.join(_ROLES)}", f"{at}/role")


def _said(message: Json, at: str, *, media: bool) -> tuple[Part, ...]:
    parts = content(message.get("content"), f"{at}/content", media=media)
    return parts or wrong("content is required", f"{at}/content")


def _result(message: Json, at: str) -> ToolResult:
    parts = content(message.get("content"), f"{at}/content", media=False)
    return ToolResult(needed_text(message, "tool_call_id", at), parts, text(message, "name", at) or "")


def _assistant(message: Json, at: str) -> tuple[Part, ...]:
    """What it thought, said and called, in this order: the dialect knows no other."""
    for key in ("function_call", "audio"):
        if message.get(key) is not None:
            wrong(f"{key} has no translation here", f"{at}/{key}")
    parts: list[Part] = [*_thoughts(message, at), *content(message.get("content"), f"{at}/content", media=False)]
    refusal = text(message, "refusal", at)
    if refusal:
        parts.append(Text(refusal))
    for number, value in enumerate(array(message, "tool_calls", at)):
        place = f"{at}/tool_calls/{number}"
        call = an_object(value, place)
        if call.get("type", "function") != "function":
            wrong("only calls of type function have a translation here", f"{place}/type")
        function = needed_member(call, "function", place)
        name = needed_text(function, "name", f"{place}/function")
        arguments = text(function, "arguments", f"{place}/function") or ""
        parts.append(ToolUse(needed_text(call, "id", place), name, arguments))
    return tuple(parts) or wrong("content or tool_calls is required", f"{at}/content")


def _thoughts(message: Json, at: str) -> list[Part]:
    """`thinking_blocks`, which hold the provider's signatures, or else the bare text."""
    thoughts: list[Part] = []
    for number, value in enumerate(array(message, "thinking_blocks", at)):
        place = f"{at}/thinking_blocks/{number}"
        block = an_object(value, place)
        kind = needed_text(block, "type", place)
        if kind == "redacted_thinking":
            thoughts.append(Reasoning("", redacted=unnamed(needed_text(block, "data", place))))
        elif kind == "thinking":
            signature = unnamed(text(block, "signature", place) or "")
            thoughts.append(Reasoning(text(block, "thinking", place) or "", signature))
        else:
            wrong("type must be thinking or redacted_thinking", f"{place}/type")
    if thoughts:
        return thoughts
    thought = text(message, "reasoning_content", at) or text(message, "reasoning", at)
    return [Reasoning(thought)] if thought else []
