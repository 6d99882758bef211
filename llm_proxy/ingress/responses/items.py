"""Input items → messages. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from llm_proxy.completion.proof import decrypted
from llm_proxy.completion.request import Message, Part, Role, Text, ToolResult, ToolUse
from llm_proxy.ingress import fields
from llm_proxy.ingress.fields import wrong
from llm_proxy.ingress.responses.parts import content

Json = dict[str, Any]
Turn = tuple[Role, tuple[Part, ...]]

_ROLES: Final[Mapping[str, Role]] = MappingProxyType(
    {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
)


def messages(body: Json) -> tuple[Message, ...]:
    """`instructions` and `input` as turns. Raises `Invalid`.

    Items of the model in a row are one turn, and so are the outputs of functions.
    """
    turns: list[Turn] = []
    instructions = fields.text(body, "instructions")
    if instructions:
        turns.append(("system", (Text(instructions),)))
    given = body.get("input")
    if type(given) is str:
        turns.append(("user", (Text(given),)))
    elif type(given) is list:
        for i, item in enumerate(given):
            _add(turns, _item(fields.an_object(item, f"/input/{i}"), f"/input/{i}"))
    else:
        wrong("input is required and must be a string or an array of items", "/input")
    return tuple(Message(role, parts) for role, parts in turns)


def _add(turns: list[Turn], turn: Turn) -> None:
    role, parts = turn
    if turns and turns[-1][0] == role and (role == "assistant" or (_results(parts) and _results(turns[-1][1]))):
        turns[-1] = (role, turns[-1][1] + parts)
    elif parts:
        turns.append(turn)


def _results(parts: tuple[Part, ...]) -> bool:
    return bool(parts) and isinstance(parts[0], ToolResult)


def _item(item: Json, at: str) -> Turn:
    kind = item.get("type", "message")
    read = _KINDS.get(kind) if type(kind) is str else None
    if read is None:
        wrong("an item of this type has no translation for the provider of this model", f"{at}/type")
    return read(item, at)


def _message(item: Json, at: str) -> Turn:
    role = fields.word(item, "role", tuple(_ROLES), at)
    if role is None:
        wrong("role is required", f"{at}/role")
    parts = content(item.get("content"), f"{at}/content")
    if role != "user" and not all(isinstance(part, Text) for part in parts):
        wrong("only a message of the user may hold anything but text", f"{at}/content")
    return _ROLES[role], parts


def _call(item: Json, at: str) -> Turn:
    call = ToolUse(
        fields.needed_text(item, "call_id", at),
        fields.needed_text(item, "name", at),
        fields.text(item, "arguments", at) or "",
    )
    return "assistant", (call,)


def _output(item: Json, at: str) -> Turn:
    id = fields.needed_text(item, "call_id", at)
    return "user", (ToolResult(id, content(item.get("output"), f"{at}/output")),)


def _reasoning(item: Json, at: str) -> Turn:
    """What was thought, with its proof. Nothing of it is left if the item only names what a provider stores."""
    summaries = [_thought(part, f"{at}/summary/{i}") for i, part in enumerate(fields.array(item, "summary", at))]
    thoughts = [_thought(part, f"{at}/content/{i}") for i, part in enumerate(fields.array(item, "content", at))]
    text = "\n\n".join(summaries) + "".join(thoughts)
    proof = fields.text(item, "encrypted_content", at) or ""
    return "assistant", (decrypted(text, proof),) if text or proof else ()


def _thought(part: object, at: str) -> str:
    return fields.text(fields.an_object(part, at), "text", at) or ""


_KINDS: Final[Mapping[str, Callable[[Json, str], Turn]]] = MappingProxyType(
    {
        "message": _message,
        "function_call": _call,
        "function_call_output": _output,
        "reasoning": _reasoning,
    }
)
