"""What providers of the responses API answer, whole."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.completion.answer import Answer, Choice
from llm_proxy.completion.request import Reasoning, Text, ToolUse
from llm_proxy.completion.wire import Fault
from llm_proxy.providers.openai_responses.codec import OpenAIResponses
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import ProtocolViolation
from tests.llm_proxy.ingress.responses.values import json

Json = dict[str, Any]
CODEC = OpenAIResponses()
WHOLE: Json = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1_700_000_000.7,
    "status": "completed",
    "model": "gpt-x",
    "output": [
        {"type": "reasoning", "id": "rs_0", "summary": []},
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
            "encrypted_content": "P",
        },
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "It ", "annotations": []},
                {"type": "refusal", "refusal": "is"},
                {"type": "something_new"},
            ],
        },
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": " raining"}]},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
    ],
    "usage": {
        "input_tokens": 20,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 29,
    },
}


def test_an_answer_with_everything() -> None:
    parts = (Reasoning("a\n\nb", "openai:P"), Text("It is raining"), ToolUse("c1", "weather", "{}"))
    usage = Usage(20, 9, 4, 1, 3)
    assert CODEC.answer(WHOLE) == Answer("resp_1", "gpt-x", (Choice(parts, "tool_use"),), usage, 1_700_000_000)


def test_thoughts_without_a_proof_are_one_with_the_next() -> None:
    """As in a stream, where nothing marks their end."""
    summaries = [{"type": "reasoning", "summary": [{"text": text}]} for text in "ab"]
    proven = {**summaries[0], "encrypted_content": "P"}
    answer = CODEC.answer({"status": "completed", "output": [*summaries, proven, summaries[1]]})
    assert answer.choices[0].parts == (Reasoning("aba", "openai:P"), Reasoning("b"))


@pytest.mark.parametrize(
    ("said", "finish"),
    [
        ({"status": "completed"}, "stop"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "filtered"),
        ({"status": "incomplete"}, "length"),
    ],
)
def test_why_it_ended(said: Json, finish: str) -> None:
    assert CODEC.answer({"output": [], **said}).choices[0].finish == finish


@pytest.mark.parametrize(
    "said",
    [
        {"status": "failed", "error": {"code": "server_error", "message": "secret"}},
        {"status": "in_progress"},
        {"status": "queued"},
        {"status": ["completed"]},
        {},
        {"output": {}},
        {"output": ["text"]},
        {"output": [{"type": "message", "content": "text"}]},
        {"output": [{"type": "message", "content": [{"type": "output_text", "text": 1}]}]},
        {"output": [{"type": "function_call", "call_id": "a", "name": "b", "arguments": {}}]},
        {"id": 5},
    ],
)
def test_nonsense_is_a_violation_that_quotes_nothing(said: Json) -> None:
    with pytest.raises(ProtocolViolation) as violated:
        CODEC.answer({**({} if "status" in said or not said else WHOLE), **said})
    assert "secret" not in violated.value.message


@pytest.mark.parametrize("usage", [None, {}, [], {"input_tokens": -1, "output_tokens": 2}, {"input_tokens": "9"}])
def test_usage_that_is_none(usage: object) -> None:
    assert CODEC.answer({**WHOLE, "usage": usage}).usage is None


def test_usage_in_an_event() -> None:
    assert CODEC.usage({"type": "response.completed", "response": WHOLE}) == Usage(20, 9, 4, 1, 3)
    assert CODEC.usage({"type": "response.output_text.delta", "delta": "x"}) is None
    assert CODEC.usage({"response": []}) is None


def test_what_is_forwarded_differs_in_the_model_only() -> None:
    body = {"model": "prod/a", "input": "hi", "unknown": {"x": 1}, "stream": True}
    assert CODEC.forward(body, "gpt-x") == {**body, "model": "gpt-x"}
    assert body["model"] == "prod/a"


def test_thoughts_that_others_have_proven_are_not_forwarded() -> None:
    """They come from earlier turns of the conversation, which another family answered."""
    own, others = {"type": "reasoning", "encrypted_content": "P"}, ("gemini:S", "anthropic:S", "redacted:X")
    items = [
        {"role": "user", "content": "hi"},
        own,
        *({"type": "reasoning", "encrypted_content": p} for p in others),
        5,
    ]
    assert CODEC.forward({"model": "a", "input": items}, "m") == {"model": "m", "input": [items[0], own, 5]}


def test_where_and_how_it_is_sent() -> None:
    assert CODEC.path("m", stream=True) == CODEC.path("m", stream=False) == "/responses"
    assert CODEC.headers("k") == (("authorization", "Bearer k"),)
    assert CODEC.headers(None) == ()


def test_faults() -> None:
    assert CODEC.fault(400, {"error": {"code": "context_length_exceeded"}}) == Fault(
        "context_window", "context_length_exceeded"
    )
    assert CODEC.fault(429, None).kind == "rate_limit"


@given(st.dictionaries(st.sampled_from(list(WHOLE)), json), st.lists(st.sampled_from(WHOLE["output"])), st.data())
def test_any_json_is_an_answer_or_a_violation(body: Json, items: list[Json], data: st.DataObject) -> None:
    broken = [{**item, **data.draw(st.dictionaries(st.sampled_from(list(item)), json))} for item in items]
    for said in (body, {**WHOLE, **body}, {**WHOLE, "output": broken}):
        CODEC.usage(said)
        CODEC.fault(500, said)
        with suppress(ProtocolViolation):
            assert CODEC.answer(said).choices
