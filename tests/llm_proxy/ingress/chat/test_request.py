"""Requests of the chat dialect: what is read, dropped and refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.completion.dialect import Asked
from llm_proxy.completion.request import (
    Completion,
    Format,
    Media,
    Message,
    OneTool,
    Reasoning,
    Text,
    Tool,
    ToolResult,
    ToolUse,
)
from llm_proxy.ingress.chat.dialect import Chat
from mcp_gateway.core.errors import Invalid
from tests.llm_proxy.hostile import json_with

HELLO: dict[str, Any] = {"role": "user", "content": "Hello"}
BASE: dict[str, Any] = {"model": "m", "messages": [HELLO]}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
FUNCTION = {"type": "function", "function": {"name": "f"}}


def read(**more: Any) -> Completion:
    return Chat().read({**BASE, **more})


def turns(*messages: dict[str, Any]) -> tuple[Message, ...]:
    return read(messages=list(messages)).messages


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({}, Asked("m")),
        ({"stream": True, "n": 3}, Asked("m", True, 3)),
        ({"max_tokens": 5}, Asked("m", output_limit=5)),
        ({"max_completion_tokens": 7, "stream": None, "n": None}, Asked("m", output_limit=7)),
        ({"max_completion_tokens": 7, "max_tokens": 900}, Asked("m", output_limit=900)),
        ({"max_completion_tokens": None, "max_tokens": 9}, Asked("m", output_limit=9)),
        ({"messages": 5, "functions": "anything else is passed on"}, Asked("m")),
    ],
)
def test_what_the_gateway_reads_of_every_request(body: dict[str, Any], asked: Asked) -> None:
    assert Chat().asked({**BASE, **body}) == asked


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"model": ""}, "/model"),
        ({"model": None}, "/model"),
        ({"model": ["m"]}, "/model"),
        ({"stream": 1}, "/stream"),
        ({"n": 0}, "/n"),
        ({"n": 129}, "/n"),
        ({"n": True}, "/n"),
        ({"max_tokens": 0}, "/max_tokens"),
        ({"max_tokens": -1}, "/max_tokens"),
        ({"max_completion_tokens": 1.5}, "/max_completion_tokens"),
        ({"stream_options": True}, "/stream_options"),
    ],
)
def test_what_no_request_may_say(body: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        Chat().asked({**BASE, **body})
    assert caught.value.pointer == pointer


def test_everything_at_once() -> None:
    completion = read(
        tools=[{"type": "function", "function": {"name": "f", "description": "d", "parameters": {}, "strict": True}}],
        tool_choice={"type": "function", "function": {"name": "f"}},
        parallel_tool_calls=False,
        max_completion_tokens=7,
        max_tokens=9,
        temperature=1,
        top_p=0.5,
        top_k=40,
        stop="END",
        seed=3,
        presence_penalty=0.1,
        frequency_penalty=-0.1,
        n=2,
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        reasoning_effort="xhigh",
        user="u",
        stream=True,
        stream_options={"include_usage": True, "include_obfuscation": False},
        store=True,
        metadata={"a": "b"},
        service_tier="auto",
        logprobs=False,
        top_logprobs=2,
        logit_bias={},
        modalities=["text"],
    )
    assert completion == Completion(
        model="m",
        messages=(Message("user", (Text("Hello"),)),),
        tools=(Tool("f", "d", {}, True),),
        tool_choice=OneTool("f"),
        parallel_tools=False,
        max_tokens=7,
        temperature=1,
        top_p=0.5,
        top_k=40,
        stop=("END",),
        seed=3,
        presence_penalty=0.1,
        frequency_penalty=-0.1,
        choices=2,
        format=Format({"type": "object"}, "n"),
        effort="high",
        user="u",
        stream=True,
        stream_usage=True,
    )


def test_a_stream_tells_its_usage_only_if_asked() -> None:
    assert not read(stream=True).stream_usage
    assert not Chat().wants_usage({"stream_options": {"include_usage": 1}})
    assert Chat().wants_usage({"stream_options": {"include_usage": True}})


@pytest.mark.parametrize(
    ("given_format", "wanted"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, Format()),
        ({"type": "json_schema", "json_schema": {"name": "n"}}, Format({}, "n")),
    ],
)
def test_formats(given_format: dict[str, Any], wanted: Format | None) -> None:
    assert read(response_format=given_format).format == wanted


def test_a_conversation_with_tools_and_thoughts() -> None:
    thinking = [
        {"type": "thinking", "thinking": "t", "signature": "s"},
        {"type": "redacted_thinking", "data": "r"},
    ]
    assert turns(
        {"role": "developer", "content": "Be kind", "name": "x"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache": 1}]},
        {"role": "assistant", "content": "ok", "reasoning_content": "t", "thinking_blocks": thinking, "audio": None},
        {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "c2"}], "annotations": []},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "two"}], "name": "f"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "reasoning": "hm"},
    ) == (
        Message("system", (Text("Be kind"),)),
        Message("user", (Text("a"), Text("b"))),
        Message("assistant", (Reasoning("t", "s"), Reasoning("", redacted="r"), Text("ok"))),
        Message("assistant", (ToolUse("c1", "f", '{"a":1}'), ToolUse("c2", "f", '{"a":1}'))),
        Message("user", (ToolResult("c1", (Text("one"),)), ToolResult("c2", (Text("two"),), "f"))),
        Message("assistant", (Reasoning("hm"), Text("no"))),
    )


PDF = "data:application/pdf;base64,AA=="
SVG = "data:image/svg+xml;charset=utf-8;base64,AA=="


def image(url: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize(
    ("part", "media"),
    [
        (image("https://x.test/i.png"), Media("image/*", url="https://x.test/i.png")),
        (image("data:image/PNG;base64,AA=="), Media("image/png", "AA==")),
        (image(SVG), Media("image/svg+xml", "AA==")),
        ({"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}}, Media("audio/mpeg", "AA==")),
        (
            {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}},
            Media("application/pdf", "AA==", name="a.pdf"),
        ),
    ],
)
def test_media(part: dict[str, Any], media: Media) -> None:
    assert turns({"role": "user", "content": [part]}) == (Message("user", (media,)),)


def refused(body: dict[str, Any]) -> str:
    """Where it is wrong."""
    with pytest.raises(Invalid) as caught:
        read(**body)
    return caught.value.pointer


@pytest.mark.parametrize(
    ("part", "pointer"),
    [
        ("x", ""),
        ({}, "/type"),
        ({"type": "video"}, "/type"),
        ({"type": "text"}, "/text"),
        ({"type": "text", "text": 5}, "/text"),
        ({"type": "refusal", "refusal": "x"}, "/type"),
        ({"type": "image_url", "image_url": "x"}, "/image_url"),
        (image(None), "/image_url/url"),
        (image("file:///etc/passwd"), "/image_url/url"),
        (image("data:text/html;base64,AA=="), "/image_url/url"),
        (image("data:image/png,AA=="), "/image_url/url"),
        ({"type": "file", "file": {"file_id": "f"}}, "/file/file_id"),
        ({"type": "file", "file": {"file_data": "AA=="}}, "/file/file_data"),
        ({"type": "input_audio", "input_audio": {"format": "ogg"}}, "/input_audio/format"),
        ({"type": "input_audio", "input_audio": {"format": "wav"}}, "/input_audio/data"),
    ],
)
def test_parts_that_are_refused_and_where(part: Any, pointer: str) -> None:
    assert refused({"messages": [HELLO, {"role": "user", "content": [part]}]}) == f"/messages/1/content/0{pointer}"


@pytest.mark.parametrize(
    ("message", "pointer"),
    [
        ("x", ""),
        ({"role": "king", "content": "x"}, "/role"),
        ({"role": "function", "name": "f", "content": "x"}, "/role"),
        ({"role": "user"}, "/content"),
        ({"role": "user", "content": 5}, "/content"),
        ({"role": "system", "content": [image(SVG)]}, "/content/0/type"),
        ({"role": "tool", "content": "x"}, "/tool_call_id"),
        ({"role": "tool", "tool_call_id": "c", "content": [image(SVG)]}, "/content/0/type"),
        ({"role": "assistant", "content": None}, "/content"),
        ({"role": "assistant", "function_call": {"name": "f"}}, "/function_call"),
        ({"role": "assistant", "audio": {"id": "a"}}, "/audio"),
        ({"role": "assistant", "tool_calls": [{"id": "c", "type": "custom"}]}, "/tool_calls/0/type"),
        ({"role": "assistant", "tool_calls": [{"id": "c", "function": {}}]}, "/tool_calls/0/function/name"),
        ({"role": "assistant", "thinking_blocks": [{"type": "x"}]}, "/thinking_blocks/0/type"),
    ],
)
def test_messages_that_are_refused_and_where(message: Any, pointer: str) -> None:
    assert refused({"messages": [HELLO, message]}) == f"/messages/1{pointer}"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"messages": []}, "/messages"),
        ({"messages": None}, "/messages"),
        ({"messages": {}}, "/messages"),
        ({"functions": [{"name": "f"}]}, "/functions"),
        ({"function_call": "auto"}, "/function_call"),
        ({"logprobs": True}, "/logprobs"),
        ({"logit_bias": {"1": 5}}, "/logit_bias"),
        ({"modalities": ["audio"]}, "/modalities"),
        ({"audio": {"voice": "x"}}, "/audio"),
        ({"web_search_options": {}}, "/web_search_options"),
        ({"moderation": {"model": "m"}}, "/moderation"),
        ({"a/b~c": 1}, "/a~1b~0c"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "/tools/0/type"),
        ({"tools": [{"type": "function", "function": {"name": "f", "strict": 1}}]}, "/tools/0/function/strict"),
        ({"tools": [FUNCTION], "tool_choice": "any"}, "/tool_choice"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "allowed_tools", "allowed_tools": {}}}, "/tool_choice/type"),
        ({"tool_choice": 5}, "/tool_choice"),
        ({"stop": ["a", 5]}, "/stop/1"),
        ({"stop": {}}, "/stop"),
        ({"temperature": "hot"}, "/temperature"),
        ({"temperature": True}, "/temperature"),
        ({"seed": 1.5}, "/seed"),
        ({"reasoning_effort": "much"}, "/reasoning_effort"),
        ({"reasoning_effort": {}}, "/reasoning_effort"),
        ({"response_format": {"type": "grammar"}}, "/response_format/type"),
        ({"response_format": {"type": "json_schema"}}, "/response_format/json_schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "/response_format/json_schema/name"),
        ({"user": 5}, "/user"),
    ],
)
def test_what_is_refused_and_where(body: dict[str, Any], pointer: str) -> None:
    assert refused(body) == pointer


KEYS = (
    "role", "content", "type", "text", "image_url", "url", "input_audio", "data", "format", "file", "file_data",
    "tool_calls", "function", "name", "arguments", "id", "tool_call_id", "thinking_blocks", "refusal", "json_schema",
    "schema", "strict", "parameters", "include_usage", "reasoning_content",
)  # fmt: skip
WORDS = (
    "user", "assistant", "tool", "system", "text", "image_url", "file", "input_audio", "function", "json_schema", "wav",
    "data:image/png;base64,AA==", "thinking",
)  # fmt: skip
LIKELY = json_with(KEYS, WORDS)
MEMBERS = (
    "messages",
    "tools",
    "tool_choice",
    "response_format",
    "stop",
    "stream_options",
    "n",
    "stream",
    "seed",
    "user",
)


@given(
    st.fixed_dictionaries({"model": st.just("m") | LIKELY}, optional=dict.fromkeys(MEMBERS, LIKELY)),
    st.lists(LIKELY, max_size=3),
)
def test_any_json_is_read_or_invalid(body: dict[str, Any], messages: list[Any]) -> None:
    for one in (body, {**body, "messages": messages}, {**BASE, "messages": messages}):
        try:
            assert isinstance(Chat().read(one), Completion)
        except Invalid as error:
            assert error.pointer.startswith("/")
