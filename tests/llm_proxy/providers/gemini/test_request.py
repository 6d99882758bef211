"""What goes to Gemini."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    ToolChoice,
    ToolResult,
    ToolUse,
)
from llm_proxy.providers.gemini.codec import Gemini
from mcp_gateway.core.errors import Invalid
from mcp_gateway.core.strictjson import dumps

Json = dict[str, Any]
CODEC = Gemini()
HI = (Message("user", (Text("hi"),)),)
UNCHECKED = "skip_thought_signature_validator"


def test_the_shortest_request() -> None:
    assert CODEC.request(Completion(model="a/m", messages=HI), "m") == {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}]
    }


EVERYTHING = Completion(
    model="m",
    messages=(
        Message("system", (Text("Be brief."),)),
        Message("user", (Text("What?"), Media("image/png", "aGk="), Media("image/*", url="https://a/b"))),
        Message("system", (Text("In French."),)),
        Message("user", (Media("application/pdf", url="https://a/c"),)),
        Message("assistant", (Text("A cat."), ToolUse("c1", "weather", '{"a":1}'), ToolUse("c2", "time", ""))),
        Message("user", (ToolResult("c1", (Text("rain"), Media("image/png", "aGk="))),)),
        Message("user", (ToolResult("c2", (Text("no"), Text("clock")), failed=True), Text("So?"))),
    ),
    tools=(Tool("weather", "Tells", {"type": "object"}, True), Tool("time")),
    tool_choice="auto",
    parallel_tools=False,
    max_tokens=100,
    temperature=0,
    top_p=0.9,
    top_k=40,
    stop=("END",),
    seed=7,
    presence_penalty=0.1,
    frequency_penalty=0.2,
    choices=2,
    format=Format({"type": "object"}, "city", "A city", True),
    effort="low",
    user="u",
    stream=True,
)
EVERYTHING_SENT: Json = {
    "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "In French."}]},
    "contents": [
        {
            "role": "user",
            "parts": [
                {"text": "What?"},
                {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
                {"fileData": {"fileUri": "https://a/b"}},
                {"fileData": {"mimeType": "application/pdf", "fileUri": "https://a/c"}},
            ],
        },
        {
            "role": "model",
            "parts": [
                {"text": "A cat."},
                {"functionCall": {"id": "c1", "name": "weather", "args": {"a": 1}}, "thoughtSignature": UNCHECKED},
                {"functionCall": {"id": "c2", "name": "time", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "c1", "name": "weather", "response": {"output": "rain"}}},
                {"functionResponse": {"id": "c2", "name": "time", "response": {"error": "no\nclock"}}},
                {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
                {"text": "So?"},
            ],
        },
    ],
    "tools": [
        {
            "functionDeclarations": [
                {"name": "weather", "description": "Tells", "parametersJsonSchema": {"type": "object"}},
                {"name": "time"},
            ]
        }
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
    "generationConfig": {
        "maxOutputTokens": 100,
        "temperature": 0,
        "topP": 0.9,
        "topK": 40,
        "stopSequences": ["END"],
        "candidateCount": 2,
        "seed": 7,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object"},
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 1024},
    },
}


def test_a_request_with_everything() -> None:
    assert CODEC.request(EVERYTHING, "gemini-2.5-flash") == EVERYTHING_SENT


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        (OneTool("now"), {"mode": "ANY", "allowedFunctionNames": ["now"]}),
    ],
)
def test_which_tool_is_called(choice: ToolChoice, config: Json) -> None:
    body = CODEC.request(Completion(model="m", messages=HI, tools=(Tool("now"),), tool_choice=choice), "m")
    assert body["toolConfig"] == {"functionCallingConfig": config}
    assert "toolConfig" not in CODEC.request(Completion(model="m", messages=HI, tool_choice=choice), "m")


def test_sound_is_called_what_this_api_calls_it() -> None:
    messages = (Message("user", (Media("audio/mpeg", "aGk="), Media("audio/wav", "aGk="))),)
    parts = CODEC.request(Completion(model="m", messages=messages), "m")["contents"][0]["parts"]
    assert [part["inlineData"]["mimeType"] for part in parts] == ["audio/mp3", "audio/wav"]


def test_any_object_of_json() -> None:
    body = CODEC.request(Completion(model="m", messages=HI, format=Format()), "m")
    assert body["generationConfig"] == {"responseMimeType": "application/json"}


@pytest.mark.parametrize(
    ("model", "effort", "config"),
    [
        ("gemini-1.5-pro", "high", None),
        ("gemini-2.5-flash", None, None),
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128}),
        ("gemini-2.5-pro", "high", {"includeThoughts": True, "thinkingBudget": 24576}),
        ("gemini-2.5-flash-lite", "medium", {"includeThoughts": True, "thinkingBudget": 8192}),
        ("gemini-3-pro-preview", "none", {"thinkingLevel": "low"}),
        ("gemini-3-flash-preview", "none", {"thinkingLevel": "minimal"}),
        ("gemini-3-flash-preview", "minimal", {"includeThoughts": True, "thinkingLevel": "minimal"}),
        ("gemini-3.1-pro", "high", {"includeThoughts": True, "thinkingLevel": "high"}),
        ("tunedModels/mine", "medium", {"includeThoughts": True, "thinkingLevel": "medium"}),
    ],
)
def test_how_much_it_thinks(model: str, effort: Effort | None, config: Json | None) -> None:
    body = CODEC.request(Completion(model="m", messages=HI, effort=effort), model)
    assert body.get("generationConfig", {}).get("thinkingConfig") == config


@pytest.mark.parametrize(
    ("parts", "sent"),
    [
        # The signature that Gemini gave goes to the part behind the thought.
        (
            (Reasoning("hm", "gemini:S"), ToolUse("a", "f", "{}")),
            [{"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "S"}],
        ),
        ((Reasoning("hm", "gemini:S"), Text("hi")), [{"text": "hi", "thoughtSignature": "S"}]),
        ((Text("hi"), Reasoning("", "gemini:S")), [{"text": "hi"}, {"text": "", "thoughtSignature": "S"}]),
        # Only the first of several calls needs one.
        (
            (Reasoning("", "gemini:S"), ToolUse("a", "f", "{}"), ToolUse("b", "f", "{}")),
            [
                {"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "S"},
                {"functionCall": {"id": "b", "name": "f", "args": {}}},
            ],
        ),
        # Clients put what was thought in front: it is still the call's.
        (
            (Reasoning("", "gemini:T"), Reasoning("hm", "gemini:S"), Text("So"), ToolUse("a", "f", "{}")),
            [
                {"text": "So", "thoughtSignature": "T"},
                {"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "S"},
            ],
        ),
        # What others have signed, or nobody.
        (
            (Reasoning("hm", "openai:S"), Reasoning("hm", "S"), Reasoning("", redacted="X"), ToolUse("a", "f", "{}")),
            [{"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": UNCHECKED}],
        ),
        ((Reasoning("hm"), Text(""), Text("hi")), [{"text": "hi"}]),
    ],
)
def test_signatures_go_where_they_came_from(parts: tuple[Part, ...], sent: list[Json]) -> None:
    body = CODEC.request(Completion(model="m", messages=(*HI, Message("assistant", parts))), "m")
    assert body["contents"][1:] == [{"role": "model", "parts": sent}]


@pytest.mark.parametrize("arguments", ["{", "[1]", '{"a":1,"a":2}', "null", "NaN"])
def test_arguments_that_are_no_object_are_kept(arguments: str) -> None:
    messages = (*HI, Message("assistant", (ToolUse("a", "f", arguments),)))
    body = CODEC.request(Completion(model="m", messages=messages), "m")
    assert body["contents"][1]["parts"][0]["functionCall"]["args"] == {"INVALID_JSON": arguments}


@pytest.mark.parametrize(
    ("messages", "pointer"),
    [
        ((Message("system", (Text("x"),)),), "/messages"),
        ((Message("user", (Text(""),)),), "/messages"),
        ((*HI, Message("system", (Media("image/png", "aGk="),))), "/messages/1"),
        ((*HI, Message("user", (ToolResult("a", ()),))), "/messages/1"),
        ((*HI, Message("user", (ToolUse("a", "f", ""),))), "/messages/1"),
        ((*HI, Message("assistant", (Media("image/png", "aGk="),))), "/messages"),
    ],
)
def test_what_cannot_be_said_is_refused(messages: tuple[Message, ...], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        CODEC.request(Completion(model="m", messages=messages), "m")
    assert refused.value.pointer == pointer


def test_a_result_may_name_its_tool_itself() -> None:
    messages = (*HI, Message("user", (ToolResult("a", (Text("x"),), name="now"),)))
    body = CODEC.request(Completion(model="m", messages=messages), "m")
    assert body["contents"][0]["parts"][0]["functionResponse"]["name"] == "now"


words = st.text(st.characters(codec="utf-8"), max_size=6)
media = st.builds(Media, words, words, words, words)
parts = st.one_of(
    words.map(Text),
    media,
    st.builds(ToolUse, words, words, words),
    st.builds(ToolResult, words, st.lists(words.map(Text) | media, max_size=2).map(tuple), words, st.booleans()),
    st.builds(Reasoning, words, words.map("gemini:{}".format) | words, words),
)
messages = st.builds(Message, st.sampled_from(("system", "user", "assistant")), st.lists(parts, max_size=3).map(tuple))


@given(st.lists(messages, max_size=6).map(tuple))
def test_turns_alternate_and_hold_something(said: tuple[Message, ...]) -> None:
    try:
        body = CODEC.request(Completion(model="m", messages=said), "m")
    except Invalid:
        return
    roles = [turn["role"] for turn in body["contents"]]
    assert all(one != other for one, other in pairwise(roles))
    assert all(turn["parts"] for turn in body["contents"])
    dumps(body)
