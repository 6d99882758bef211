"""What clients may ask for, how each dialect says it, and what becomes of it at a provider of another family.

The table in docs/llm.md is made of this, and every cell of it is asked for through sockets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]

DIALECTS: Final = ("chat", "responses", "messages")
FAMILIES: Final = ("openai", "anthropic", "gemini")

PAIRS: Final = (
    ("chat", "anthropic"),
    ("chat", "gemini"),
    ("responses", "openai"),
    ("responses", "anthropic"),
    ("responses", "gemini"),
    ("messages", "openai"),
    ("messages", "gemini"),
)
"""Where a request is translated. The others go on as they came."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider's body holds these values at these JSON pointers. `word` is what the table says."""

    values: Json
    word: str = "yes"


@dataclass(frozen=True, slots=True)
class Dropped:
    """The provider's body is as if it had not been asked for."""

    word: str = "dropped"


@dataclass(frozen=True, slots=True)
class Refused:
    """Answered with 400, and nothing is sent."""

    word: str = "refused"


@dataclass(frozen=True, slots=True)
class Feature:
    """One row: `said` is what a request of each dialect has that can say it, `words` how the table calls that.

    None stands for a family to which nothing of this is translated: who can say it speaks the family's own dialect.
    """

    name: str
    words: Mapping[str, str]
    said: Mapping[str, Json]
    openai: Sent | Dropped | Refused | None
    anthropic: Sent | Dropped | Refused | None
    gemini: Sent | Dropped | Refused | None


SCHEMA: Final[Json] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
HI: Final[Json] = {"role": "user", "content": "Hi"}


def chat(*content: Json) -> Json:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "Look"}, *content]}]}


def responses(*content: Json) -> Json:
    return {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Look"}, *content]}]}


messages = chat

CHAT_TOOL: Final[Json] = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
RESPONSES_TOOL: Final[Json] = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": True}
MESSAGES_TOOL: Final[Json] = {"name": "weather", "input_schema": SCHEMA}
TOOLS: Final[Mapping[str, Json]] = {
    "chat": {"tools": [CHAT_TOOL]},
    "responses": {"tools": [RESPONSES_TOOL]},
    "messages": {"tools": [MESSAGES_TOOL]},
}
ARGUMENTS: Final = ('{"city":"Oslo"}', '{"city":"Rome"}')
INPUTS: Final[tuple[Json, Json]] = ({"city": "Oslo"}, {"city": "Rome"})


def called(dialect: str, one: Any = "cold", two: Any = "hot", **more: Any) -> Json:
    """A conversation in which the model called a tool twice at once; `more` is said of the first result."""
    results = ("c1", one), ("c2", two)
    if dialect == "chat":
        calls = [
            {"id": id, "type": "function", "function": {"name": "weather", "arguments": arguments}}
            for id, arguments in zip(("c1", "c2"), ARGUMENTS, strict=True)
        ]
        told = [{"role": "tool", "tool_call_id": id, "content": said} for id, said in results]
        return {**TOOLS[dialect], "messages": [HI, {"role": "assistant", "tool_calls": calls}, *told]}
    if dialect == "responses":
        items: list[Json] = [
            {"type": "function_call", "call_id": id, "name": "weather", "arguments": arguments}
            for id, arguments in zip(("c1", "c2"), ARGUMENTS, strict=True)
        ]
        items += [{"type": "function_call_output", "call_id": id, "output": said} for id, said in results]
        return {**TOOLS[dialect], "input": [HI, *items]}
    uses = [
        {"type": "tool_use", "id": id, "name": "weather", "input": given}
        for id, given in zip(("c1", "c2"), INPUTS, strict=True)
    ]
    blocks = [{"type": "tool_result", "tool_use_id": id, "content": said} for id, said in results]
    blocks[0] |= more
    turns = [HI, {"role": "assistant", "content": uses}, {"role": "user", "content": blocks}]
    return {**TOOLS[dialect], "messages": turns}


def both(family: str, first: Any = "cold") -> Json:
    """Where the two calls and their results of `called` are found."""
    match family:
        case "openai":
            return {
                "/messages/1/tool_calls/0/function/arguments": ARGUMENTS[0],
                "/messages/1/tool_calls/1/function/arguments": ARGUMENTS[1],
                "/messages/2": {"role": "tool", "tool_call_id": "c1", "content": first},
                "/messages/3": {"role": "tool", "tool_call_id": "c2", "content": "hot"},
            }
        case "anthropic":
            return {
                "/messages/1/content/0/input": INPUTS[0],
                "/messages/1/content/1/input": INPUTS[1],
                "/messages/2/content/0/tool_use_id": "c1",
                "/messages/2/content/0/content/0/text": first,
                "/messages/2/content/1/tool_use_id": "c2",
            }
    return {
        "/contents/1/parts/0/functionCall/args": INPUTS[0],
        "/contents/1/parts/1/functionCall/args": INPUTS[1],
        "/contents/2/parts/0/functionResponse": {"id": "c1", "name": "weather", "response": {"output": first}},
        "/contents/2/parts/1/functionResponse/id": "c2",
    }
