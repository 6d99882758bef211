"""`Completion` → the body of a chat completion. Pure; what the family cannot say is `Invalid`.

Dropped, as hints: `top_k`. Left out, because providers of this family refuse it: what a model thought in earlier turns.
Written in other words: results of tools hold text only on this wire, so their images and documents follow in a turn of
the user, and a result that is a failure begins with `[tool error]`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, NoReturn

from llm_proxy.completion.request import Completion, Format, Media, Message, OneTool, Part, Text, ToolResult, ToolUse
from mcp_gateway.core.errors import Invalid

Json = dict[str, Any]

LimitName = Literal["max_completion_tokens", "max_tokens"]
"""How a server calls the limit of tokens. OpenAI refuses the older name for models that think; some know only that."""

FAILED: Final = "[tool error]"
_NUMBERS: Final = ("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty", "user")
_SOUNDS: Final = (("audio/wav", "wav"), ("audio/x-wav", "wav"), ("audio/mpeg", "mp3"), ("audio/mp3", "mp3"))


def written(completion: Completion, model: str, limit_name: LimitName) -> Json:
    """The body for the provider's `model`."""
    body: Json = {"model": model, "messages": [one for turn in completion.messages for one in _messages(turn)]}
    if completion.max_tokens is not None:
        body[limit_name] = completion.max_tokens
    for name in _NUMBERS:
        value = getattr(completion, name)
        if value is not None:
            body[name] = value
    if completion.stop:
        body["stop"] = list(completion.stop)
    if completion.choices != 1:
        body["n"] = completion.choices
    if completion.effort is not None:
        body["reasoning_effort"] = completion.effort
    if completion.format is not None:
        body["response_format"] = _format(completion.format)
    _add_tools(body, completion)
    if completion.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def _add_tools(body: Json, completion: Completion) -> None:
    if completion.tools:
        body["tools"] = []
        for tool in completion.tools:
            function: Json = {"name": tool.name}
            if tool.description:
                function["description"] = tool.description
            if tool.parameters is not None:
                function["parameters"] = tool.parameters
            if tool.strict is not None:
                function["strict"] = tool.strict
            body["tools"].append({"type": "function", "function": function})
        if completion.parallel_tools is not None:  # refused where there are no tools
            body["parallel_tool_calls"] = completion.parallel_tools
    choice = completion.tool_choice
    if isinstance(choice, OneTool):
        body["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    elif choice is not None and completion.tools:
        body["tool_choice"] = choice


def _format(wanted: Format) -> Json:
    if wanted.schema is None:
        return {"type": "json_object"}
    said: Json = {"name": wanted.name, "schema": wanted.schema}
    if wanted.description:
        said["description"] = wanted.description
    if wanted.strict is not None:
        said["strict"] = wanted.strict
    return {"type": "json_schema", "json_schema": said}


def _messages(turn: Message) -> Iterator[Json]:
    if turn.role == "assistant":
        yield _assistant(turn.parts)
        return
    if turn.role == "system":
        yield {"role": "system", "content": _content(turn.parts)}
        return
    results = [part for part in turn.parts if isinstance(part, ToolResult)]
    yield from map(_result, results)  # they have to follow the calls at once
    rest = [part for result in results for part in _shown(result)]
    rest += [part for part in turn.parts if not isinstance(part, ToolResult)]
    if rest or not results:
        yield {"role": "user", "content": _content(rest)}


def _result(result: ToolResult) -> Json:
    said = "\n".join(part.text for part in result.parts if isinstance(part, Text))
    if result.failed:
        said = f"{FAILED} {said}".rstrip()
    return {"role": "tool", "tool_call_id": result.id, "content": said}


def _shown(result: ToolResult) -> list[Part]:
    media = [part for part in result.parts if isinstance(part, Media)]
    return [Text(f"Returned by the tool call {result.id}:"), *media] if media else []


def _assistant(parts: Sequence[Part]) -> Json:
    said = [part for part in parts if isinstance(part, Text)]
    calls = [part for part in parts if isinstance(part, ToolUse)]
    if any(isinstance(part, Media | ToolResult) for part in parts):
        _impossible("a turn of the assistant can hold text and tool calls only")
    message: Json = {"role": "assistant", "content": _content(said) if said or not calls else None}
    if calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in calls
        ]
    return message


def _content(parts: Sequence[Part]) -> str | list[Json]:
    """One text alone as a string, which every server reads."""
    if not parts:
        return ""
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    return [_part(part) for part in parts]


def _part(part: Part) -> Json:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if not isinstance(part, Media):
        _impossible("a turn can hold tool calls only where it is the assistant's, and results only where the user's")
    if part.media_type.startswith("image/"):
        url = part.url or f"data:{part.media_type};base64,{part.data}"
        return {"type": "image_url", "image_url": {"url": url}}
    if part.url:
        _impossible("this provider takes images by URL, but neither documents nor sounds")
    for media_type, name in _SOUNDS:
        if part.media_type == media_type:
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": name}}
    if part.media_type.startswith(("audio/", "video/")):
        _impossible("this provider takes sounds as wav and mp3 only, and no videos")
    data = f"data:{part.media_type};base64,{part.data}"
    return {"type": "file", "file": {"filename": part.name or "file", "file_data": data}}


def _impossible(message: str) -> NoReturn:
    raise Invalid(message, pointer="/messages")
