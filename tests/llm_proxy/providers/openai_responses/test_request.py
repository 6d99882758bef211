"""What goes to a provider of the responses API."""

import pytest
from hypothesis import given

from llm_proxy.completion.answer import Answer
from llm_proxy.completion.request import (
    Completion,
    Effort,
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
from llm_proxy.ingress.responses.dialect import Responses
from llm_proxy.providers.openai_responses.codec import OpenAIResponses
from mcp_gateway.core.errors import Invalid
from tests.llm_proxy.ingress.responses.values import answers

CODEC = OpenAIResponses()
HI = (Message("user", (Text("hi"),)),)


def test_the_shortest_request() -> None:
    assert CODEC.request(Completion(model="a/m", messages=HI), "m") == {
        "model": "m",
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
        "store": False,
    }


def test_a_request_with_everything_is_read_back_as_it_was() -> None:
    """The dialect of the same API reads what the codec writes."""
    completion = Completion(
        model="m",
        messages=(
            Message("system", (Text("Be brief."),)),
            Message(
                "user", (Text("What?"), Media("image/png", "aGk="), Media("application/pdf", "aGk=", name="a.pdf"))
            ),
            Message("assistant", (Text("A cat."), ToolUse("c1", "weather", '{"a":1}'))),
            Message("user", (ToolResult("c1", (Text("rain"), Media("image/png", "aGk="))),)),
        ),
        tools=(Tool("weather", "Tells", {"type": "object"}, True),),
        tool_choice=OneTool("weather"),
        parallel_tools=False,
        max_tokens=100,
        temperature=0.5,
        top_p=0.9,
        format=Format({"type": "object"}, "city", "A city", True),
        effort="low",
        user="u",
        stream=True,
    )
    assert Responses().read(CODEC.request(completion, "m")) == completion


@pytest.mark.parametrize(
    ("part", "item"),
    [
        (Media("image/*", url="https://a/b"), {"type": "input_image", "image_url": "https://a/b", "detail": "auto"}),
        (Media("audio/mpeg", "aGk="), {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}}),
        (Media("audio/x-wav", "aGk="), {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}),
        (Media("application/pdf", url="https://a/b"), {"type": "input_file", "file_url": "https://a/b"}),
        (
            Media("text/plain", "aGk="),
            {"type": "input_file", "filename": "file", "file_data": "data:text/plain;base64,aGk="},
        ),
    ],
)
def test_media(part: Part, item: dict[str, object]) -> None:
    body = CODEC.request(Completion(model="m", messages=(Message("user", (part,)),)), "m")
    assert body["input"][0]["content"] == [item]


def test_thoughts_go_only_with_a_proof_of_this_family() -> None:
    thoughts = (Reasoning("a", "openai:P"), Reasoning("b", "gemini:Q"), Reasoning("c", "R"), Reasoning("d"))
    body = CODEC.request(Completion(model="m", messages=(Message("assistant", thoughts),)), "m")
    summary = [{"type": "summary_text", "text": "a"}]
    assert body["input"] == [{"type": "reasoning", "summary": summary, "encrypted_content": "P"}]


@pytest.mark.parametrize(
    ("effort", "include"),
    [
        (None, None),
        ("none", None),
        ("minimal", ["reasoning.encrypted_content"]),
        ("high", ["reasoning.encrypted_content"]),
    ],
)
def test_proofs_are_asked_for_where_there_is_thinking(effort: Effort | None, include: list[str] | None) -> None:
    body = CODEC.request(Completion(model="m", messages=HI, effort=effort), "m")
    assert body.get("include") == include
    assert body.get("reasoning") == (None if effort is None else {"effort": effort})


def test_formats() -> None:
    body = CODEC.request(Completion(model="m", messages=HI, format=Format()), "m")
    assert body["text"] == {"format": {"type": "json_object"}}
    body = CODEC.request(Completion(model="m", messages=HI, format=Format({"type": "object"})), "m")
    assert body["text"] == {"format": {"type": "json_schema", "name": "answer", "schema": {"type": "object"}}}


def test_a_tool_that_is_not_strict_says_so() -> None:
    """This API takes a tool that says nothing for a strict one, and refuses most schemas then."""
    body = CODEC.request(Completion(model="m", messages=HI, tools=(Tool("now"),)), "m")
    assert body["tools"] == [
        {
            "type": "function",
            "name": "now",
            "description": None,
            "parameters": {"type": "object", "properties": {}},
            "strict": False,
        }
    ]


@pytest.mark.parametrize(
    ("completion", "pointer"),
    [
        (Completion(model="m", messages=HI, choices=2), "/n"),
        (Completion(model="m", messages=HI, stop=("x",)), "/stop"),
        (Completion(model="m", messages=(Message("user", (Media("audio/flac", "aGk="),)),)), "/messages"),
    ],
)
def test_what_cannot_be_said_is_refused(completion: Completion, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        CODEC.request(completion, "m")
    assert refused.value.pointer == pointer


@given(answers())
def test_an_answer_that_comes_back_in_the_next_request_is_the_same(answer: Answer) -> None:
    parts = answer.choices[0].parts
    body = CODEC.request(Completion(model="m", messages=(*HI, Message("assistant", parts))), "m")
    back = [part for message in Responses().read(body).messages[1:] for part in message.parts]
    assert back == [
        ToolUse(part.id, part.name, part.arguments or "{}") if isinstance(part, ToolUse) else part for part in parts
    ]
