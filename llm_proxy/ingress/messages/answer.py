"""`Answer` → the body of a whole message. Pure. Of several choices the first is written: the dialect asks for one."""

from __future__ import annotations

from typing import Any

from llm_proxy.completion.answer import Answer
from llm_proxy.completion.request import Completion, Part, Reasoning, Text, ToolUse
from llm_proxy.providers.anthropic_messages.words import stop_reason, to_input, usage_object

Json = dict[str, Any]


def message_of(answer: Answer, completion: Completion) -> Json:
    """The message that says `answer`. Its model is the provider's word for it, else the one that was asked for."""
    choice = answer.choices[0] if answer.choices else None
    return {
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "model": answer.model or completion.model,
        "content": [block for part in choice.parts if (block := _block(part)) is not None] if choice else [],
        "stop_reason": stop_reason(choice.finish, choice.stop) if choice else "end_turn",
        "stop_sequence": (choice.stop or None) if choice and choice.finish == "stop" else None,
        "usage": usage_object(answer.usage),
    }


def _block(part: Part) -> Json | None:
    match part:
        case Text(text):
            return {"type": "text", "text": text} if text else None
        case ToolUse(id, name, arguments):
            return {"type": "tool_use", "id": id, "name": name, "input": to_input(arguments)}
        case Reasoning(redacted=data) if data:
            return {"type": "redacted_thinking", "data": data}
        case Reasoning(text, signature) if text or signature:
            return {"type": "thinking", "thinking": text, "signature": signature}
    return None
