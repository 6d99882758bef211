"""Whole chat completions → answers in no dialect. Pure; nonsense is `ProtocolViolation`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llm_proxy.completion.answer import Answer, Choice, Finish
from llm_proxy.completion.proof import unnamed
from llm_proxy.completion.request import Part, Reasoning, Text, ToolUse
from llm_proxy.providers.fields import a_text, an_array, an_object, seconds
from llm_proxy.providers.openai_usage import chat_usage
from mcp_gateway.core.errors import ProtocolViolation

Json = dict[str, Any]

MOST_CHOICES: Final = 128
"""No answer has more choices: `n` ends there."""

_FINISHES: Final[Mapping[str, Finish]] = {
    "length": "length",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "filtered",
}


def read(body: Json) -> Answer:
    """A `chat.completion`."""
    given = an_array(body.get("choices"), "choices")
    if not 1 <= len(given) <= MOST_CHOICES:
        raise ProtocolViolation("the provider's answer is wrong: it has no choice, or too many")
    choices: dict[int, Choice] = {}
    for place, value in enumerate(given):
        choice = an_object(value, "a choice")
        number = number_of(choice.get("index", place))
        choices[number] = _choice(choice, number)
    if len(choices) != len(given):
        raise ProtocolViolation("the provider's answer is wrong: two choices have one number")
    return Answer(
        a_text(body.get("id"), "id"),
        a_text(body.get("model"), "model"),
        tuple(choices[number] for number in sorted(choices)),
        chat_usage(body.get("usage")),
        seconds(body.get("created")),
    )


def number_of(index: object) -> int:
    """The number of a choice."""
    if type(index) is not int or not 0 <= index < MOST_CHOICES:
        raise ProtocolViolation("the provider's answer is wrong: index is not the number of a choice")
    return index


def finish_of(reason: str, *, called: bool, refused: bool) -> Finish:
    """Why a choice ended. A word that is not known, and none, is an end like any other.

    A choice that calls tools ended to have them called, even where a server says `stop`; a refusal was filtered.
    """
    finish = _FINISHES.get(reason, "stop")
    if finish == "stop":
        return "tool_use" if called else "filtered" if refused else "stop"
    return finish


def stop_of(choice: Json) -> str:
    """The stop sequence, where a server tells it (others put the number of a token there)."""
    stop = choice.get("stop_reason")
    return stop if type(stop) is str else ""


def _choice(choice: Json, number: int) -> Choice:
    message = an_object(choice.get("message"), "message")
    parts: list[Part] = [*_thoughts(message), *said(message.get("content"))]
    refusal = a_text(message.get("refusal"), "refusal")
    if refusal:
        parts.append(Text(refusal))
    called = an_array(message.get("tool_calls"), "tool_calls")
    calls = [_call(value, number, place) for place, value in enumerate(called)]
    reason = a_text(choice.get("finish_reason"), "finish_reason")
    finish = finish_of(reason, called=bool(calls), refused=bool(refusal))
    return Choice((*parts, *calls), finish, stop_of(choice))


def said(content: object) -> list[Part]:
    """What `content` says: a string, or a list of texts and thoughts, as some servers send it."""
    if content is None or content == "":
        return []
    if type(content) is str:
        return [Text(content)]
    parts: list[Part] = []
    for value in an_array(content, "content"):
        piece = an_object(value, "a part of content")
        if piece.get("type") == "text":
            parts.append(Text(a_text(piece.get("text"), "text")))
        elif piece.get("type") == "thinking":
            inner = [an_object(one, "a part of thinking") for one in an_array(piece.get("thinking"), "thinking")]
            parts.append(Reasoning("".join(a_text(one.get("text"), "text") for one in inner)))
        else:
            raise ProtocolViolation("the provider's answer is wrong: content of no known type")
    return parts


def _thoughts(message: Json) -> list[Reasoning]:
    """What the model thought: blocks with proofs, or the bare text, which repeats them."""
    text, blocks = bare_thought(message), thinking_blocks(message)
    return [Reasoning(text), *blocks] if text and not any(block.text for block in blocks) else blocks


def bare_thought(message: Json) -> str:
    """What a message, or the delta of one, says in words that the model thought."""
    text = a_text(message.get("reasoning_content"), "reasoning_content")
    other = message.get("reasoning")
    return text or (other if type(other) is str else "")


def thinking_blocks(message: Json) -> list[Reasoning]:
    """The thoughts with their proofs, as gateways write them."""
    return [_thought(value) for value in an_array(message.get("thinking_blocks"), "thinking_blocks")]


def _thought(value: object) -> Reasoning:
    block = an_object(value, "a block of thinking")
    if block.get("type") == "redacted_thinking":
        return Reasoning("", redacted=unnamed(a_text(block.get("data"), "data")))
    return Reasoning(a_text(block.get("thinking"), "thinking"), unnamed(a_text(block.get("signature"), "signature")))


def _call(value: object, choice: int, place: int) -> ToolUse:
    call = an_object(value, "a tool call")
    function = function_of(call)
    name = a_text(function.get("name"), "name")
    if not name:
        raise ProtocolViolation("the provider's answer is wrong: a tool call without a name")
    return ToolUse(a_text(call.get("id"), "id") or call_id(choice, place), name, arguments_of(function))


def function_of(call: Json) -> Json:
    """What is called: a function, or a tool of the type `custom`, for a client of this dialect that offered one."""
    return an_object(call.get("function") or call.get("custom") or {}, "function")


def arguments_of(function: Json) -> str:
    """The arguments: JSON text of a function's, any text of a custom tool's."""
    return a_text(function.get("arguments"), "arguments") or a_text(function.get("input"), "input")


def call_id(choice: int, call: int) -> str:
    """An id for a tool call that came without one: the same for the same place in an answer."""
    return f"call_{choice}_{call}"
