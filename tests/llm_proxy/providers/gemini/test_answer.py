"""What Gemini answers, whole and in pieces."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.completion.answer import (
    Answer,
    Choice,
    Event,
    Finished,
    ReasoningPiece,
    Started,
    TextPiece,
    ToolPiece,
    ToolStarted,
    Used,
)
from llm_proxy.completion.fold import Fold
from llm_proxy.completion.request import Completion, Message, Reasoning, Text, ToolUse
from llm_proxy.completion.wire import Fault, StreamFault
from llm_proxy.providers.gemini.codec import Gemini
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.core.sse import SseDecoder, SseEvent, encode_event
from tests.llm_proxy.ingress.responses.values import json

Json = dict[str, Any]
CODEC = Gemini()
USAGE: Json = {
    "promptTokenCount": 20,
    "toolUsePromptTokenCount": 2,
    "candidatesTokenCount": 9,
    "thoughtsTokenCount": 5,
    "cachedContentTokenCount": 4,
    "totalTokenCount": 36,
}


def candidate(*parts: Json, finish: str | None = "STOP", **more: object) -> Json:
    said: Json = {"content": {"role": "model", "parts": list(parts)}, **more}
    return said if finish is None else {**said, "finishReason": finish}


def body(*candidates: Json, **more: object) -> Json:
    return {"candidates": list(candidates), "modelVersion": "gemini-x", "responseId": "r", **more}


def call(name: str, id: str = "", **args: object) -> Json:
    return {"functionCall": {"name": name, "args": args, **({"id": id} if id else {})}}


def read(*bodies: Json) -> list[Event]:
    """The events of a stream of these pieces."""
    reader = CODEC.reader()
    stream = b"".join(encode_event(orjson.dumps(one)) for one in bodies)
    events = [event for raw in SseDecoder().feed(stream) for event in reader.read(raw)]
    return [*events, *reader.end()]


def folded(events: list[Event]) -> Answer:
    fold = Fold()
    for event in events:
        fold.add(event)
    return fold.answer()


def test_an_answer_with_everything() -> None:
    said = body(
        candidate(
            {"text": "hm", "thought": True},
            {"text": "It is "},
            {"text": "raining"},
            {**call("weather", "c1", city="Paris"), "thoughtSignature": "S"},
            call("time", "c2"),
            index=0,
        ),
        usageMetadata=USAGE,
    )
    parts = (
        Reasoning("hm"),
        Text("It is raining"),
        Reasoning("", "gemini:S"),
        ToolUse("c1", "weather", '{"city":"Paris"}'),
        ToolUse("c2", "time", "{}"),
    )
    usage = Usage(22, 14, 4, 0, 5)
    assert CODEC.answer(said) == Answer("r", "gemini-x", (Choice(parts, "tool_use"),), usage)
    assert CODEC.usage(said) == usage


def test_a_stream() -> None:
    assert read(
        body(candidate({"text": "hm", "thought": True}, finish=None), usageMetadata={"promptTokenCount": 20}),
        body(candidate({"text": "Hi"}, finish=None), usageMetadata={"promptTokenCount": 20}),
        body(candidate(call("time", "c1"), finish=None)),
        body(candidate({"text": "", "thoughtSignature": "S"}), usageMetadata=USAGE),
        body(candidate({"text": ""})),
    ) == [
        Started("r", "gemini-x"),
        ReasoningPiece(0, "hm"),
        Used(Usage(20)),
        TextPiece(0, "Hi"),
        ToolStarted(0, 0, "c1", "time"),
        ToolPiece(0, 0, "{}"),
        ReasoningPiece(0, "", "gemini:S"),
        Used(Usage(22, 14, 4, 0, 5)),
        Finished(0, "tool_use"),
    ]


def test_several_candidates() -> None:
    said = body(candidate({"text": "b"}, index=1, finish="MAX_TOKENS"), candidate({"text": "a"}, index=0))
    assert CODEC.answer(said).choices == (Choice((Text("a"),), "stop"), Choice((Text("b"),), "length"))


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "filtered"),
        ("RECITATION", "filtered"),
        ("PROHIBITED_CONTENT", "filtered"),
        ("MODEL_ARMOR", "filtered"),
        ("OTHER", "stop"),
        ("NEW_REASON", "stop"),
    ],
)
def test_why_it_ended(reason: str, finish: str) -> None:
    assert CODEC.answer(body(candidate({"text": "x"}, finish=reason))).choices[0].finish == finish


def test_an_unknown_end_without_a_word_was_a_filter() -> None:
    assert CODEC.answer(body({"finishReason": "OTHER"})).choices == (Choice((), "filtered"),)


def test_a_prompt_that_was_blocked() -> None:
    said = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 7}}
    assert CODEC.answer(said) == Answer("", "", (Choice((), "filtered"),), Usage(7))
    assert read(said)[-1] == Finished(0, "filtered")


def test_ids_that_the_model_does_not_give_are_made() -> None:
    """The same for the same answer, whole or in pieces; others for other calls and for other answers."""
    calls = (call("f", a=1), call("f", a=1), call("g"))
    whole = CODEC.answer(body(candidate(*calls), candidate(*calls, index=1)))
    again = folded(
        read(
            body(candidate(calls[0], finish=None), candidate(*calls, index=1)),
            body(candidate(calls[1], finish=None)),
            body(candidate(calls[2])),
        )
    )
    assert again == whole
    ids = [part.id for choice in whole.choices for part in choice.parts if isinstance(part, ToolUse)]
    other = CODEC.answer({**body(candidate(*calls)), "responseId": "s"})
    ids += [part.id for part in other.choices[0].parts if isinstance(part, ToolUse)]
    assert len(set(ids)) == 9
    assert all(id.startswith("call_") and len(id) <= 40 and id.replace("_", "").isalnum() for id in ids)


def test_what_was_signed_comes_back_where_it_was() -> None:
    parts = (
        {"text": "hm", "thought": True},
        {"text": "So", "thoughtSignature": "T"},
        {**call("f", "c1"), "thoughtSignature": "S"},
        call("g", "c2"),
    )
    choice = CODEC.answer(body(candidate(*parts))).choices[0]
    asked = Completion(model="m", messages=(Message("user", (Text("hi"),)), Message("assistant", choice.parts)))
    assert CODEC.request(asked, "m")["contents"][1]["parts"] == list(parts[1:])


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"candidates": []},
        {"candidates": {}},
        {"candidates": [[]]},
        body(candidate({"text": "x"}, finish=None)),
        body(candidate({"text": 5})),
        body(candidate({"text": "x"}, index=-1)),
        body(candidate({"text": "x"}, index=10**9)),
        body(candidate({"text": "x"}, index=True)),
        body(candidate({"functionCall": "f"})),
        body(candidate({"functionCall": {"name": "f", "args": [1]}})),
        body(candidate({"functionCall": {"name": ["f"]}})),
        body(candidate({"inlineData": {"mimeType": "image/png", "data": "aGk="}})),
        body(candidate({"executableCode": {"code": "secret"}})),
        body({"content": "x", "finishReason": "STOP"}),
        body({"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "secret"}),
        body({"finishReason": ["STOP"]}),
        body(candidate({"text": "x"}), responseId=5),
        {"promptFeedback": "SAFETY"},
        {"error": {"code": 500, "message": "secret"}},
    ],
)
def test_nonsense_is_a_violation_that_quotes_nothing(said: Json) -> None:
    with pytest.raises(ProtocolViolation) as violated:
        CODEC.answer(said)
    assert "secret" not in violated.value.message


def test_a_stream_that_is_cut_off() -> None:
    with pytest.raises(ProtocolViolation):
        read(body(candidate({"text": "x"}, finish=None)))
    with pytest.raises(ProtocolViolation):
        read()


def test_an_error_inside_a_stream() -> None:
    error = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "The model is overloaded."}}
    with pytest.raises(StreamFault) as failed:
        read(body(candidate({"text": "x"}, finish=None)), error)
    assert failed.value.fault == Fault("overloaded", "unavailable")


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        [],
        {"promptTokenCount": -1, "candidatesTokenCount": 2},
        {"promptTokenCount": 1, "thoughtsTokenCount": "many"},
        {"candidatesTokenCount": 1.5},
        {"promptTokenCount": 10**12},
    ],
)
def test_usage_that_is_none(usage: object) -> None:
    assert CODEC.answer(body(candidate({"text": "x"}), usageMetadata=usage)).usage is None


@pytest.mark.parametrize(
    ("status", "error", "fault"),
    [
        (429, {"status": "RESOURCE_EXHAUSTED"}, Fault("rate_limit", "resource_exhausted")),
        (503, {"status": "UNAVAILABLE"}, Fault("overloaded", "unavailable")),
        (403, {"status": "PERMISSION_DENIED"}, Fault("authentication", "permission_denied")),
        (500, {"status": "INTERNAL"}, Fault("server", "internal")),
        (
            400,
            {
                "status": "INVALID_ARGUMENT",
                "message": "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576).",
            },
            Fault("context_window", "invalid_argument"),
        ),
        (
            400,
            {
                "status": "INVALID_ARGUMENT",
                "message": "API key not valid. Please pass a valid API key.",
                "details": [{"@type": "x"}, {"reason": "API_KEY_INVALID"}],
            },
            Fault("authentication", "api_key_invalid"),
        ),
        (400, {"status": "INVALID_ARGUMENT", "message": "no"}, Fault("invalid", "invalid_argument")),
        (418, {"status": "SECRET_STATUS"}, Fault("invalid")),
        (502, {}, Fault("server")),
        (0, {"code": 429}, Fault("rate_limit")),
    ],
)
def test_what_errors_mean(status: int, error: Json, fault: Fault) -> None:
    assert CODEC.fault(status, {"error": error}) == CODEC.fault(status, [{"error": error}]) == fault


def test_an_error_without_a_body() -> None:
    assert CODEC.fault(429, None) == Fault("rate_limit")
    assert CODEC.fault(504, "<html>") == Fault("server")


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-2.5-flash", "/v1beta/models/gemini-2.5-flash"),
        ("models/gemini-2.5-flash", "/v1beta/models/gemini-2.5-flash"),
        ("tunedModels/mine", "/v1beta/tunedModels/mine"),
        ("../secrets?x=#", "/v1beta/models/..%2Fsecrets%3Fx%3D%23"),
        ("a:b", "/v1beta/models/a%3Ab"),
    ],
)
def test_where_it_is_sent(model: str, path: str) -> None:
    assert CODEC.path(model, stream=False) == f"{path}:generateContent"
    assert CODEC.path(model, stream=True) == f"{path}:streamGenerateContent?alt=sse"


def test_the_key_goes_in_a_header() -> None:
    assert CODEC.headers("k") == (("x-goog-api-key", "k"),)
    assert CODEC.headers(None) == ()


PART = st.fixed_dictionaries(
    {},
    optional={
        "text": json,
        "thought": st.booleans() | json,
        "thoughtSignature": json,
        "functionCall": st.fixed_dictionaries({"name": json}, optional={"args": json, "id": json}) | json,
        "inlineData": json,
    },
)
CANDIDATE = st.fixed_dictionaries(
    {},
    optional={
        "index": st.integers(-1, 3) | json,
        "content": st.fixed_dictionaries({"parts": st.lists(PART | json, max_size=3) | json}) | json,
        "finishReason": st.sampled_from(("STOP", "SAFETY", "OTHER", "MALFORMED_FUNCTION_CALL")) | json,
    },
)
BODY = st.fixed_dictionaries(
    {},
    optional={
        "candidates": st.lists(CANDIDATE | json, max_size=3) | json,
        "usageMetadata": st.dictionaries(st.sampled_from(list(USAGE)), json) | json,
        "promptFeedback": st.fixed_dictionaries({"blockReason": json}) | json,
        "responseId": json,
        "error": json,
    },
)


@given(st.lists(BODY, max_size=4))
def test_any_json_is_an_answer_or_a_violation(bodies: list[Json]) -> None:
    for said in bodies:
        CODEC.usage(said)
        CODEC.fault(500, said)
        with suppress(ProtocolViolation):
            assert CODEC.answer(said).choices
    with suppress(ProtocolViolation, StreamFault):
        assert read(*bodies)


words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
said_parts = st.one_of(
    words.map(lambda text: {"text": text}),
    words.map(lambda text: {"text": text, "thought": True}),
    st.builds(lambda text, proof: {"text": text, "thoughtSignature": proof}, words, words),
    st.builds(call, words, st.just("") | words),
    st.builds(lambda name, proof: {**call(name), "thoughtSignature": proof}, words, words),
)


@given(st.lists(said_parts, min_size=1, max_size=8), st.sampled_from(("STOP", "MAX_TOKENS", "SAFETY")), st.data())
def test_a_stream_says_what_a_whole_answer_says(parts: list[Json], reason: str, data: st.DataObject) -> None:
    """However the parts are spread over pieces, and texts over parts, and wherever the bytes are cut."""
    whole = CODEC.answer(body(candidate(*parts, finish=reason), usageMetadata=USAGE))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(parts)))))
    pieces = [parts[start:end] for start, end in zip([0, *cuts], [*cuts, len(parts)], strict=True)]
    bodies = [body(candidate(*piece, finish=None), usageMetadata={"promptTokenCount": 20}) for piece in pieces]
    bodies.append(body(candidate({"text": ""}, finish=reason), usageMetadata=USAGE))
    stream = b"".join(encode_event(orjson.dumps(one)) for one in bodies)
    cut = data.draw(st.integers(0, len(stream)))
    decoder, reader = SseDecoder(), CODEC.reader()
    raw: list[SseEvent] = [*decoder.feed(stream[:cut]), *decoder.feed(stream[cut:])]
    events = [event for one in raw for event in reader.read(one)]
    answer = folded([*events, *reader.end()])
    assert answer == replace(whole, usage=answer.usage)
    assert answer.usage == whole.usage
