"""Anthropic's whole answer → `Answer`. Pure; what no provider may send is `ProtocolViolation`.

Blocks of kinds that no neutral value holds (tools that ran at the provider, and what came of them) are passed over:
a request that was translated never asks for them.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.completion.answer import Answer, Choice
from llm_proxy.completion.request import Part, Reasoning, Text, ToolUse
from llm_proxy.providers.anthropic_messages.words import finish_of, to_arguments, usage_of
from llm_proxy.providers.fields import a_text, an_array, an_object
from mcp_gateway.core.errors import ProtocolViolation

Json = dict[str, Any]


def answer_of(body: Json) -> Answer:
    """The answer in `body`."""
    if body.get("type") != "message":
        raise ProtocolViolation("the provider's answer is wrong: it is not a message")
    parts = tuple(
        part
        for block in an_array(body.get("content"), "content")
        if (part := _part(an_object(block, "a block of content"))) is not None
    )
    reason = a_text(body.get("stop_reason"), "stop_reason")
    if not reason:
        raise ProtocolViolation("the provider's answer is wrong: it has no stop_reason")
    stop = a_text(body.get("stop_sequence"), "stop_sequence")
    choice = Choice(parts, finish_of(reason), stop)
    return Answer(
        a_text(body.get("id"), "id"), a_text(body.get("model"), "model"), (choice,), usage_of(body.get("usage"))
    )


def _part(block: Json) -> Part | None:
    match block.get("type"):
        case "text":
            return Text(a_text(block.get("text"), "text"))
        case "tool_use":
            return ToolUse(*tool_of(block), to_arguments(an_object(block.get("input"), "the input of a tool call")))
        case "thinking":
            return Reasoning(a_text(block.get("thinking"), "thinking"), a_text(block.get("signature"), "signature"))
        case "redacted_thinking":
            return Reasoning("", redacted=a_text(block.get("data"), "data"))
        case str():
            return None
    raise ProtocolViolation("the provider's answer is wrong: a block of content has no type")


def tool_of(block: Json) -> tuple[str, str]:
    """The id and the name of a tool call."""
    id, name = a_text(block.get("id"), "the id of a tool call"), a_text(block.get("name"), "the name of a tool")
    if not id or not name:
        raise ProtocolViolation("the provider's answer is wrong: a tool call without id or name")
    return id, name
