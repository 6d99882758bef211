"""What the dialect reads of a request, and what it refuses."""

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
    Part,
    Reasoning,
    Text,
    Tool,
    ToolResult,
    ToolUse,
)
from llm_proxy.ingress.messages.dialect import Messages
from mcp_gateway.core.errors import Invalid
from tests.llm_proxy.ingress.messages.values import json, objects

Json = dict[str, Any]

LEAST: Json = {"model": "g/m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aQ=="}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def user(*blocks: Json) -> Json:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def model(*blocks: Json) -> Json:
    return {"messages": [{"role": "assistant", "content": list(blocks)}]}


def parts(**members: Any) -> tuple[Part, ...]:
    return Messages().read({**LEAST, **members}).messages[-1].parts


def test_the_least_request() -> None:
    assert Messages().read(LEAST) == Completion(model="g/m", messages=(Message("user", (Text("hi"),)),), max_tokens=10)
    assert Messages().asked({**LEAST, "stream": True}) == Asked("g/m", True, 1, 10)


def test_everything_else() -> None:
    body = {
        **LEAST,
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "system", "content": "b"},
            {"role": "assistant", "content": [{"type": "text", "text": "c", "citations": None}]},
        ],
        "tools": [
            {"name": "t", "description": "d", "input_schema": SCHEMA, "strict": True},
            {"type": "custom", "name": "u", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
        ],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "temperature": 0.5, "top_p": 1, "top_k": 40, "stop_sequences": ["x"], "stream": True,
        "metadata": {"user_id": "u"}, "service_tier": "auto", "context_management": {"edits": []},
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "max"},
        "container": None,
    }  # fmt: skip
    assert Messages().read(body) == Completion(
        model="g/m",
        messages=(
            Message("system", (Text("s"),)),
            Message("user", (Text("a"),)),
            Message("system", (Text("b"),)),
            Message("assistant", (Text("c"),)),
        ),
        tools=(Tool("t", "d", SCHEMA, True), Tool("u", "", {"type": "object"})),
        tool_choice="required",
        parallel_tools=False,
        max_tokens=10,
        temperature=0.5,
        top_p=1,
        top_k=40,
        stop=("x",),
        format=Format(SCHEMA),
        effort="high",
        user="u",
        stream=True,
    )


def document(source: Json, **more: Any) -> Json:
    return {"type": "document", "source": source, **more}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (user({"type": "text", "text": ""}), (Text(""),)),
        (user(IMAGE), (Media("image/png", "aQ=="),)),
        (
            user({"type": "image", "source": {"type": "url", "url": "https://a/b.png"}}),
            (Media("image/*", url="https://a/b.png"),),
        ),
        (
            user(document({"type": "base64", "media_type": "application/pdf", "data": "aQ=="}, title="t", context="c")),
            (Text("c"), Media("application/pdf", "aQ==", name="t")),
        ),
        (
            user(document({"type": "url", "url": "https://a/b.pdf"}, citations={"enabled": False})),
            (Media("application/pdf", url="https://a/b.pdf"),),
        ),
        (
            user(document({"type": "text", "media_type": "text/plain", "data": "x"}, title="t", context="c")),
            (Text("t"), Text("c"), Text("x")),
        ),
        (
            user(document({"type": "content", "content": [{"type": "text", "text": "x"}, IMAGE]})),
            (Text("x"), Media("image/png", "aQ==")),
        ),
        (user(document({"type": "content", "content": "x"})), (Text("x"),)),
        (user({"type": "tool_result", "tool_use_id": "i"}), (ToolResult("i", ()),)),
        (
            user({"type": "tool_result", "tool_use_id": "i", "content": "r", "is_error": True}),
            (ToolResult("i", (Text("r"),), failed=True),),
        ),
        (
            user({"type": "tool_result", "tool_use_id": "i", "content": [{"type": "text", "text": "r"}, IMAGE]}),
            (ToolResult("i", (Text("r"), Media("image/png", "aQ=="))),),
        ),
        (
            model({"type": "tool_use", "id": "i", "name": "t", "input": {"a": [1, "é"]}, "caller": {"type": "direct"}}),
            (ToolUse("i", "t", '{"a":[1,"é"]}'),),
        ),
        (
            model({"type": "tool_use", "id": "i", "name": "t", "input": {"INVALID_JSON": '{"a": '}}),
            (ToolUse("i", "t", '{"a": '),),
        ),
        (
            model(
                {"type": "thinking", "thinking": "h", "signature": "p"},
                {"type": "redacted_thinking", "data": "d"},
                {"type": "text", "text": "c"},
            ),
            (Reasoning("h", "p"), Reasoning("", redacted="d"), Text("c")),
        ),
    ],
)
def test_blocks(messages: Json, expected: tuple[Part, ...]) -> None:
    assert parts(**messages) == expected


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, ("auto", None)),
        ({"type": "auto", "disable_parallel_tool_use": False}, ("auto", True)),
        ({"type": "none"}, ("none", None)),
        ({"type": "tool", "name": "t", "disable_parallel_tool_use": True}, (OneTool("t"), False)),
    ],
)
def test_tool_choices(choice: Json, expected: tuple[object, object]) -> None:
    completion = Messages().read({**LEAST, "tool_choice": choice})
    assert (completion.tool_choice, completion.parallel_tools) == expected


