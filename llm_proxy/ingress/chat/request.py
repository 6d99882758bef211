"""The body of a chat completion → `Completion`. Pure; everything wrong is `Invalid` with its place.

Where the request goes to a provider of this family, the body goes on as it came and nothing of this happens. Else:

* dropped, as hints that change no answer: `store`, `metadata`, `service_tier`, `safety_identifier`, `prediction`,
  `prompt_cache_key`, `prompt_cache_retention`, `prompt_cache_options`, `verbosity`, `top_logprobs` without `logprobs`,
  `stream_options.include_obfuscation`, the `detail` of images, the `name` of who speaks, and whatever parts and
  messages hold that is not known (clients send back what answers held);
* translated: `reasoning_effort` `xhigh` and `max` as `high`; `top_k` of compatible servers;
* refused, because the answer would be another: `functions`, `function_call`, `logprobs`, `logit_bias`, `audio` and
  `modalities` other than text, `web_search_options`, `moderation`, tools that are no functions, `tool_choice` that
  allows some tools only, and any parameter that is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from llm_proxy.completion.dialect import Asked
from llm_proxy.completion.request import Completion, Effort, Format, OneTool, Tool, ToolChoice
from llm_proxy.ingress.chat.messages import messages
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

Json = dict[str, Any]

MOST_CHOICES: Final = 128
"""The largest `n`."""

_READ: Final = frozenset(
    {
        "model", "messages", "tools", "tool_choice", "parallel_tool_calls", "max_completion_tokens", "max_tokens",
        "temperature", "top_p", "top_k", "stop", "seed", "presence_penalty", "frequency_penalty", "n",
        "response_format", "reasoning_effort", "user", "stream", "stream_options",
    }
)  # fmt: skip
_DROPPED: Final = frozenset(
    {
        "store", "metadata", "service_tier", "safety_identifier", "prediction", "prompt_cache_key",
        "prompt_cache_retention", "prompt_cache_options", "verbosity",
    }
)  # fmt: skip
_WITHOUT_EFFECT: Final[Mapping[str, tuple[object, ...]]] = {
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "modalities": (["text"], []),
    "functions": ([],),
}
_EFFORTS: Final[Mapping[str, Effort]] = {
    "none": "none",
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}


def asked(body: Json) -> Asked:
    """What the gateway reads of every chat completion; the rest of the body may be anything.

    Where both limits are given, the larger one counts: some servers know only the older.
    """
    member(body, "stream_options")
    model, stream = needed_text(body, "model"), flag(body, "stream") or False
    choices = whole(body, "n", least=1, most=MOST_CHOICES) or 1
    limit, older = _limits(body)
    if limit is None or (older is not None and older > limit):
        limit = older
    return Asked(model, stream, choices, limit)


def wants_usage(body: Json) -> bool:
    """Whether `stream_options` asks for the usage."""
    options = body.get("stream_options")
    return type(options) is dict and options.get("include_usage") is True


def read(body: Json) -> Completion:
    """The whole request."""
    _refuse_the_rest(body)
    what = asked(body)
    limit, older_limit = _limits(body)
    effort = word(body, "reasoning_effort", tuple(_EFFORTS))
    return Completion(
        model=what.model,
        messages=messages(body),
        tools=tuple(_tool(tool, f"/tools/{i}") for i, tool in enumerate(array(body, "tools"))),
        tool_choice=_tool_choice(body),
        parallel_tools=flag(body, "parallel_tool_calls"),
        max_tokens=older_limit if limit is None else limit,
        temperature=number(body, "temperature"),
        top_p=number(body, "top_p"),
        top_k=whole(body, "top_k"),
        stop=_stop(body),
        seed=whole(body, "seed"),
        presence_penalty=number(body, "presence_penalty"),
        frequency_penalty=number(body, "frequency_penalty"),
        choices=what.choices,
        format=_format(body),
        effort=None if effort is None else _EFFORTS[effort],
        user=text(body, "user"),
        stream=what.stream,
        stream_usage=wants_usage(body),
    )


def _limits(body: Json) -> tuple[int | None, int | None]:
    return whole(body, "max_completion_tokens", least=1), whole(body, "max_tokens", least=1)


def _refuse_the_rest(body: Json) -> None:
    for key, value in body.items():
        if key in _READ or key in _DROPPED or value is None or value in _WITHOUT_EFFECT.get(key, ()):
            continue
        if key == "top_logprobs" and not body.get("logprobs"):
            continue
        if key in ("functions", "function_call"):
            wrong(f"{key} is the old form of tools and has no translation here: use tools", f"/{key}")
        place = key.replace("~", "~0").replace("/", "~1")
        wrong("this parameter has no translation for the provider of this model", f"/{place}")


def _tool(value: object, at: str) -> Tool:
    tool = an_object(value, at)
    if needed_text(tool, "type", at) != "function":
        wrong("only tools of type function have a translation here", f"{at}/type")
    function = needed_member(tool, "function", at)
    place = f"{at}/function"
    name = needed_text(function, "name", place)
    description = text(function, "description", place) or ""
    return Tool(name, description, member(function, "parameters", place), flag(function, "strict", place))


def _tool_choice(body: Json) -> ToolChoice | None:
    given = body.get("tool_choice")
    if given is None or type(given) is str:
        return cast("ToolChoice | None", word(body, "tool_choice", ("auto", "none", "required")))
    chosen = an_object(given, "/tool_choice")
    if needed_text(chosen, "type", "/tool_choice") != "function":
        wrong("only a function or one of the words has a translation here", "/tool_choice/type")
    function = needed_member(chosen, "function", "/tool_choice")
    return OneTool(needed_text(function, "name", "/tool_choice/function"))


def _stop(body: Json) -> tuple[str, ...]:
    given = body.get("stop")
    if type(given) is str:
        return (given,) if given else ()
    sequences = array(body, "stop")
    for place, sequence in enumerate(sequences):
        if type(sequence) is not str or not sequence:
            wrong("a stop sequence must be a string that is not empty", f"/stop/{place}")
    return tuple(sequences)


def _format(body: Json) -> Format | None:
    given = member(body, "response_format")
    if given is None:
        return None
    at = "/response_format"
    kind = needed_text(given, "type", at)
    if kind == "text":
        return None
    if kind == "json_object":
        return Format()
    if kind != "json_schema":
        wrong("type must be text, json_object or json_schema", f"{at}/type")
    said = needed_member(given, "json_schema", at)
    place = f"{at}/json_schema"
    return Format(
        member(said, "schema", place) or {},
        needed_text(said, "name", place),
        text(said, "description", place) or "",
        flag(said, "strict", place),
    )
