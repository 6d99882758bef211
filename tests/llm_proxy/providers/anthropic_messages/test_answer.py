"""What is read of Anthropic's whole answers."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.completion.answer import Answer, Choice
from llm_proxy.completion.request import Reasoning, Text, ToolUse
from llm_proxy.ingress.messages.dialect import Messages
from llm_proxy.providers.anthropic_messages.codec import AnthropicMessages
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import ProtocolViolation
from tests.llm_proxy.ingress.messages.values import json, objects

Json = dict[str, Any]

MESSAGE: Json = {
    "type": "message", "id": "msg_1", "role": "assistant", "model": "m", "content": [],
    "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 2},
}  # fmt: skip


def test_an_answer() -> None:
    body = {
        **MESSAGE,
        "content": [
            {"type": "thinking", "thinking": "a", "signature": "p"},
            {"type": "redacted_thinking", "data": "d"},
            {"type": "text", "text": "b", "citations": []},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "tool_use", "id": "i", "name": "t", "input": {"x": 1}, "caller": {"type": "direct"}},
        ],
        "stop_reason": "tool_use",
    }
    assert AnthropicMessages().answer(body) == Answer(
        "msg_1",
        "m",
        (
            Choice(
                (Reasoning("a", "p"), Reasoning("", redacted="d"), Text("b"), ToolUse("i", "t", '{"x":1}')), "tool_use"
            ),
        ),
        Usage(1, 2),
    )


@pytest.mark.parametrize(
    ("reason", "stop", "finish"),
    [
        ("end_turn", None, "stop"),
        ("stop_sequence", "END", "stop"),
        ("pause_turn", None, "stop"),
        ("of_tomorrow", None, "stop"),
        ("max_tokens", None, "length"),
        ("model_context_window_exceeded", None, "length"),
        ("tool_use", None, "tool_use"),
        ("refusal", None, "filtered"),
    ],
)
def test_why_it_ended(reason: str, stop: str | None, finish: str) -> None:
    choice = AnthropicMessages().answer({**MESSAGE, "stop_reason": reason, "stop_sequence": stop}).choices[0]
    assert (choice.finish, choice.stop) == (finish, stop or "")


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        (None, None),
        ([], None),
        ({}, None),
        ({"input_tokens": 5, "output_tokens": 7}, Usage(5, 7)),
        ({"input_tokens": 5}, Usage(5, 0)),
        (
            {
                "input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20,
                "output_tokens": 7, "output_tokens_details": {"thinking_tokens": 3},
            },
            Usage(125, 7, 100, 20, 3),
        ),
        ({"cache_read_input_tokens": 9, "output_tokens": 1}, Usage(9, 1, 9)),
        ({"input_tokens": 5.0, "output_tokens": 7}, Usage(5, 7)),
        ({"input_tokens": -5, "output_tokens": 7}, None),
        ({"input_tokens": True, "output_tokens": 7}, None),
        ({"input_tokens": 5, "output_tokens": 10**18}, None),
        ({"input_tokens": 5, "cache_read_input_tokens": "many", "output_tokens": 7}, None),
        ({"input_tokens": 5, "output_tokens": 7, "output_tokens_details": 3}, Usage(5, 7)),
    ],
)  # fmt: skip
def test_usage(counts: object, usage: Usage | None) -> None:
    codec = AnthropicMessages()
    assert codec.answer({**MESSAGE, "usage": counts}).usage == usage
    assert codec.usage({**MESSAGE, "usage": counts}) == usage
    assert codec.usage({"type": "message_start", "message": {"usage": counts}}) == usage
    assert codec.usage({"type": "message_delta", "delta": {}, "usage": counts}) == usage


@pytest.mark.parametrize(
    "members",
    [
        {"type": "error"},
        {"content": "text"},
        {"content": ["text"]},
        {"content": [{}]},
        {"content": [{"type": "text", "text": 1}]},
        {"content": [{"type": "tool_use", "id": "i", "name": "t", "input": "{}"}]},
        {"content": [{"type": "tool_use", "id": "", "name": "t", "input": {}}]},
        {"content": [{"type": "tool_use", "id": "i", "input": {}}]},
        {"stop_reason": None},
        {"stop_reason": 1},
        {"id": 1},
    ],
)
def test_nonsense(members: Json) -> None:
    with pytest.raises(ProtocolViolation):
        AnthropicMessages().answer({**MESSAGE, **members})


blocks = st.fixed_dictionaries(
    {"type": st.sampled_from(("text", "tool_use", "thinking", "redacted_thinking", "other")) | json},
    optional=dict.fromkeys(("text", "id", "name", "input", "thinking", "signature", "data"), json),
)


@given(
    objects
    | st.fixed_dictionaries(
        {},
        optional={
            "content": st.lists(blocks, max_size=3) | json, "stop_reason": json, "stop_sequence": json, "id": json,
            "model": json, "usage": st.dictionaries(st.sampled_from(tuple(MESSAGE["usage"])), json) | json,
        },
    ).map(lambda some: {**MESSAGE, **some})
)  # fmt: skip
def test_whatever_comes_is_read_or_nonsense(body: Json) -> None:
    AnthropicMessages().usage(body)
    with contextlib.suppress(ProtocolViolation):
        AnthropicMessages().answer(body)


def test_a_body_that_is_forwarded_changes_its_model_only() -> None:
    body = {"model": "asked/for", "stream": True, "of_tomorrow": {"x": [1]}}
    assert AnthropicMessages().forward(body, "m") == {**body, "model": "m"}
    assert body["model"] == "asked/for"


def test_where_it_goes() -> None:
    codec = AnthropicMessages()
    assert codec.path("m", stream=True) == codec.path("m", stream=False) == "/v1/messages"
    assert dict(codec.headers("k")) == {"anthropic-version": "2023-06-01", "x-api-key": "k"}
    assert dict(codec.headers(None)) == {"anthropic-version": "2023-06-01"}
    assert codec.wire == Messages().wire