@pytest.mark.parametrize(
    ("members", "effort"),
    [
        ({}, None),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}, "none"),
        ({"thinking": {"type": "adaptive"}}, None),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}, "medium"),
        ({"output_config": {"effort": "xhigh"}}, "high"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "minimal"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, "low"),
        ({"thinking": {"type": "enabled", "budget_tokens": 10_000}}, "medium"),
        ({"thinking": {"type": "enabled", "budget_tokens": 32_000}}, "high"),
    ],
)
def test_efforts(members: Json, effort: str | None) -> None:
    assert Messages().read({**LEAST, **members}).effort == effort


def test_the_older_name_of_a_format() -> None:
    body = {**LEAST, "output_format": {"type": "json_schema", "schema": SCHEMA}}
    assert Messages().read(body).format == Format(SCHEMA)


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"model": ""}, "/model"),
        ({"model": 1}, "/model"),
        ({"max_tokens": None}, "/max_tokens"),
        ({"max_tokens": -1}, "/max_tokens"),
        ({"max_tokens": 1.5}, "/max_tokens"),
        ({"max_tokens": True}, "/max_tokens"),
        ({"messages": []}, "/messages"),
        ({"messages": "hi"}, "/messages"),
        ({"stream": 1}, "/stream"),
    ],
)
def test_what_is_refused_of_every_request(members: Json, pointer: str) -> None:
    for read in (Messages().asked, Messages().read):
        with pytest.raises(Invalid) as caught:
            read({**LEAST, **members})
        assert caught.value.pointer == pointer


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"max_tokens": 0}, "/max_tokens"),
        ({"container": "c"}, "/container"),
        ({"mcp_servers": [{}]}, "/mcp_servers"),
        ({"inference_geo": "eu"}, "/inference_geo"),
        ({"a/b~": 1}, "/a~1b~0"),
        ({"system": 1}, "/system"),
        ({"system": [IMAGE]}, "/system/0/type"),
        ({"messages": ["hi"]}, "/messages/0"),
        ({"messages": [{"content": "hi"}]}, "/messages/0/role"),
        ({"messages": [{"role": "tool", "content": "hi"}]}, "/messages/0/role"),
        ({"messages": [{"role": "user"}]}, "/messages/0/content"),
        (user({"text": "x"}), "/messages/0/content/0/type"),
        (user({"type": "text"}), "/messages/0/content/0/text"),
        (user({"type": "search_result"}), "/messages/0/content/0/type"),
        (user({"type": "tool_use", "id": "i", "name": "t", "input": {}}), "/messages/0/content/0/type"),
        (user({"type": "image"}), "/messages/0/content/0/source"),
        (user({"type": "image", "source": {"type": "file", "file_id": "f"}}), "/messages/0/content/0/source/type"),
        (
            user({"type": "image", "source": {"type": "url", "url": "file:///etc/passwd"}}),
            "/messages/0/content/0/source/url",
        ),
        (
            user({"type": "image", "source": {"type": "base64", "media_type": "text/html", "data": "x"}}),
            "/messages/0/content/0/source/media_type",
        ),
        (
            user(document({"type": "url", "url": "https://a"}, citations={"enabled": True})),
            "/messages/0/content/0/citations/enabled",
        ),
        (
            user({"type": "tool_result", "tool_use_id": "i", "content": [{"type": "tool_reference"}]}),
            "/messages/0/content/0/content/0/type",
        ),
        (model(IMAGE), "/messages/0/content/0/type"),
        (model({"type": "server_tool_use"}), "/messages/0/content/0/type"),
        (model({"type": "tool_use", "id": "i", "name": "t", "input": "{}"}), "/messages/0/content/0/input"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "/tools/0/type"),
        ({"tools": [{"name": "t"}]}, "/tools/0/input_schema"),
        ({"tool_choice": "auto"}, "/tool_choice"),
        ({"tool_choice": {}}, "/tool_choice/type"),
        ({"tool_choice": {"type": "tool"}}, "/tool_choice/name"),
        ({"stop_sequences": [""]}, "/stop_sequences/0"),
        ({"metadata": "m"}, "/metadata"),
        ({"thinking": {"type": "deep"}}, "/thinking/type"),
        ({"output_config": {"effort": "huge"}}, "/output_config/effort"),
        ({"output_config": {"format": {"type": "xml"}}}, "/output_config/format/type"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "/output_config/format/schema"),
    ],
)
def test_what_has_no_translation(members: Json, pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        Messages().read({**LEAST, **members})
    assert caught.value.pointer == pointer


KEYS = (
    *LEAST, "system", "tools", "tool_choice", "stop_sequences", "thinking", "output_config", "output_format",
    "metadata", "temperature", "top_k", "stream",
)  # fmt: skip
BLOCK_KEYS = (
    "type", "text", "source", "media_type", "data", "url", "content", "tool_use_id", "id", "name", "input", "is_error",
    "thinking", "signature", "role", "citations", "input_schema", "budget_tokens", "effort", "format", "schema",
)  # fmt: skip
KINDS = st.sampled_from(
    ("text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking", "base64", "url",
     "content", "user", "assistant", "system", "auto", "tool", "enabled", "json_schema")
)  # fmt: skip
near = st.recursive(
    KINDS | json,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(BLOCK_KEYS), inner, max_size=6),
    max_leaves=20,
)


@given(objects | st.dictionaries(st.sampled_from(KEYS), near, max_size=6).map(lambda some: {**LEAST, **some}))
def test_whatever_comes_is_read_or_refused(body: Json) -> None:
    for read in (Messages().asked, Messages().read):
        try:
            read(body)
        except Invalid as error:
            assert error.pointer.startswith("/")
    assert Messages().wants_usage(body)
