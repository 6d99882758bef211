"""A whole answer, and what the snapshots in a stream have in common with it. Pure."""

from __future__ import annotations

from typing import Any

from llm_proxy.completion.answer import Answer, Finish
from llm_proxy.completion.proof import encrypted
from llm_proxy.completion.request import Completion, Format, OneTool, Part, Reasoning, Text, ToolUse
from llm_proxy.spend.usage import Usage

Json = dict[str, Any]


def snapshot(completion: Completion, id: str, model: str, created: int) -> Json:
    """A response that has just begun. What the request says of it is told again, as clients expect."""
    choice = completion.tool_choice
    return {
        "id": id,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": completion.max_tokens,
        "metadata": {},
        "model": model,
        "output": [],
        "parallel_tool_calls": completion.parallel_tools is not False,
        "previous_response_id": None,
        "reasoning": {"effort": completion.effort, "summary": None},
        "store": False,
        "temperature": completion.temperature,
        "text": {"format": _format(completion.format)},
        "tool_choice": {"type": "function", "name": choice.name} if isinstance(choice, OneTool) else choice or "auto",
        "tools": [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description or None,
                "parameters": tool.parameters,
                "strict": tool.strict,
            }
            for tool in completion.tools
        ],
        "top_p": completion.top_p,
        "truncation": "disabled",
        "usage": None,
        "user": completion.user,
    }


def ended(base: Json, finish: Finish, output: list[Json], usage: Usage | None) -> Json:
    """`base` when it is complete. What was cut off is `incomplete`, and so is its last item."""
    reason = {"length": "max_output_tokens", "filtered": "content_filter"}.get(finish)
    if reason is not None and output and output[-1]["type"] != "reasoning":
        output = [*output[:-1], {**output[-1], "status": "incomplete"}]
    return {
        **base,
        "status": "completed" if reason is None else "incomplete",
        "incomplete_details": None if reason is None else {"reason": reason},
        "output": output,
        "usage": None if usage is None else _usage(usage),
    }


def whole(answer: Answer, completion: Completion) -> Json:
    """A whole answer: its first choice, this dialect knows only one."""
    choice = answer.choices[0]
    output: list[Json] = []
    for part in choice.parts:
        _add(output, part, answer.id)
    base = snapshot(completion, answer.id, answer.model, answer.created)
    return ended(base, choice.finish, output, answer.usage)


def _add(output: list[Json], part: Part, id: str) -> None:
    number = len(output)
    match part:
        case Text(text):
            if not output or output[-1]["type"] != "message":
                output.append(message_item(id, number))
            output[-1]["content"].append(text_part(text))
        case Reasoning(text, signature, redacted):
            output.append(reasoning_item(id, number, text, encrypted(signature, redacted)))
        case ToolUse(call, name, arguments):
            output.append(call_item(id, number, call, name, arguments))
        case _:
            pass


def message_item(response: str, number: int, status: str = "completed") -> Json:
    """A message without content, the item number `number` of `response`."""
    return {
        "id": f"msg_{response}_{number}",
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": [],
    }


def text_part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def reasoning_item(response: str, number: int, text: str, proof: str) -> Json:
    """What was thought; a client that sends it back sends `proof` along."""
    return {
        "id": f"rs_{response}_{number}",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text}] if text else [],
        "encrypted_content": proof or None,
    }


def call_item(response: str, number: int, call: str, name: str, arguments: str, status: str = "completed") -> Json:
    return {
        "id": f"fc_{response}_{number}",
        "type": "function_call",
        "call_id": call,
        "name": name,
        "arguments": arguments,
        "status": status,
    }


def _format(format: Format | None) -> Json:
    if format is None:
        return {"type": "text"}
    if format.schema is None:
        return {"type": "json_object"}
    return {
        "type": "json_schema",
        "name": format.name,
        "description": format.description or None,
        "schema": format.schema,
        "strict": format.strict,
    }


def _usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total,
    }
