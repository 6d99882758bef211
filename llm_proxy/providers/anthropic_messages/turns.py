"""Messages in no dialect → Anthropic's system prompt and turns. Pure.

* Messages of the system go into `system`, in their order, also those from the middle of a conversation: there they
  lose their place and keep their weight. A request that has nothing else is put as the user's turn.
* Turns of one role in a row become one, and results of tools stand first in theirs, as the wire demands.
* Empty texts, turns that hold nothing, and blanks at the end of a last turn of the model are left out.
* Reasoning goes only with the proof that Anthropic gave for it; what other models thought is left out.
* Ids of tool calls may hold letters, digits, `_` and `-` only: anything else in them becomes `_`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any, Final

from llm_proxy.completion.request import Media, Message, Part, Reasoning, Text, ToolResult, ToolUse
from llm_proxy.completion.signature import marked
from llm_proxy.providers.anthropic_messages.words import to_input
from mcp_gateway.core.errors import Invalid

Json = dict[str, Any]

_IMAGES: Final = ("image/jpeg", "image/png", "image/gif", "image/webp")
_PDF: Final = "application/pdf"
_NOT_IN_AN_ID: Final = re.compile(r"[^A-Za-z0-9_-]")


def conversation(messages: Sequence[Message]) -> tuple[list[Json], list[Json]]:
    """The blocks of the system prompt, and the turns. Raises `Invalid` for what cannot be said."""
    system: list[Json] = []
    turns: list[Json] = []
    for message in messages:
        blocks = [block for part in message.parts for block in _block(part)]
        if message.role == "system":
            if any(block["type"] != "text" for block in blocks):
                raise Invalid("the provider of this model takes only text from the system", pointer="/messages")
            system += blocks
        elif blocks and turns and turns[-1]["role"] == message.role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": message.role, "content": blocks})
    if not turns:
        if not system:
            raise Invalid("there is no message with content", pointer="/messages")
        return [], [{"role": "user", "content": system}]
    for turn in turns:
        if turn["role"] == "user":
            turn["content"].sort(key=lambda block: block["type"] != "tool_result")
    _trim(turns[-1])
    return system, turns


def called_tools(turns: Sequence[Json]) -> list[str]:
    """The names of the tools that were called, each once."""
    names = (block["name"] for turn in turns for block in turn["content"] if block["type"] == "tool_use")
    return list(dict.fromkeys(names))


def _trim(last: Json) -> None:
    block = last["content"][-1]
    if last["role"] == "assistant" and block["type"] == "text":
        block["text"] = block["text"].rstrip() or block["text"]


def _block(part: Part) -> tuple[Json, ...]:
    match part:
        case Text(text):
            return ({"type": "text", "text": text},) if text.strip() else ()
        case Media():
            return (_media(part),)
        case ToolUse(id, name, arguments):
            return ({"type": "tool_use", "id": plain(id), "name": name, "input": to_input(arguments)},)
        case ToolResult():
            return (_result(part),)
        case Reasoning(redacted=data) if data:
            return () if marked(data) else ({"type": "redacted_thinking", "data": data},)
        case Reasoning(text, signature) if signature and not marked(signature):
            return ({"type": "thinking", "thinking": text, "signature": signature},)
        case _:
            return ()


def _result(result: ToolResult) -> Json:
    block: Json = {"type": "tool_result", "tool_use_id": plain(result.id)}
    content = [inner for part in result.parts for inner in _block(part)]
    if content:
        block["content"] = content
    if result.failed:
        block["is_error"] = True
    return block


def plain(id: str) -> str:
    """An id of a tool call as this wire allows it."""
    return _NOT_IN_AN_ID.sub("_", id)


def _media(media: Media) -> Json:
    kind = media.media_type
    source = {"type": "url", "url": media.url} if media.url else _inline(media)
    if kind in _IMAGES or (media.url and kind.startswith("image/")):
        return {"type": "image", "source": source}
    if kind == _PDF or (kind.startswith("text/") and not media.url):
        document: Json = {"type": "document", "source": source}
        if media.name:
            document["title"] = media.name
        return document
    raise Invalid(
        f"the provider of this model takes images ({', '.join(_IMAGES)}), PDF and plain text, nothing else",
        pointer="/messages",
    )


def _inline(media: Media) -> Json:
    if not media.media_type.startswith("text/"):
        return {"type": "base64", "media_type": media.media_type, "data": media.data}
    try:
        text = base64.b64decode(media.data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise Invalid("a document of text is not base64 of UTF-8", pointer="/messages") from None
    return {"type": "text", "media_type": "text/plain", "data": text}
