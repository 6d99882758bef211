"""Whole answers, usage and errors of this family and of what is compatible with it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.completion.answer import Answer, Choice
from llm_proxy.completion.request import Reasoning, Text, ToolUse
from llm_proxy.completion.wire import Fault
from llm_proxy.providers.openai_chat.codec import OpenAIChat
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import ProtocolViolation
from tests.llm_proxy.hostile import json_with

CODEC = OpenAIChat()
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def choice(message: dict[str, Any], finish: Any = "stop", **more: Any) -> Choice:
    body = {"id": "i", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": finish, **more}]}
    return CODEC.answer(body).choices[0]


@pytest.mark.parametrize(
    ("message", "finish", "read"),
    [
        ({"content": "a"}, "stop", Choice((Text("a"),), "stop")),
        ({"content": "a"}, None, Choice((Text("a"),), "stop")),
        ({"content": "a"}, "eos", Choice((Text("a"),), "stop")),
        ({"content": ""}, "length", Choice((), "length")),
        ({}, "content_filter", Choice((), "filtered")),
        ({"refusal": "no"}, "stop", Choice((Text("no"),), "filtered")),
        ({"content": None, "tool_calls": [CALL]}, "tool_calls", Choice((ToolUse("c", "f", "{}"),), "tool_use")),
        ({"tool_calls": [CALL]}, "stop", Choice((ToolUse("c", "f", "{}"),), "tool_use")),
        ({"tool_calls": [CALL]}, "length", Choice((ToolUse("c", "f", "{}"),), "length")),
        ({"tool_calls": [{"function": {"name": "f"}}]}, "stop", Choice((ToolUse("call_0_0", "f", ""),), "tool_use")),
        (
            {"tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}]},
            "tool_calls",
            Choice((ToolUse("c", "f", "x"),), "tool_use"),
        ),
        ({"reasoning_content": "hm", "content": "a"}, "stop", Choice((Reasoning("hm"), Text("a")), "stop")),
        ({"reasoning": "hm", "reasoning_details": [{}]}, "stop", Choice((Reasoning("hm"),), "stop")),
        (
            {"content": [{"type": "thinking", "thinking": [{"text": "hm"}]}, {"type": "text", "text": "a"}]},
            "stop",
            Choice((Reasoning("hm"), Text("a")), "stop"),
        ),
        (
            {"reasoning_content": "hm", "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}]},
            "stop",
            Choice((Reasoning("hm", "s"),), "stop"),
        ),
    ],
)
def test_what_servers_make_of_a_choice(message: dict[str, Any], finish: Any, read: Choice) -> None:
    assert choice(message, finish) == read


def test_the_rest_of_an_answer() -> None:
    body = {
        "id": "i",
        "model": "m",
        "created": 5.7,
        "choices": [
            {"index": 1, "message": {"content": "b"}, "finish_reason": "stop", "stop_reason": "END"},
            {"index": 0, "message": {"content": "a"}, "finish_reason": "stop", "stop_reason": 17},
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
    }
    read = (Choice((Text("a"),), "stop"), Choice((Text("b"),), "stop", "END"))
    assert CODEC.answer(body) == Answer("i", "m", read, Usage(3, 4), 5)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"choices": []},
        {"choices": None},
        {"choices": {}},
        {"choices": ["x"]},
        {"choices": [{}] * 129},
        {"choices": [{"message": "x"}]},
        {"choices": [{"message": {}, "index": -1}]},
        {"choices": [{"message": {}, "index": True}]},
        {"choices": [{"message": {}, "index": 0}, {"message": {}, "index": 0}]},
        {"choices": [{"message": {"content": 5}}]},
        {"choices": [{"message": {"content": [{"type": "film"}]}}]},
        {"choices": [{"message": {"tool_calls": [{"id": "c"}]}}]},
        {"choices": [{"message": {"tool_calls": "x"}}]},
        {"choices": [{"message": {}, "finish_reason": 5}]},
        {"choices": [{"message": {}}], "id": 5},
        {"choices": [{"message": {}}], "model": ["m"]},
    ],
)
def test_nonsense(body: dict[str, Any]) -> None:
    with pytest.raises(ProtocolViolation):
        CODEC.answer(body)


KEYS = (
    "id", "model", "created", "index", "message", "content", "tool_calls", "function", "name", "arguments", "type",
    "finish_reason", "usage", "thinking_blocks", "reasoning_content", "refusal", "text", "thinking", "custom",
)  # fmt: skip
ANYTHING = json_with(KEYS, ("text", "stop", "thinking", "m"))


@given(
    st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=4),
    st.lists(st.fixed_dictionaries({"message": ANYTHING}, optional={"index": ANYTHING}), max_size=3) | ANYTHING,
)
def test_any_json_is_an_answer_or_a_violation(body: dict[str, Any], choices: Any) -> None:
    try:
        assert isinstance(CODEC.answer({**body, "choices": choices}), Answer)
    except ProtocolViolation as error:
        assert "m" not in error.message.split()  # nothing of what was sent


DETAILS: dict[str, Any] = {
    "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5}, Usage(10, 5)),
        ({"prompt_tokens": 10, "completion_tokens": 5, **DETAILS}, Usage(10, 5, 4, 2, 3)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 18, **DETAILS}, Usage(10, 8, 4, 2, 3)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, **DETAILS}, Usage(10, 5, 4, 2, 3)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 6}, Usage(10, 5, 6)),
        ({"prompt_tokens": 10}, Usage(10, 0)),
        ({"completion_tokens": 5.0}, Usage(0, 5)),
        ({"prompt_tokens": 1, "completion_tokens": 1, **DETAILS}, Usage(1, 1, 1, 0, 1)),
        ({"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": 7}, Usage(1, 1)),
        ({"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": -1}}, Usage(1, 1)),
        ({"prompt_tokens": -1, "completion_tokens": 1}, None),
        ({"prompt_tokens": 1, "completion_tokens": 10**15}, None),
        ({"prompt_tokens": 1.5, "completion_tokens": 1}, None),
        ({"prompt_tokens": True, "completion_tokens": 1}, None),
        ({"prompt_tokens": "9", "completion_tokens": 1}, None),
        ({"prompt_tokens": float("inf"), "completion_tokens": 1}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_usage(told: Any, usage: Usage | None) -> None:
    assert CODEC.usage({"usage": told}) == usage


@given(json_with(["prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "cached_tokens"]))
def test_any_usage_is_within_bounds(told: Any) -> None:
    usage = CODEC.usage({"usage": told})
    assert usage is None or 0 <= usage.cache_read <= usage.input <= 10**8


RATE_LIMITED = Fault("rate_limit", "rate_limit_exceeded")


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (429, {"error": {"code": "rate_limit_exceeded", "type": "requests"}}, RATE_LIMITED),
        (429, {"error": {"code": "insufficient_quota"}}, Fault("rate_limit", "insufficient_quota")),
        (429, None, Fault("rate_limit")),
        (400, {"error": {"code": "context_length_exceeded"}}, Fault("context_window", "context_length_exceeded")),
        (
            400,
            {"error": {"message": "This model's maximum context length is 8", "type": "invalid_request_error"}},
            Fault("context_window", "invalid_request_error"),
        ),
        (400, {"message": "the request exceeds the available context size", "code": 400}, Fault("context_window")),
        (400, [{"error": {"code": 400, "status": "X"}}], Fault("invalid")),
        (400, {"error": {"code": "content_filter"}}, Fault("content_filter", "content_filter")),
        (400, {"error": "plain words"}, Fault("invalid")),
        (401, {"error": {"code": "invalid_api_key", "message": "sk-1"}}, Fault("authentication", "invalid_api_key")),
        (403, "text", Fault("authentication")),
        (404, {"error": {"code": "model_not_found"}}, Fault("invalid", "model_not_found")),
        (503, {}, Fault("overloaded")),
        (500, {"error": {"code": "sk-proj-1234567890"}}, Fault("server")),
        (500, {"error": {"code": "x" * 99, "type": 5}}, Fault("server")),
        (418, 5, Fault("invalid")),
    ],
)
def test_faults(status: int, body: object, fault: Fault) -> None:
    assert CODEC.fault(status, body) == fault


@given(st.integers(0, 999), json_with(["error", "code", "type", "message"]))
def test_any_error_is_a_fault(status: int, body: Any) -> None:
    assert isinstance(CODEC.fault(status, body), Fault)
