"""The body of a request for a message → `Completion`. Pure; everything wrong is `Invalid` with its place.

Where the request goes to a provider of this family, the body goes on as it came and nothing of this happens. Else:

* dropped, as hints that change no answer: `cache_control` wherever it stands, `metadata` besides `user_id`,
  `service_tier`, `speed`, `diagnostics`, `context_management`, `user_profile_id`, `workspace_id`, the `citations` of
  earlier answers, and whatever blocks and tools hold that is not known;
* translated: `thinking` and `output_config.effort` (how: `llm_proxy.providers.anthropic_messages.thinking`),
  `output_format` as the older name of `output_config.format`, `system` and messages of the role `system` as messages
  of the system in their places;
* refused, because the answer would be another: `container`, `mcp_servers`, `inference_geo`, tools that Anthropic
  defines or runs, blocks that `blocks` refuses, and any parameter that is not known.
"""

from __future__ import annotations

from typing import Any, Final

from llm_proxy.completion.dialect import Asked
from llm_proxy.completion.request import Completion, Effort, Format, Message, OneTool, Tool, ToolChoice
from llm_proxy.ingress.fields import (
    an_object,
    array,
    flag,
    member,
    needed_member,
    needed_text,
    number,
    text,
    whole,
    word,
    wrong,
)
from llm_proxy.ingress.messages.blocks import of_model, of_system, of_user
from llm_proxy.providers.anthropic_messages.thinking import effort_of

Json = dict[str, Any]

_READ: Final = frozenset(
    {
        "model", "max_tokens", "messages", "system", "tools", "tool_choice", "stop_sequences", "temperature", "top_p",
        "top_k", "metadata", "thinking", "output_config", "output_format", "stream",
    }
)  # fmt: skip
_DROPPED: Final = frozenset(
    {
        "cache_control", "service_tier", "speed", "diagnostics", "context_management", "user_profile_id",
        "workspace_id",
    }
)  # fmt: skip
_ROLES: Final = ("user", "assistant", "system")
_THINKING: Final = ("enabled", "disabled", "adaptive", "between_tools")
_LEVELS: Final = ("low", "medium", "high", "xhigh", "max")
_EMPTY: Final[tuple[object, ...]] = ([], None)


def asked(body: Json) -> Asked:
    """What the gateway reads of every request for a message; the rest of the body may be anything."""
    limit = whole(body, "max_tokens", least=0)
    if limit is None:
        wrong("max_tokens is required", "/max_tokens")
    if not array(body, "messages"):
        wrong("messages must hold at least one message", "/messages")
    return Asked(needed_text(body, "model"), flag(body, "stream") or False, 1, limit)


def read(body: Json) -> Completion:
    """The whole request."""
    _refuse_the_rest(body)
    what = asked(body)
    if what.output_limit == 0:
        wrong("max_tokens must be at least 1: 0 only fills a cache of Anthropic", "/max_tokens")
    choice, parallel = _tool_choice(body)
    return Completion(
        model=what.model,
        messages=_messages(body),
        tools=tuple(_tool(tool, f"/tools/{i}") for i, tool in enumerate(array(body, "tools"))),
        tool_choice=choice,
        parallel_tools=parallel,
        max_tokens=what.output_limit,
        temperature=number(body, "temperature"),
        top_p=number(body, "top_p"),
        top_k=whole(body, "top_k"),
        stop=_stop(body),
        format=_format(body),
        effort=_effort(body),
        user=text(member(body, "metadata") or {}, "user_id", "/metadata"),
        stream=what.stream,
    )


def _refuse_the_rest(body: Json) -> None:
    for key, value in body.items():
        if key in _READ or key in _DROPPED or value in _EMPTY:
            continue
        place = key.replace("~", "~0").replace("/", "~1")
        wrong("this parameter has no translation for the provider of this model", f"/{place}")


def _messages(body: Json) -> tuple[Message, ...]:
    messages = []
    if body.get("system") is not None and (system := of_system(body["system"], "/system")):
        messages.append(Message("system", system))
    for number_, value in enumerate(array(body, "messages")):
        at = f"/messages/{number_}"
        messages.append(_message(an_object(value, at), at))
    return tuple(messages)


def _message(said: Json, at: str) -> Message:
    role = word(said, "role", _ROLES, at)
    content, place = said.get("content"), f"{at}/content"
    match role:
        case "user":
            return Message("user", of_user(content, place))
        case "assistant":
            return Message("assistant", of_model(content, place))
        case "system":
            return Message("system", of_system(content, place))
    wrong("role is required", f"{at}/role")


def _tool(value: object, at: str) -> Tool:
    tool = an_object(value, at)
    if text(tool, "type", at) not in (None, "custom"):
        wrong("a tool that Anthropic defines or runs has no translation here", f"{at}/type")
    schema = needed_member(tool, "input_schema", at)
    return Tool(needed_text(tool, "name", at), text(tool, "description", at) or "", schema, flag(tool, "strict", at))


def _tool_choice(body: Json) -> tuple[ToolChoice | None, bool | None]:
    """Which tool is to be called, and whether several may be at once."""
    given = member(body, "tool_choice")
    if given is None:
        return None, None
    at = "/tool_choice"
    single = flag(given, "disable_parallel_tool_use", at)
    parallel = None if single is None else not single
    match word(given, "type", ("auto", "any", "none", "tool"), at):
        case "auto":
            return "auto", parallel
        case "any":
            return "required", parallel
        case "none":
            return "none", parallel
        case "tool":
            return OneTool(needed_text(given, "name", at)), parallel
    wrong("type is required", f"{at}/type")


def _stop(body: Json) -> tuple[str, ...]:
    sequences = array(body, "stop_sequences")
    for place, sequence in enumerate(sequences):
        if type(sequence) is not str or not sequence:
            wrong("a stop sequence must be a string that is not empty", f"/stop_sequences/{place}")
    return tuple(sequences)


def _format(body: Json) -> Format | None:
    options = member(body, "output_config") or {}
    at, given = "/output_config/format", member(options, "format", "/output_config")
    if given is None:
        at, given = "/output_format", member(body, "output_format")
    if given is None:
        return None
    if word(given, "type", ("json_schema",), at) is None:
        wrong("type is required", f"{at}/type")
    return Format(needed_member(given, "schema", at))


def _effort(body: Json) -> Effort | None:
    thinking = member(body, "thinking") or {}
    options = member(body, "output_config") or {}
    return effort_of(
        word(thinking, "type", _THINKING, "/thinking"),
        whole(thinking, "budget_tokens", "/thinking", least=1),
        word(options, "effort", _LEVELS, "/output_config"),
    )
