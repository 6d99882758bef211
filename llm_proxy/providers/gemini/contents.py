"""Messages → `systemInstruction` and `contents`. Pure.

All messages of the system are one instruction, in their order, wherever they stood: in the conversation itself they
would lose their authority. Turns of one role in a row are one turn.

A tool's result is `{"output": text}`, or `{"error": text}` if the tool failed; results stand first in their
turn and the media of results behind them, which models of all generations read.

A signature belongs to the part after the thought that carries it. A first call of a turn that has none (the turn is
another model's, or the client kept no signatures) gets the word with which Google's guide on thought signatures says
that there is none to check; models of the third generation refuse the call otherwise. Thoughts themselves are not sent
back: only their signatures count. Empty texts are left out.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from llm_proxy.completion.request import Media, Message, Part, Reasoning, Text, ToolResult, ToolUse
from llm_proxy.completion.signature import own
from mcp_gateway.core.errors import Invalid
from mcp_gateway.core.strictjson import JsonError, loads

Json = dict[str, Any]

INVALID_JSON: Final = "INVALID_JSON"
UNCHECKED: Final = "skip_thought_signature_validator"


def system_instruction(messages: tuple[Message, ...]) -> Json | None:
    """Raises `Invalid` for a message of the system that is not text."""
    parts: list[Json] = []
    for i, message in enumerate(messages):
        if message.role == "system":
            for part in message.parts:
                if not isinstance(part, Text):
                    raise Invalid("a system message may hold text only", pointer=f"/messages/{i}")
                if part.text:
                    parts.append({"text": part.text})
    return {"parts": parts} if parts else None


def contents(messages: tuple[Message, ...]) -> list[Json]:
    """The turns. Raises `Invalid` for a result without its call, and where no turn is left."""
    names: dict[str, str] = {}
    turns: list[Json] = []
    for i, message in enumerate(messages):
        if message.role == "system":
            continue
        role: Literal["model", "user"] = "model" if message.role == "assistant" else "user"
        parts = _model(message.parts, names) if role == "model" else _user(message.parts, names, f"/messages/{i}")
        if turns and turns[-1]["role"] == role:
            turns[-1]["parts"] += parts
        elif parts:
            turns.append({"role": role, "parts": parts})
    for turn in turns:
        turn["parts"].sort(key=lambda part: "functionResponse" not in part)
    if not turns:
        raise Invalid("a message that is not the system's is required", pointer="/messages")
    return turns


def _model(parts: tuple[Part, ...], names: dict[str, str]) -> list[Json]:
    said: list[Json] = []
    first, theirs, proof = _first_call(parts)
    signature = ""
    for place, part in enumerate(parts):
        match part:
            case Reasoning():
                if place != theirs:
                    signature = own("gemini", part.signature) or signature
                continue
            case Text(text) if not text:
                continue
            case Text(text):
                one: Json = {"text": text}
            case ToolUse(id, name, arguments):
                names[id] = name
                one = {"functionCall": {"id": id, "name": name, "args": _arguments(arguments)}}
                signature = (proof or UNCHECKED) if place == first else signature
            case _:
                raise Invalid("a turn of the model may hold text and calls of tools only", pointer="/messages")
        said.append({**one, "thoughtSignature": signature} if signature else one)
        signature = ""
    if signature:
        said.append({"text": "", "thoughtSignature": signature})
    return said


def _first_call(parts: tuple[Part, ...]) -> tuple[int, int, str]:
    """The places of the first call of a turn and of the last signed thought before it (-1: none), and its signature.

    Text may stand between them: clients' dialects put all that was thought in front.
    """
    signed, proof = -1, ""
    for place, part in enumerate(parts):
        if isinstance(part, ToolUse):
            return place, signed, proof
        if isinstance(part, Reasoning) and own("gemini", part.signature):
            signed, proof = place, own("gemini", part.signature)
    return -1, -1, ""


def _user(parts: tuple[Part, ...], names: dict[str, str], at: str) -> list[Json]:
    said: list[Json] = []
    for part in parts:
        match part:
            case Text(text):
                if text:
                    said.append({"text": text})
            case Media():
                said.append(_media(part))
            case ToolResult():
                name = names.get(part.id) or part.name
                if not name:
                    raise Invalid("a tool's result has no call before it", pointer=at)
                text = "\n".join(one.text for one in part.parts if isinstance(one, Text))
                response = {"error" if part.failed else "output": text}
                said.append({"functionResponse": {"id": part.id, "name": name, "response": response}})
                said.extend(_media(one) for one in part.parts if isinstance(one, Media))
            case _:
                raise Invalid("content that has no translation for the provider of this model", pointer=at)
    return said


def _media(media: Media) -> Json:
    kind = "audio/mp3" if media.media_type == "audio/mpeg" else media.media_type  # the name that this API knows
    if media.url:
        known = kind and not kind.endswith("/*")
        return {"fileData": {**({"mimeType": kind} if known else {}), "fileUri": media.url}}
    return {"inlineData": {"mimeType": kind, "data": media.data}}


def _arguments(arguments: str) -> Json:
    """The arguments as an object, which this API wants. What is none, or broken JSON, is put in one as it is."""
    if not arguments.strip():
        return {}
    try:
        value = loads(arguments.encode())
    except (JsonError, UnicodeEncodeError):
        value = None
    return value if type(value) is dict else {INVALID_JSON: arguments}
