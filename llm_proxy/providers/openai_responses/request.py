"""`Completion` → the body of a request. Pure.

Nothing is stored at the provider (`store: false`). Refused, because this API cannot say it: several choices, stop
sequences. Dropped: `top_k`, `seed` and both penalties, what failed of a tool's result (its text says so), thoughts
that another family has signed.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.completion.request import (
    Completion,
    Format,
    Media,
    Message,
    OneTool,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolResult,
    ToolUse,
)
from llm_proxy.completion.signature import own
from mcp_gateway.core.errors import Invalid

Json = dict[str, Any]


def request(completion: Completion, model: str) -> Json:
    """Raises `Invalid` for what this API cannot say."""
    if completion.choices > 1:
        raise Invalid("the provider of this model gives one answer at a time", pointer="/n")
    if completion.stop:
        raise Invalid("the provider of this model knows no stop sequences", pointer="/stop")
    choice = completion.tool_choice
    body: Json = {
        "model": model,
        "input": [item for message in completion.messages for item in _items(message)],
        "tools": [_tool(tool) for tool in completion.tools] or None,
        "tool_choice": {"type": "function", "name": choice.name} if isinstance(choice, OneTool) else choice,
        "parallel_tool_calls": completion.parallel_tools,
        "max_output_tokens": completion.max_tokens,
        "temperature": completion.temperature,
        "top_p": completion.top_p,
        "text": None if completion.format is None else {"format": _format(completion.format)},
        "store": False,
        "stream": completion.stream or None,
        "user": completion.user,
    }
    if completion.effort is not None:
        body["reasoning"] = {"effort": completion.effort}
        if completion.effort != "none":  # models that do not reason refuse to be asked for proof of it
            body["include"] = ["reasoning.encrypted_content"]
    return {key: value for key, value in body.items() if value is not None}


def _items(message: Message) -> list[Json]:
    """The items of one turn. Text and media in a row are one message; all else is an item of its own."""
    items: list[Json] = []
    for part in message.parts:
        match part:
            case Text() | Media():
                last = items[-1] if items else {}
                if last.get("type") != "message":
                    last = {"type": "message", "role": message.role, "content": []}
                    items.append(last)
                last["content"].append(_content(part, output=message.role == "assistant"))
            case ToolUse(id, name, arguments):
                items.append({"type": "function_call", "call_id": id, "name": name, "arguments": arguments or "{}"})
            case ToolResult():
                items.append({"type": "function_call_output", "call_id": part.id, "output": _output(part)})
            case Reasoning():
                items.extend(_reasoning(part))
    return items


def _content(part: Part, *, output: bool = False) -> Json:
    match part:
        case Text(text):
            return {"type": "output_text" if output else "input_text", "text": text}
        case Media(kind, data, url) if kind.startswith("image/"):
            return {"type": "input_image", "image_url": url or f"data:{kind};base64,{data}", "detail": "auto"}
        case Media(kind, data) if kind.startswith("audio/") and data:
            return {"type": "input_audio", "input_audio": {"data": data, "format": _sound(kind)}}
        case Media(_, _, url) if url:
            return {"type": "input_file", "file_url": url}
        case Media(kind, data, _, name):
            file = f"data:{kind};base64,{data}"
            return {"type": "input_file", "filename": name or "file", "file_data": file}
        case _:
            raise Invalid("content that has no translation for the provider of this model", pointer="/messages")


def _sound(kind: str) -> str:
    match kind.removeprefix("audio/").removeprefix("x-"):
        case "mp3" | "mpeg":
            return "mp3"
        case "wav" | "wave" | "vnd.wave":
            return "wav"
        case _:
            raise Invalid("the provider of this model takes sound as mp3 or wav only", pointer="/messages")


def _output(result: ToolResult) -> str | list[Json]:
    if all(isinstance(part, Text) for part in result.parts):
        return "\n".join(part.text for part in result.parts if isinstance(part, Text))
    return [_content(part) for part in result.parts]


def _reasoning(part: Reasoning) -> list[Json]:
    """Nothing, where the proof is another family's: unproven thoughts are refused."""
    proof = own("openai", part.signature)
    summary = [{"type": "summary_text", "text": part.text}] if part.text else []
    return [{"type": "reasoning", "summary": summary, "encrypted_content": proof}] if proof else []


def _tool(tool: Tool) -> Json:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description or None,
        "parameters": tool.parameters or {"type": "object", "properties": {}},
        "strict": bool(tool.strict),  # this API takes an absent one for true
    }


def _format(format: Format) -> Json:
    if format.schema is None:
        return {"type": "json_object"}
    said: Json = {
        "type": "json_schema",
        "name": format.name,
        "schema": format.schema,
        "description": format.description or None,
        "strict": format.strict,
    }
    return {key: value for key, value in said.items() if value is not None}
