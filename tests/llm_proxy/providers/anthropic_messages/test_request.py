"""What goes to Anthropic for a request in no dialect."""

import base64
import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from llm_proxy.completion.request import (
    Completion,
    Format,
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
from llm_proxy.completion.signature import mark
from llm_proxy.ingress.messages.dialect import Messages
from llm_proxy.providers.anthropic_messages.codec import AnthropicMessages
from mcp_gateway.core.errors import Invalid

Json = dict[str, Any]

# Members the package has no name for any more, or checks more than their types.
THEIRS: TypeAdapter[MessageCreateParamsNonStreaming] = TypeAdapter(MessageCreateParamsNonStreaming)

HI = Message("user", (Text("hi"),))
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
TOOL = Tool("t", "d", SCHEMA, True)


def exhaust(value: object) -> None:
    """Iterables are validated only while somebody iterates."""
    if isinstance(value, Mapping):
        value = value.values()
    if isinstance(value, Iterable) and not isinstance(value, str):
        for inner in value:
            exhaust(inner)


def request(*messages: Message, **members: Any) -> Json:
    completion = Completion(model="asked/for", messages=messages or (HI,), **members)
    return AnthropicMessages().request(completion, "claude-sonnet-4-5")


def text(words: str) -> Json:
    return {"type": "text", "text": words}


def test_the_least() -> None:
    assert request() == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [text("hi")]}],
    }


def test_everything_else() -> None:
    body = request(
        max_tokens=7, stop=("x",), stream=True, user="u", tools=(TOOL, Tool("bare")), tool_choice=OneTool("t"),
        parallel_tools=False, format=Format(SCHEMA, "n", "d", True), temperature=1.5, top_k=3, seed=1,
        presence_penalty=1.0, frequency_penalty=1.0,
    )  # fmt: skip
    assert body == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 7,
        "messages": [{"role": "user", "content": [text("hi")]}],
        "stop_sequences": ["x"],
        "stream": True,
        "metadata": {"user_id": "u"},
        "tools": [
            {"name": "t", "description": "d", "input_schema": SCHEMA, "strict": True},
            {"name": "bare", "input_schema": {"type": "object", "properties": {}}},
        ],
        "tool_choice": {"type": "tool", "name": "t", "disable_parallel_tool_use": True},
        "output_config": {"format": {"type": "json_schema", "schema": {**SCHEMA, "additionalProperties": False}}},
        "temperature": 1,
        "top_k": 3,
    }


@pytest.mark.parametrize(
    ("members", "choice"),
    [
        ({}, None),
        ({"parallel_tools": True}, {"type": "auto", "disable_parallel_tool_use": False}),
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "required", "parallel_tools": False}, {"type": "any", "disable_parallel_tool_use": True}),
        ({"tool_choice": "none", "parallel_tools": False}, {"type": "none"}),
    ],
)
def test_tool_choices(members: Json, choice: Json | None) -> None:
    assert request(tools=(TOOL,), **members).get("tool_choice") == choice


def test_the_system_speaks_first_wherever_it_spoke() -> None:
    body = request(
        Message("system", (Text("a"),)), HI, Message("system", (Text("b"), Text(" "))),
        Message("assistant", (Text("c"),)), HI,
    )  # fmt: skip
    assert body["system"] == [text("a"), text("b")]
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]


def test_a_system_alone_is_a_question() -> None:
    body = request(Message("system", (Text("a"),)))
    assert "system" not in body
    assert body["messages"] == [{"role": "user", "content": [text("a")]}]


def test_turns_in_a_row_are_one_and_results_stand_first() -> None:
    use = ToolUse("call:1", "t", '{"a":1}')
    body = request(
        HI,
        Message("user", (Text("more"),)),
        Message("assistant", (Text("so"),)),
        Message("assistant", (use,)),
        Message("user", (Text("first"),)),
        Message("user", (ToolResult("call:1", (Text("r"), Text(""))), ToolResult("b", (), failed=True))),
        tools=(TOOL,),
    )
    assert body["messages"] == [
        {"role": "user", "content": [text("hi"), text("more")]},
        {
            "role": "assistant",
            "content": [text("so"), {"type": "tool_use", "id": "call_1", "name": "t", "input": {"a": 1}}],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": [text("r")]},
                {"type": "tool_result", "tool_use_id": "b", "is_error": True},
                text("first"),
            ],
        },
    ]


def test_what_holds_nothing_is_left_out() -> None:
    body = request(HI, Message("assistant", (Text("\n"),)), Message("user", ()), Message("assistant", (Text("so "),)))
    assert body["messages"] == [
        {"role": "user", "content": [text("hi")]},
        {"role": "assistant", "content": [text("so")]},
    ]


def test_only_what_anthropic_has_proved_goes_back() -> None:
    thoughts = (
        Reasoning("unsigned"),
        Reasoning("a", "proof"),
        Reasoning("b", mark("gemini", "proof")),
        Reasoning("", redacted="data"),
        Reasoning("", redacted=mark("openai", "data")),
        Text("c"),
    )
    assert request(HI, Message("assistant", thoughts), HI)["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "a", "signature": "proof"},
        {"type": "redacted_thinking", "data": "data"},
        text("c"),
    ]


