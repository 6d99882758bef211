"""`Completion` → the body of a request to Anthropic. Pure.

* `max_tokens` must be said there: 4096 where the client left it out.
* Dropped, as hints that the wire does not have: `seed`, `presence_penalty`, `frequency_penalty`, `stream_usage`, the
  name, description and strictness of a format.
* Refused: more than one choice, stop sequences of blanks only, JSON without a schema (the wire has no such mode),
  a tool that must be called where none is offered.
* A format goes as `output_config.format`. Objects in its schema that list their properties and say nothing about
  others get `additionalProperties: false`, which the wire demands; what fits then, fits the schema as it was.
* Tools that were called and are not offered any more are declared without parameters and forbidden: the wire takes no
  conversation with calls of tools that it does not know.

Turns: `turns`; thinking and sampling: `thinking`.
"""

from __future__ import annotations

from typing import Any, Final

from llm_proxy.completion.request import Completion, OneTool, Tool
from llm_proxy.providers.anthropic_messages.thinking import steer
from llm_proxy.providers.anthropic_messages.turns import called_tools, conversation
from mcp_gateway.core.errors import Invalid

Json = dict[str, Any]

DEFAULT_MAX_TOKENS: Final = 4096
"""What an answer may have where the client says nothing: this wire demands a number."""

_LONGEST_USER: Final = 256


def request_of(completion: Completion, model: str) -> Json:
    """The body for the provider's `model`. Raises `Invalid`."""
    if completion.choices != 1:
        raise Invalid("the provider of this model gives one answer to a request", pointer="/n")
    if any(not sequence.strip() for sequence in completion.stop):
        raise Invalid("the provider of this model takes no stop sequence of blanks only", pointer="/stop")
    limit = completion.max_tokens
    system, turns = conversation(completion.messages)
    body: Json = {"model": model, "max_tokens": DEFAULT_MAX_TOKENS if limit is None else limit, "messages": turns}
    if system:
        body["system"] = system
    if completion.stop:
        body["stop_sequences"] = list(completion.stop)
    if completion.stream:
        body["stream"] = True
    if completion.user and len(completion.user) <= _LONGEST_USER:
        body["metadata"] = {"user_id": completion.user}
    if completion.format is not None:
        body["output_config"] = {"format": _format(completion.format.schema)}
    _offer(body, completion)
    steer(body, completion, model)
    return body


def _offer(body: Json, completion: Completion) -> None:
    choice = completion.tool_choice
    if completion.tools:
        body["tools"] = [_tool(tool) for tool in completion.tools]
        chosen = _choice(completion)
        if chosen is not None:
            body["tool_choice"] = chosen
    elif choice == "required" or isinstance(choice, OneTool):
        raise Invalid("a tool must be called and none is offered", pointer="/tool_choice")
    elif names := called_tools(body["messages"]):
        body["tools"] = [_tool(Tool(name)) for name in names]
        body["tool_choice"] = {"type": "none"}


def _tool(tool: Tool) -> Json:
    said: Json = {"name": tool.name, "input_schema": {"type": "object", **(tool.parameters or {"properties": {}})}}
    if tool.description:
        said["description"] = tool.description
    if tool.strict is not None:
        said["strict"] = tool.strict
    return said


def _choice(completion: Completion) -> Json | None:
    choice = completion.tool_choice
    if choice == "none":
        return {"type": "none"}
    if isinstance(choice, OneTool):
        said: Json = {"type": "tool", "name": choice.name}
    elif choice is not None:
        said = {"type": "any" if choice == "required" else "auto"}
    elif completion.parallel_tools is None:
        return None
    else:
        said = {"type": "auto"}
    if completion.parallel_tools is not None:
        said["disable_parallel_tool_use"] = not completion.parallel_tools
    return said


def _format(schema: Json | None) -> Json:
    if schema is None:
        raise Invalid("the provider of this model writes JSON by a schema only", pointer="/response_format")
    return {"type": "json_schema", "schema": _closed(schema)}


def _closed(schema: Any) -> Any:
    if type(schema) is list:
        return [_closed(member) for member in schema]
    if type(schema) is not dict:
        return schema
    closed = {key: value if key in _VALUES else _closed(value) for key, value in schema.items()}
    if schema.get("type") == "object" and schema.get("properties"):
        closed.setdefault("additionalProperties", False)
    return closed


_VALUES: Final = frozenset({"const", "default", "enum", "examples"})
"""Keywords whose values are data, not schemas."""
