"""A call of a tool that Gemini signed, through each dialect to a client and back with the tool's result."""

from typing import Any

import pytest

from llm_proxy.completion.answer import Answer
from llm_proxy.completion.dialect import Dialect
from llm_proxy.ingress.chat.dialect import Chat
from llm_proxy.ingress.messages.dialect import Messages
from llm_proxy.ingress.responses.dialect import Responses
from llm_proxy.providers.gemini.codec import Gemini

Json = dict[str, Any]
ANSWER: Json = {
    "responseId": "r",
    "modelVersion": "gemini-3-pro",
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [
                    {"text": "I should look.", "thought": True},
                    {"text": "Let me look."},
                    {"functionCall": {"name": "weather", "args": {"city": "Paris"}}, "thoughtSignature": "S"},
                    {"functionCall": {"name": "time", "args": {}}},
                ],
            },
            "finishReason": "STOP",
        }
    ],
}


def chat(asked: Json, answer: Json) -> Json:
    message = answer["choices"][0]["message"]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "ok"} for call in message["tool_calls"]]
    return {**asked, "messages": [*asked["messages"], message, *results]}


def messages(asked: Json, answer: Json) -> Json:
    calls = [block["id"] for block in answer["content"] if block["type"] == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": id, "content": "ok"} for id in calls]
    turns = [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": results}]
    return {**asked, "messages": [*asked["messages"], *turns]}


def responses(asked: Json, answer: Json) -> Json:
    calls = [item["call_id"] for item in answer["output"] if item["type"] == "function_call"]
    results = [{"type": "function_call_output", "call_id": id, "output": "ok"} for id in calls]
    return {**asked, "input": [*asked["input"], *answer["output"], *results]}


HI = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("dialect", "asked", "next_turn"),
    [
        (Chat(), {"model": "m", "messages": HI}, chat),
        (Messages(), {"model": "m", "messages": HI, "max_tokens": 99}, messages),
        (Responses(), {"model": "m", "input": HI}, responses),
    ],
)
def test_the_signature_comes_back_on_the_call(dialect: Dialect, asked: Json, next_turn: Any) -> None:
    answer: Answer = Gemini().answer(ANSWER)
    body = next_turn(asked, dialect.answer(answer, dialect.read(asked)))
    contents = Gemini().request(dialect.read(body), "gemini-3-pro")["contents"]
    assert [turn["role"] for turn in contents] == ["user", "model", "user"]
    said, first, second = contents[1]["parts"]
    assert said["text"] == "Let me look."
    assert (first["thoughtSignature"], first["functionCall"]["args"]) == ("S", {"city": "Paris"})
    assert "thoughtSignature" not in second
    results = [part["functionResponse"] for part in contents[2]["parts"]]
    assert [(one["id"], one["name"]) for one in results] == [
        (first["functionCall"]["id"], "weather"),
        (second["functionCall"]["id"], "time"),
    ]
    assert all(one["response"] == {"output": "ok"} for one in results)
