"""Requests in no dialect as this family takes them, and bodies that are passed on."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import TypeAdapter

from llm_proxy.completion.request import (
    Completion,
    Media,
    Message,
    OneTool,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolResult,
    ToolUse,
)
from llm_proxy.providers.openai_chat.codec import OpenAIChat
from mcp_gateway.core.errors import Invalid

CODEC = OpenAIChat()
PARAMS: TypeAdapter[Any] = TypeAdapter(CompletionCreateParamsNonStreaming)
PNG = Media("image/png", data="AA==")


def messages(*turns: Message) -> list[dict[str, Any]]:
    """The messages for `turns`, which the official package's types have to allow."""
    body = CODEC.request(Completion(model="asked", messages=turns), "theirs")
    PARAMS.validate_python(body)
    written: list[dict[str, Any]] = body["messages"]
    return written


def test_a_conversation_with_tools() -> None:
    assert messages(
        Message("system", (Text("Be kind"),)),
        Message("user", (Text("Look"), PNG)),
        Message("assistant", (Reasoning("hm", "proof"), ToolUse("c1", "f", "{}"), ToolUse("c2", "g", "{"))),
        Message(
            "user",
            (
                Text("And now?"),
                ToolResult("c1", (Text("one"), PNG, Text("two"))),
                ToolResult("c2", (Text("broken"),), failed=True),
            ),
        ),
        Message("assistant", (Reasoning("only thought"),)),
        Message("user", ()),
    ) == [
        {"role": "system", "content": "Be kind"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "one\ntwo"},
        {"role": "tool", "tool_call_id": "c2", "content": "[tool error] broken"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Returned by the tool call c1:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                {"type": "text", "text": "And now?"},
            ],
        },
        {"role": "assistant", "content": ""},
        {"role": "user", "content": ""},
    ]


def test_media() -> None:
    parts = (
        Media("image/*", url="https://x.test/a"),
        Media("audio/mpeg", data="AA=="),
        Media("application/pdf", data="AA=="),
    )
    assert messages(Message("user", parts))[0]["content"] == [
        {"type": "image_url", "image_url": {"url": "https://x.test/a"}},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
        {"type": "file", "file": {"filename": "file", "file_data": "data:application/pdf;base64,AA=="}},
    ]


@pytest.mark.parametrize(
    ("role", "part"),
    [
        ("user", Media("application/pdf", url="https://x.test/a.pdf")),
        ("user", Media("audio/ogg", data="AA==")),
        ("user", Media("video/mp4", data="AA==")),
        ("user", ToolUse("c", "f", "{}")),
        ("user", Reasoning("hm")),
        ("assistant", PNG),
        ("assistant", ToolResult("c", ())),
        ("system", ToolUse("c", "f", "{}")),
    ],
)
def test_what_the_family_cannot_say(role: Any, part: Part) -> None:
    with pytest.raises(Invalid) as caught:
        messages(Message(role, (part,)))
    assert caught.value.pointer == "/messages"


def test_a_stream_tells_its_usage_whatever_the_client_wants() -> None:
    asked = Completion(model="m", messages=(), stream=True, stream_usage=False, top_k=4)
    assert CODEC.request(asked, "theirs") == {
        "model": "theirs",
        "messages": [],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_tools_and_what_belongs_to_them() -> None:
    tool = Tool("f", "d", {"type": "object"}, strict=False)
    body = CODEC.request(
        Completion(model="m", messages=(), tools=(tool,), tool_choice=OneTool("f"), parallel_tools=False), "theirs"
    )
    PARAMS.validate_python({**body, "messages": [{"role": "user", "content": "x"}]})
    function = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": False}
    assert body["tools"] == [{"type": "function", "function": function}]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert body["parallel_tool_calls"] is False
    bare = CODEC.request(Completion(model="m", messages=(), tool_choice="auto", parallel_tools=True), "theirs")
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(bare)


def test_a_body_is_passed_on_with_the_model_changed_only() -> None:
    body = {"model": "a", "messages": [{"x": 1}], "unknown": {"y": None}, "stream_options": 5}
    assert CODEC.forward(body, "b") == {**body, "model": "b"}
    assert body["model"] == "a"
    streamed = {"model": "a", "stream": True, "stream_options": {"include_obfuscation": False}}
    told = {"include_obfuscation": False, "include_usage": True}
    assert CODEC.forward(streamed, "b") == {"model": "b", "stream": True, "stream_options": told}
    assert streamed["stream_options"] == {"include_obfuscation": False}


def test_where_it_goes_and_with_what() -> None:
    assert CODEC.path("any/model?", stream=True) == "/chat/completions"
    assert tuple(CODEC.headers("k")) == (("authorization", "Bearer k"),)
    assert tuple(CODEC.headers(None)) == ()


SIGNED: dict[str, Any] = {"type": "thinking", "thinking": "hm", "signature": "anthropic:s"}


@pytest.mark.parametrize(
    ("blocks", "kept"),
    [
        ([SIGNED, {"type": "redacted_thinking", "data": "anthropic:d"}], False),
        ([{**SIGNED, "signature": ""}, {**SIGNED, "signature": "gemini:s"}], False),
        ([SIGNED, {**SIGNED, "signature": "of the server's own"}], True),
        ([SIGNED, 7], True),
        ([{**SIGNED, "signature": 7}], True),
        ([], True),
        ("hm", True),
    ],
)
def test_thoughts_that_were_translated_for_the_client_do_not_go_on(blocks: Any, kept: bool) -> None:
    said = {"role": "assistant", "content": "ok", "zeal": 1}
    thought = {**said, "reasoning_content": "hm", "thinking_blocks": blocks}
    hi = {"role": "user", "content": "Hi"}
    body = {"model": "m", "messages": [hi, thought, 7]}
    assert OpenAIChat().forward(body, "m") == {"model": "m", "messages": [hi, thought if kept else said, 7]}
