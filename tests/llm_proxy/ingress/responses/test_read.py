"""Requests of the responses API: what they mean, and what is refused with its place."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.completion.answer import Answer, Choice
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
from llm_proxy.ingress.responses.dialect import Responses
from mcp_gateway.core.errors import Invalid
from tests.llm_proxy.ingress.responses.values import json

Json = dict[str, Any]
RESPONSES = Responses()
WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": True}
TIME = {"type": "function", "name": "time", "parameters": None}

FULL: Json = {
    "model": "prod/assistant",
    "instructions": "Be brief.",
    "input": [
        {"role": "developer", "content": "In French."},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What is this?"},
                {"type": "input_image", "image_url": "data:image/PNG;base64,aGk=", "detail": "auto"},
                {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
                {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
            ],
        },
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": "P",
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "A cat.", "annotations": []}],
        },
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Paris"}'},
        {"type": "function_call", "call_id": "c2", "name": "time", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "rain"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "noon"}]},
        {"role": "user", "content": "Thanks"},
    ],
    "tools": [WEATHER, TIME],
    "tool_choice": {"type": "function", "name": "weather"},
    "parallel_tool_calls": False,
    "max_output_tokens": 100,
    "temperature": 0.5,
    "top_p": 1,
    "text": {"format": {"type": "json_schema", "name": "city", "schema": {"type": "object"}, "strict": True}},
    "reasoning": {"effort": "xhigh", "summary": "auto"},
    "stream": True,
    "user": "u",
    "store": True,
    "metadata": {"a": "b"},
    "truncation": "auto",
    "include": ["reasoning.encrypted_content"],
    "previous_response_id": None,
}


def test_a_request_with_everything() -> None:
    assert RESPONSES.read(FULL) == Completion(
        model="prod/assistant",
        messages=(
            Message("system", (Text("Be brief."),)),
            Message("system", (Text("In French."),)),
            Message(
                "user",
                (
                    Text("What is this?"),
                    Media("image/png", "aGk="),
                    Media("image/*", url="https://example.com/a.png"),
                    Media("application/pdf", "aGk=", name="a.pdf"),
                    Media("audio/mpeg", "aGk="),
                ),
            ),
            Message(
                "assistant",
                (
                    Reasoning("hm", "openai:P"),
                    Text("A cat."),
                    ToolUse("c1", "weather", '{"city":"Paris"}'),
                    ToolUse("c2", "time", "{}"),
                ),
            ),
            Message("user", (ToolResult("c1", (Text("rain"),)), ToolResult("c2", (Text("noon"),)))),
            Message("user", (Text("Thanks"),)),
        ),
        tools=(Tool("weather", "", {"type": "object"}, True), Tool("time")),
        tool_choice=OneTool("weather"),
        parallel_tools=False,
        max_tokens=100,
        temperature=0.5,
        top_p=1,
        format=Format({"type": "object"}, "city", strict=True),
        effort="high",
        user="u",
        stream=True,
    )


def test_the_shortest_request() -> None:
    assert RESPONSES.read({"model": "m", "input": "hi"}) == Completion(
        model="m", messages=(Message("user", (Text("hi"),)),)
    )


def test_what_the_gateway_reads_of_any_request() -> None:
    assert RESPONSES.asked(FULL) == Asked("prod/assistant", True, 1, 100)
    assert RESPONSES.asked({"model": "m"}) == Asked("m")


def test_allowed_tools_leave_only_some() -> None:
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "time"}]}
    read = RESPONSES.read({"model": "m", "input": "hi", "tools": [WEATHER, TIME], "tool_choice": choice})
    assert (read.tools, read.tool_choice) == ((Tool("time"),), "required")


@pytest.mark.parametrize(
    ("format", "read"),
    [({"type": "text"}, None), ({"type": "json_object"}, Format()), (None, None)],
)
def test_formats_without_a_schema(format: Json | None, read: Format | None) -> None:
    asked = RESPONSES.read({"model": "m", "input": "hi", "text": {"format": format, "verbosity": "low"}})
    assert asked.format == read
    shown = RESPONSES.answer(Answer("r", "m", (Choice((), "stop"),)), asked)["text"]["format"]
    assert shown == {"type": "text" if read is None else "json_object"}


@pytest.mark.parametrize(
    ("part", "media"),
    [
        ({"file_data": "aGk=", "filename": "a.pdf"}, Media("application/pdf", "aGk=", name="a.pdf")),
        ({"file_url": "https://a/b"}, Media("application/pdf", url="https://a/b")),
    ],
)
def test_files(part: Json, media: Media) -> None:
    content = [{"type": "input_file", **part}]
    read = RESPONSES.read({"model": "m", "input": [{"role": "user", "content": content}]})
    assert read.messages[0].parts == (media,)


def test_a_refusal_that_comes_back_is_text() -> None:
    content = [{"type": "refusal", "refusal": "No."}]
    read = RESPONSES.read({"model": "m", "input": [{"role": "assistant", "content": content}]})
    assert read.messages[0].parts == (Text("No."),)


@pytest.mark.parametrize("choice", ["auto", "none", "required"])
def test_how_tools_are_chosen(choice: str) -> None:
    read = RESPONSES.read({"model": "m", "input": "hi", "tools": [TIME], "tool_choice": choice})
    assert read.tool_choice == choice


def test_redacted_thoughts_and_such_that_only_a_provider_stores() -> None:
    items = [
        {"type": "reasoning", "summary": [], "encrypted_content": "redacted:X"},
        {"type": "reasoning", "id": "rs_2", "summary": []},
        {"type": "reasoning", "summary": [{"text": "a"}, {"text": "b"}], "content": [{"text": "c"}]},
    ]
    read = RESPONSES.read({"model": "m", "input": items})
    assert read.messages == (Message("assistant", (Reasoning("", redacted="X"), Reasoning("a\n\nbc"))),)


def said(*items: object, **more: object) -> Json:
    return {"model": "m", "input": list(items), **more}


def content(*parts: object) -> Json:
    return said({"role": "user", "content": list(parts)})


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"input": "hi"}, "/model"),
        ({"model": "", "input": "hi"}, "/model"),
        ({"model": "m"}, "/input"),
        ({"model": "m", "input": {"a": 1}}, "/input"),
        (said("hi"), "/input/0"),
        (said({"type": "item_reference", "id": "x"}), "/input/0/type"),
        (said({"type": "computer_call_output", "call_id": "x"}), "/input/0/type"),
        (said({"type": ["message"]}), "/input/0/type"),
        (said({"role": "tool", "content": "x"}), "/input/0/role"),
        (said({"content": "x"}), "/input/0/role"),
        (said({"role": "user"}), "/input/0/content"),
        (said({"role": "user", "content": "x"}, {"type": "function_call", "name": "a"}), "/input/1/call_id"),
        (said({"type": "function_call", "call_id": "a", "name": 1}), "/input/0/name"),
        (said({"type": "function_call_output", "call_id": "a"}), "/input/0/output"),
        (said({"type": "reasoning", "summary": [{"text": 5}]}), "/input/0/summary/0/text"),
        (content({"type": "video"}), "/input/0/content/0/type"),
        (content({"type": "input_text"}), "/input/0/content/0/text"),
        (content({"type": "input_image", "file_id": "f"}), "/input/0/content/0"),
        (content({"type": "input_image", "image_url": "file:///etc/passwd"}), "/input/0/content/0/image_url"),
        (content({"type": "input_image", "image_url": "data:image/png,raw"}), "/input/0/content/0/image_url"),
        (content({"type": "input_image", "image_url": "data:text/html;base64,aGk="}), "/input/0/content/0/image_url"),
        (content({"type": "input_file", "file_id": "f"}), "/input/0/content/0"),
        (content({"type": "input_audio", "input_audio": {"data": "x"}}), "/input/0/content/0/input_audio/format"),
        (
            said({"role": "assistant", "content": [{"type": "input_image", "image_url": "https://a/b"}]}),
            "/input/0/content",
        ),
        ({"model": "m", "input": "hi", "tools": [{"type": "web_search"}]}, "/tools/0/type"),
        ({"model": "m", "input": "hi", "tools": [{"type": "function"}]}, "/tools/0/name"),
        ({"model": "m", "input": "hi", "tool_choice": "always"}, "/tool_choice"),
        ({"model": "m", "input": "hi", "tool_choice": {"type": "mcp"}}, "/tool_choice/type"),
        ({"model": "m", "input": "hi", "tool_choice": {"type": "function", "name": "x"}}, "/tool_choice/name"),
        (
            {"model": "m", "input": "hi", "tool_choice": {"type": "allowed_tools", "tools": [{"name": "x"}]}},
            "/tool_choice/tools/0/name",
        ),
        ({"model": "m", "input": "hi", "previous_response_id": "resp_1"}, "/previous_response_id"),
        ({"model": "m", "input": "hi", "conversation": {"id": "c"}}, "/conversation"),
        ({"model": "m", "input": "hi", "prompt": {"id": "p"}}, "/prompt"),
        ({"model": "m", "input": "hi", "top_logprobs": 3}, "/top_logprobs"),
        ({"model": "m", "input": "hi", "text": {"format": {"type": "grammar"}}}, "/text/format/type"),
        (
            {"model": "m", "input": "hi", "text": {"format": {"type": "json_schema", "name": "a"}}},
            "/text/format/schema",
        ),
        ({"model": "m", "input": "hi", "reasoning": {"effort": "huge"}}, "/reasoning/effort"),
        ({"model": "m", "input": "hi", "max_output_tokens": 0}, "/max_output_tokens"),
        ({"model": "m", "input": "hi", "temperature": True}, "/temperature"),
    ],
)
def test_what_is_refused_is_pointed_at(body: Json, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        RESPONSES.read(body)
    assert refused.value.pointer == pointer


def test_background_is_refused_even_where_nothing_is_translated() -> None:
    with pytest.raises(Invalid) as refused:
        RESPONSES.asked({"model": "m", "background": True})
    assert refused.value.pointer == "/background"


KEYS = st.sampled_from([*FULL, "conversation", "prompt", "background", "top_logprobs", "moderation"])
ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(("message", "function_call", "function_call_output", "reasoning")) | json,
        "role": st.sampled_from(("user", "assistant", "system")) | json,
        "content": st.lists(
            st.fixed_dictionaries(
                {"type": st.sampled_from(("input_text", "input_image", "input_file", "input_audio", "refusal")) | json},
                optional={"text": json, "image_url": json, "file_data": json, "file_url": json, "input_audio": json},
            )
        )
        | json,
        "call_id": json,
        "name": json,
        "arguments": json,
        "output": json,
        "summary": json,
        "encrypted_content": json,
    },
)


@given(st.dictionaries(KEYS, json), st.booleans())
def test_any_json_is_read_or_refused(body: Json, filled: bool) -> None:
    for read in (RESPONSES.asked, RESPONSES.read):
        try:
            read({**FULL, **body} if filled else body)
        except Invalid as refused:
            assert not refused.pointer or refused.pointer.startswith("/")


@given(st.lists(ITEMS | json, max_size=4), st.lists(st.dictionaries(st.sampled_from((*WEATHER, "type")), json)))
def test_any_items_and_tools_are_read_or_refused(items: list[object], tools: list[object]) -> None:
    for body in ({"model": "m", "input": items}, {"model": "m", "input": "hi", "tools": tools}):
        try:
            assert RESPONSES.read(body).model == "m"
        except Invalid as refused:
            assert refused.pointer.startswith(("/input", "/tools"))