@pytest.mark.parametrize(
    ("arguments", "input"),
    [
        ("", {}),
        ("{}", {}),
        ('{"a": [1]}', {"a": [1]}),
        ('{"a": ', {"INVALID_JSON": '{"a": '}),
        ("[1]", {"INVALID_JSON": "[1]"}),
        ('{"a":1,"a":2}', {"INVALID_JSON": '{"a":1,"a":2}'}),
    ],
)
def test_arguments(arguments: str, input: Json) -> None:
    body = request(HI, Message("assistant", (ToolUse("i", "t", arguments),)), tools=(TOOL,))
    assert body["messages"][1]["content"][0]["input"] == input


def test_tools_that_were_called_are_declared_and_forbidden() -> None:
    use = Message("assistant", (ToolUse("i", "t", "{}"), ToolUse("j", "t", "{}")))
    body = request(HI, use, Message("user", (ToolResult("i", (Text("r"),)),)), parallel_tools=True)
    assert body["tools"] == [{"name": "t", "input_schema": {"type": "object", "properties": {}}}]
    assert body["tool_choice"] == {"type": "none"}


@pytest.mark.parametrize(
    ("media", "block"),
    [
        (
            Media("image/png", "aQ=="),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aQ=="}},
        ),
        (Media("image/*", url="https://a"), {"type": "image", "source": {"type": "url", "url": "https://a"}}),
        (
            Media("application/pdf", "aQ==", name="f.pdf"),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "aQ=="},
                "title": "f.pdf",
            },
        ),
        (
            Media("application/pdf", url="https://a"),
            {"type": "document", "source": {"type": "url", "url": "https://a"}},
        ),
        (
            Media("text/markdown", base64.b64encode("é".encode()).decode()),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "é"}},
        ),
    ],
)
def test_media(media: Media, block: Json) -> None:
    assert request(Message("user", (media,)))["messages"][0]["content"] == [block]


def test_schemas_are_closed_where_they_list_what_they_hold() -> None:
    schema = {
        "type": "object",
        "properties": {
            "open": {"type": "object"},
            "said": {"type": "object", "properties": {"a": {}}, "additionalProperties": True},
            "list": {"type": "array", "items": {"anyOf": [SCHEMA, {"const": SCHEMA}]}},
        },
    }
    closed = request(format=Format(schema))["output_config"]["format"]["schema"]
    assert closed["additionalProperties"] is False
    assert closed["properties"]["open"] == {"type": "object"}
    assert closed["properties"]["said"]["additionalProperties"] is True
    assert closed["properties"]["list"]["items"]["anyOf"] == [
        {**SCHEMA, "additionalProperties": False},
        {"const": SCHEMA},
    ]
    assert "additionalProperties" not in schema


@pytest.mark.parametrize(
    ("messages", "members", "pointer"),
    [
        ((), {"choices": 2}, "/n"),
        ((), {"stop": ("x", "\n")}, "/stop"),
        ((), {"format": Format()}, "/response_format"),
        ((), {"tool_choice": "required"}, "/tool_choice"),
        ((), {"tool_choice": OneTool("t")}, "/tool_choice"),
        ((Message("user", ()),), {}, "/messages"),
        ((Message("user", (Media("audio/wav", "aQ=="),)),), {}, "/messages"),
        ((Message("user", (Media("image/bmp", "aQ=="),)),), {}, "/messages"),
        ((Message("user", (Media("text/plain", "?"),)),), {}, "/messages"),
        ((Message("user", (Media("text/plain", base64.b64encode(b"\xff").decode()),)),), {}, "/messages"),
        ((Message("system", (Media("image/png", "aQ=="),)),), {}, "/messages"),
    ],
)
def test_what_cannot_be_said(messages: tuple[Message, ...], members: Json, pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        request(*messages, **members)
    assert caught.value.pointer == pointer


words = st.text(st.characters(codec="utf-8"), max_size=5)
uses = st.builds(ToolUse, words.filter(bool), words.filter(bool), words)
of_users: st.SearchStrategy[Part] = (
    st.builds(Text, words)
    | st.just(Media("image/png", "aQ=="))
    | st.builds(lambda id, said: ToolResult(id, (Text(said),)), words.filter(bool), words)
)
of_models: st.SearchStrategy[Part] = st.builds(Text, words) | uses | st.builds(Reasoning, words, words, words)
conversations = st.lists(
    st.builds(Message, st.just("user"), st.lists(of_users, max_size=3).map(tuple))
    | st.builds(Message, st.just("assistant"), st.lists(of_models, max_size=3).map(tuple))
    | st.builds(Message, st.just("system"), st.lists(st.builds(Text, words), max_size=2).map(tuple)),
    max_size=6,
).map(tuple)


@given(
    conversations,
    st.sampled_from((None, "none", "minimal", "high")),
    st.sampled_from(("claude-opus-4-1", "claude-opus-4-6", "claude-opus-5")),
    st.none() | st.integers(1, 40_000),
)
def test_every_conversation_is_of_their_types_and_alternates(
    messages: tuple[Message, ...], effort: Any, model: str, limit: int | None
) -> None:
    completion = Completion(model="m", messages=messages, effort=effort, max_tokens=limit)
    try:
        body = AnthropicMessages().request(completion, model)
    except Invalid:
        assert all(not part.text.strip() for m in messages for part in m.parts if isinstance(part, Text))
        return
    exhaust(THEIRS.validate_python(body))
    turns = body["messages"]
    assert all(a["role"] != b["role"] for a, b in itertools.pairwise(turns))
    for turn in turns:
        assert turn["content"] and all(block.get("text", "x").strip() for block in turn["content"])
        results = [block["type"] == "tool_result" for block in turn["content"]]
        assert results == sorted(results, reverse=True)
    assert Messages().read(body).max_tokens == body["max_tokens"]
