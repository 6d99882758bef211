"""Every text of a request and of an answer is found, and rewritten where it may be."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from llm_proxy.completion.wire import Wire
from llm_proxy.guarding.content import without_logprobs
from llm_proxy.guarding.grammars import GRAMMARS
from mcp_gateway.envelopes.safety.content import line
from mcp_gateway.envelopes.safety.walk import lines, places, rewritten

CANARY = "canary@example.com"
BLOB = base64.b64encode(f"to {CANARY}".encode()).decode()
ARGUMENTS = json.dumps({"to": CANARY, "n": 1})
SCHEMA = {"type": "object", "properties": {"to": {"type": "string", "description": CANARY}}}

REWRITTEN: Mapping[tuple[Wire, str], dict[str, Any]] = {
    ("chat", "words"): {"messages": [{"role": "user", "content": CANARY}]},
    ("chat", "parts"): {"messages": [{"role": "user", "content": [{"type": "text", "text": CANARY}]}]},
    ("chat", "result"): {"messages": [{"role": "tool", "tool_call_id": "1", "content": CANARY}]},
    ("chat", "call"): {"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": ARGUMENTS}}]}]},
    ("chat", "tool"): {"tools": [{"type": "function", "function": {"name": "f", "description": CANARY}}]},
    ("chat", "schema"): {"tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}]},
    ("chat", "format"): {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}},
    ("chat", "file"): {"messages": [{"content": [{"type": "file", "file": {"filename": CANARY}}]}]},
    ("chat", "unknown"): {"messages": [{"role": "user", "novel": {"deep": [CANARY]}}]},
    ("chat", "answer"): {"choices": [{"message": {"content": CANARY, "reasoning_content": CANARY}}]},
    ("chat", "thinking"): {"choices": [{"message": {"thinking_blocks": [{"type": "thinking", "thinking": CANARY}]}}]},
    ("messages", "system"): {"system": CANARY},
    ("messages", "blocks"): {"system": [{"type": "text", "text": CANARY}]},
    ("messages", "use"): {"messages": [{"content": [{"type": "tool_use", "id": "1", "input": {"to": CANARY}}]}]},
    ("messages", "result"): {"messages": [{"content": [{"type": "tool_result", "content": [{"text": CANARY}]}]}]},
    ("messages", "document"): {"messages": [{"content": [{"source": {"type": "text", "data": CANARY}}]}]},
    ("messages", "tool"): {"tools": [{"name": "f", "input_schema": SCHEMA}]},
    ("messages", "answer"): {"content": [{"type": "thinking", "thinking": CANARY, "signature": "c2ln"}]},
    ("responses", "input"): {"input": CANARY},
    ("responses", "items"): {"input": [{"type": "message", "content": [{"type": "input_text", "text": CANARY}]}]},
    ("responses", "call"): {"input": [{"type": "function_call", "arguments": ARGUMENTS}]},
    ("responses", "result"): {"input": [{"type": "function_call_output", "call_id": "1", "output": CANARY}]},
    ("responses", "instructions"): {"instructions": CANARY},
    ("responses", "answer"): {"output": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": CANARY}]}]},
    ("embeddings", "one"): {"input": CANARY},
    ("embeddings", "several"): {"input": ["x", CANARY]},
}

FIXED: Mapping[tuple[Wire, str], dict[str, Any]] = {
    ("chat", "tool"): {"tools": [{"type": "function", "function": {"name": CANARY}}]},
    ("chat", "image"): {"messages": [{"content": [{"image_url": {"url": f"https://x/?q={CANARY}"}}]}]},
    ("chat", "data"): {"messages": [{"content": [{"image_url": {"url": f"data:text/plain;base64,{BLOB}"}}]}]},
    ("chat", "file"): {"messages": [{"content": [{"file": {"file_data": f"data:text/csv;base64,{BLOB}"}}]}]},
    ("chat", "model"): {"model": CANARY},
    ("messages", "url"): {"messages": [{"content": [{"source": {"type": "url", "url": f"https://x/{CANARY}"}}]}]},
    ("messages", "key"): {"metadata": {CANARY: 1}},
    ("responses", "image"): {"input": [{"content": [{"image_url": f"data:text/plain;base64,{BLOB}"}]}]},
    ("responses", "id"): {"input": [{"type": "function_call_output", "call_id": CANARY, "output": ""}]},
    ("embeddings", "user"): {"user": CANARY},
}


@pytest.mark.parametrize("case", REWRITTEN, ids="-".join)
def test_words_are_found_and_rewritten_where_they_stand(case: tuple[Wire, str]) -> None:
    message, grammar = REWRITTEN[case], GRAMMARS[case[0]]
    assert any(CANARY in each for each in lines(message, grammar))
    found = [place for place in places(message, grammar) if CANARY in place.carrier.text]
    assert found
    assert not any(place.carrier.fixed for place in found)
    changed = rewritten(message, {place.way: place.carrier.text.replace(CANARY, "[EMAIL]") for place in found})
    assert json.dumps(changed).replace("[EMAIL]", CANARY).replace('\\"', "").replace(" ", "") == json.dumps(
        message
    ).replace('\\"', "").replace(" ", "")
    assert CANARY not in json.dumps(changed)
    assert CANARY in json.dumps(message)


@pytest.mark.parametrize("case", FIXED, ids="-".join)
def test_what_means_something_as_it_is_is_found_and_stays(case: tuple[Wire, str]) -> None:
    message, grammar = FIXED[case], GRAMMARS[case[0]]
    assert any(CANARY in each for each in lines(message, grammar))
    found = [place for place in places(message, grammar) if CANARY in place.carrier.text]
    assert found
    assert all(place.carrier.fixed for place in found)


def test_base64_of_a_sound_is_looked_at_and_written_back() -> None:
    message = {"messages": [{"content": [{"type": "input_audio", "input_audio": {"data": BLOB, "format": "wav"}}]}]}
    (place,) = [each for each in places(message, GRAMMARS["chat"]) if CANARY in each.carrier.text]
    assert place.encoded


def test_arguments_that_are_no_json_are_looked_at_as_text() -> None:
    message = {"messages": [{"tool_calls": [{"function": {"arguments": '{"to": "' + CANARY}}]}]}
    (place,) = [each for each in places(message, GRAMMARS["chat"]) if CANARY in each.carrier.text]
    assert place.carrier.name == "arguments"
    assert not place.carrier.fixed


def test_keys_inside_arguments_say_something_of_their_values() -> None:
    message = {"messages": [{"tool_calls": [{"function": {"arguments": '{"password": "hunter22"}'}}]}]}
    assert "password: hunter22" in set(lines(message, GRAMMARS["chat"]))
    assert "password: hunter22" in {line(place.carrier) for place in places(message, GRAMMARS["chat"])}


def test_a_type_that_is_no_word_is_nobody_s_type() -> None:
    message = {"messages": [{"content": [{"type": ["text"], "data": BLOB}]}]}
    assert any(CANARY in each for each in lines(message, GRAMMARS["messages"]))


def test_what_is_told_of_tokens_goes_with_the_words() -> None:
    answer = {"choices": [{"message": {"content": "[EMAIL]"}, "logprobs": {"content": [{"token": CANARY}]}}]}
    assert CANARY not in json.dumps(without_logprobs(answer))
    response = {"output": [{"content": [{"text": "[EMAIL]", "logprobs": [{"token": CANARY}]}]}]}
    assert without_logprobs(response)["output"][0]["content"][0]["logprobs"] == []
