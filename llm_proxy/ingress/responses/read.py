"""The body of a request → `Completion`. Pure.

Nothing is stored here, so what refers to something stored is refused: `previous_response_id`, `conversation`,
`prompt`, items and files by id. Refused too, because the answer would be another one without it: tools that a provider
runs (`web_search`, `file_search`, `mcp`, …) and custom ones, `top_logprobs`, `context_management`, `moderation`, and
any parameter that is not known.

Dropped, because other families have no such thing and the answer is none the worse: `store`, `metadata`,
`service_tier`, `safety_identifier`, `prompt_cache_*`, `include`, `truncation`, `max_tool_calls` (it counts the tools
that providers run), `stream_options`, `text.verbosity`, `reasoning.summary`, `detail` of images.

The efforts `xhigh` and `max` are `high` elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from llm_proxy.completion.request import Completion, Effort, Format, OneTool, Tool, ToolChoice
from llm_proxy.ingress import fields
from llm_proxy.ingress.fields import wrong
from llm_proxy.ingress.responses.items import messages

Json = dict[str, Any]

_STORED: Final = ("previous_response_id", "conversation", "prompt")
_OTHER: Final = ("context_management", "moderation", "top_logprobs")
_READ: Final = frozenset(
    {
        "model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "max_output_tokens",
        "temperature", "top_p", "text", "reasoning", "user", "stream", "background",
    }
)  # fmt: skip
_DROPPED: Final = frozenset(
    {
        "store", "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
        "prompt_cache_options", "include", "truncation", "max_tool_calls", "stream_options",
    }
)  # fmt: skip
_EFFORTS: Final[Mapping[str, Effort]] = MappingProxyType(
    {
        "none": "none",
        "minimal": "minimal",
        "low": "low",
        "medium": "medium",
        "high": "high",
        "xhigh": "high",
        "max": "high",
    }
)
_CHOICES: Final[Mapping[str, ToolChoice]] = MappingProxyType({"auto": "auto", "none": "none", "required": "required"})


def read(body: Json) -> Completion:
    """Raises `Invalid` with a pointer to what is wrong or has no translation."""
    for key in _STORED:
        if body.get(key) is not None:
            wrong(f"{key} names something stored, and nothing is stored for the provider of this model", f"/{key}")
    for key in _OTHER:
        if body.get(key):
            wrong(f"{key} has no translation for the provider of this model", f"/{key}")
    for key, value in body.items():
        if value is not None and key not in _READ and key not in _DROPPED and key not in _OTHER:
            place = key.replace("~", "~0").replace("/", "~1")
            wrong("this parameter has no translation for the provider of this model", f"/{place}")
    tools = _tools(body)
    choice, tools = _choice(body, tools)
    return Completion(
        model=fields.needed_text(body, "model"),
        messages=messages(body),
        tools=tools,
        tool_choice=choice,
        parallel_tools=fields.flag(body, "parallel_tool_calls"),
        max_tokens=fields.whole(body, "max_output_tokens", least=1),
        temperature=fields.number(body, "temperature"),
        top_p=fields.number(body, "top_p"),
        format=_format(body),
        effort=_effort(body),
        user=fields.text(body, "user"),
        stream=bool(fields.flag(body, "stream")),
    )


def _tools(body: Json) -> tuple[Tool, ...]:
    tools = []
    for i, value in enumerate(fields.array(body, "tools")):
        at = f"/tools/{i}"
        tool = fields.an_object(value, at)
        if tool.get("type") != "function":
            wrong("only tools of the type function have a translation for the provider of this model", f"{at}/type")
        tools.append(
            Tool(
                fields.needed_text(tool, "name", at),
                fields.text(tool, "description", at) or "",
                fields.member(tool, "parameters", at),
                fields.flag(tool, "strict", at),
            )
        )
    return tuple(tools)


def _choice(body: Json, tools: tuple[Tool, ...]) -> tuple[ToolChoice | None, tuple[Tool, ...]]:
    """How the model may choose, and among which tools: `allowed_tools` leaves only some of them."""
    given = body.get("tool_choice")
    if given is None:
        return None, tools
    if type(given) is str:
        if given not in _CHOICES:
            wrong(f"tool_choice must be one of {', '.join(_CHOICES)}, or an object", "/tool_choice")
        return _CHOICES[given], tools
    choice = fields.an_object(given, "/tool_choice")
    match choice.get("type"):
        case "function":
            return OneTool(_offered(choice, tools, "/tool_choice")), tools
        case "allowed_tools":
            mode = fields.word(choice, "mode", ("auto", "required"), "/tool_choice")
            at = "/tool_choice/tools"
            listed = enumerate(fields.array(choice, "tools", "/tool_choice"))
            names = {_offered(fields.an_object(tool, f"{at}/{i}"), tools, f"{at}/{i}") for i, tool in listed}
            return _CHOICES[mode or "auto"], tuple(tool for tool in tools if tool.name in names)
        case _:
            wrong("a choice of this type has no translation for the provider of this model", "/tool_choice/type")


def _offered(choice: Json, tools: tuple[Tool, ...], at: str) -> str:
    """The name of the function that `choice` means."""
    name = fields.needed_text(choice, "name", at)
    if choice.get("type") != "function" or all(tool.name != name for tool in tools):
        wrong("must name a function among the tools of the request", f"{at}/name")
    return name


def _format(body: Json) -> Format | None:
    given = fields.member(fields.member(body, "text") or {}, "format", "/text")
    at = "/text/format"
    if given is None:
        return None
    match given.get("type"):
        case "text":
            return None
        case "json_object":
            return Format()
        case "json_schema":
            return Format(
                fields.needed_member(given, "schema", at),
                fields.needed_text(given, "name", at),
                fields.text(given, "description", at) or "",
                fields.flag(given, "strict", at),
            )
        case _:
            wrong("type must be one of text, json_object, json_schema", f"{at}/type")


def _effort(body: Json) -> Effort | None:
    effort = fields.word(fields.member(body, "reasoning") or {}, "effort", tuple(_EFFORTS), "/reasoning")
    return None if effort is None else _EFFORTS[effort]
