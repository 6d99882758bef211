"""Turns of other families in a body that goes on as it came."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from llm_proxy.providers.anthropic_messages.carried import carried
from llm_proxy.providers.anthropic_messages.codec import AnthropicMessages
from tests.llm_proxy.hostile import json_with

OWN = {"type": "thinking", "thinking": "hm", "signature": "proof"}
FOREIGN = [
    {"type": "thinking", "thinking": "hm", "signature": "gemini:proof"},
    {"type": "thinking", "thinking": "hm", "signature": "openai:proof"},
    {"type": "thinking", "thinking": "hm", "signature": ""},
    {"type": "redacted_thinking", "data": "openai:proof"},
]
CALL = {"type": "tool_use", "id": "c1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "c1", "content": "x"}
HI = {"role": "user", "content": "Hi"}
BUDGET = {"type": "enabled", "budget_tokens": 1024}


def asked(*blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    turns = [HI, {"role": "assistant", "content": list(blocks)}, {"role": "user", "content": [RESULT]}]
    return {"model": "m", "messages": turns, **more}


def test_what_anthropic_made_itself_goes_on_as_it_came() -> None:
    body = asked(OWN, {"type": "redacted_thinking", "data": "d"}, CALL, {"type": "new"}, thinking=BUDGET, zeal=1)
    assert carried(body) is body
    assert AnthropicMessages().forward(body, "theirs") == {**body, "model": "theirs"}


@pytest.mark.parametrize("thought", FOREIGN, ids=lambda thought: str(thought.get("signature", thought["type"])))
def test_thoughts_of_others_are_left_out(thought: dict[str, Any]) -> None:
    body = asked(thought, CALL, thinking=BUDGET, zeal=1)
    assert carried(body) == {"model": "m", "messages": asked(CALL)["messages"], "zeal": 1}
    adaptive = asked(thought, CALL, thinking={"type": "adaptive"})
    assert carried(adaptive)["thinking"] == {"type": "adaptive"}
    beside = asked(OWN, thought, CALL, thinking=BUDGET)
    assert carried(beside) == asked(OWN, CALL, thinking=BUDGET)


def test_a_turn_of_which_nothing_is_left_goes_too() -> None:
    body = {"messages": [HI, {"role": "assistant", "content": [FOREIGN[0]]}, HI], "thinking": BUDGET}
    assert carried(body) == {"messages": [HI, HI], "thinking": BUDGET}


def test_ids_are_written_alike_in_calls_and_results() -> None:
    call, result = {**CALL, "id": "functions.f:0"}, {**RESULT, "tool_use_id": "functions.f:0"}
    turns = [HI, {"role": "assistant", "content": [OWN, call]}, {"role": "user", "content": [result]}]
    _, said, told = carried({"messages": turns, "thinking": BUDGET})["messages"]
    assert said["content"] == [OWN, {**CALL, "id": "functions_f_0"}]
    assert told["content"] == [{**RESULT, "tool_use_id": "functions_f_0"}]


KEYS = ("messages", "content", "role", "type", "signature", "data", "id", "tool_use_id", "thinking")
WORDS = ("thinking", "redacted_thinking", "tool_use", "tool_result", "gemini:x", "", "enabled", "a.b")


@given(json_with(KEYS, WORDS))
def test_any_body_goes_on(messages: Any) -> None:
    body = {"messages": messages, "thinking": BUDGET}
    sent = carried(body)
    assert type(messages) is list or sent is body
    assert carried(sent) in (sent, {key: value for key, value in sent.items() if key != "thinking"})
