"""What was asked of a model and what it said, as the conventions have it: messages of parts
(`gen_ai.input.messages`, `gen_ai.output.messages`, `gen_ai.system_instructions`). Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final

from llm_proxy.asking import Ask, Reply
from llm_proxy.completion.answer import Answer
from llm_proxy.completion.dialect import Dialect, completes
from llm_proxy.completion.request import Completion, Media, Part, Reasoning, Text, ToolResult, ToolUse
from llm_proxy.guarding.codecs import codec_of
from llm_proxy.guarding.screens import FOLDED
from mcp_gateway.core.errors import Invalid, ProtocolViolation
from mcp_gateway.envelopes.observability import names
from mcp_gateway.envelopes.observability.detail import Show, put, put_newest
from mcp_gateway.envelopes.observability.traces.span import Value

Json = dict[str, Any]

_FINISH: Final[Mapping[str, str]] = MappingProxyType(
    {"stop": "stop", "length": "length", "tool_use": "tool_call", "filtered": "content_filter"}
)


def show_content(attributes: dict[str, Value], show: Show, ask: Ask, reply: Reply | None) -> None:
    """Add the messages of a completion. Of a stream the answer is there only if guardrails have seen it whole."""
    dialect = ask.dialect
    if not completes(dialect):
        return
    # What has no translation is passed on all the same, and is not shown.
    with suppress(Invalid):
        asked = dialect.read(ask.body)
        put(attributes, show, {names.SYSTEM_INSTRUCTIONS: _system(asked) or None})
        put_newest(attributes, show, names.INPUT_MESSAGES, _messages(asked))
    body = ask.trail.notes.get(FOLDED) if reply is None or reply.body is None else reply.body
    if isinstance(body, dict):
        with suppress(ProtocolViolation):
            put(attributes, show, {names.OUTPUT_MESSAGES: _said(_answer(dialect, body))})


def _answer(dialect: Dialect, body: Json) -> Answer:
    return codec_of(dialect.wire).answer(body)


def _system(asked: Completion) -> list[object]:
    return [part for message in asked.messages if message.role == "system" for part in _parts(message.parts)]


def _messages(asked: Completion) -> list[object]:
    return [
        {"role": _role(message.role, message.parts), "parts": _parts(message.parts)}
        for message in asked.messages
        if message.role != "system"
    ]


def _role(role: str, parts: Iterable[Part]) -> str:
    return "tool" if role == "user" and all(isinstance(part, ToolResult) for part in parts) else role


def _said(answer: Answer) -> list[object]:
    return [
        {"role": "assistant", "parts": _parts(choice.parts), "finish_reason": _FINISH[choice.finish]}
        for choice in answer.choices
    ]


def _parts(parts: Iterable[Part]) -> list[Json]:
    return [_part(part) for part in parts]


def _part(part: Part) -> Json:
    match part:
        case Text(text):
            return {"type": "text", "content": text}
        case Reasoning():
            return {"type": "reasoning", "content": part.text}
        case ToolUse(id, name, arguments):
            return {"type": "tool_call", "id": id, "name": name, "arguments": _parsed(arguments)}
        case ToolResult():
            return {"type": "tool_call_response", "id": part.id, "response": _parts(part.parts)}
        case Media():
            return _media(part)


def _media(part: Media) -> Json:
    """An image or a file by what it is. Its bytes are none of it, nor is what gives access to it in its address."""
    kind = {"modality": part.media_type.partition("/")[0], "mime_type": part.media_type}
    if part.url:
        return {"type": "uri", **kind, "uri": part.url.partition("?")[0]}
    return {"type": "blob", **kind, "base64_characters": len(part.data)}


def _parsed(arguments: str) -> object:
    """Arguments as the model wrote them, which may be broken."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments
