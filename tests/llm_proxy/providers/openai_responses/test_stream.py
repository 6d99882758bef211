"""Streams of the responses API."""

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.completion.answer import (
    Event,
    Finished,
    ReasoningPiece,
    Started,
    TextPiece,
    ToolPiece,
    ToolStarted,
    Used,
)
from llm_proxy.completion.wire import Fault, StreamFault
from llm_proxy.providers.openai_responses.codec import OpenAIResponses
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.core.sse import SseEvent
from tests.llm_proxy.ingress.responses.values import json

Json = dict[str, Any]
CREATED: Json = {"type": "response.created", "response": {"id": "r", "model": "m", "created_at": 7}}
DONE: Json = {"type": "response.completed", "response": {"status": "completed", "usage": None}}


def read(*bodies: Json, ended: bool = True) -> list[Event]:
    reader = OpenAIResponses().reader()
    events: list[Event] = []
    for body in bodies:
        events += reader.read(SseEvent(b"message", orjson.dumps(body)))
    return [*events, *(reader.end() if ended else ())]


def event(kind: str, place: object = 0, **more: object) -> Json:
    return {"type": f"response.{kind}", "output_index": place, "item_id": "i", **more}


def call(id: str, arguments: str = "") -> Json:
    return {"type": "function_call", "call_id": id, "name": f"tool_{id}", "arguments": arguments}


def test_a_stream_with_everything() -> None:
    usage = {"input_tokens": 20, "output_tokens": 9}
    assert read(
        CREATED,
        {"type": "response.in_progress", "response": CREATED["response"]},
        event("output_item.added", item={"type": "reasoning", "summary": []}),
        event("reasoning_summary_part.added", summary_index=0, part={}),
        event("reasoning_summary_text.delta", delta="a"),
        event("reasoning_summary_part.added", summary_index=1, part={}),
        event("reasoning_summary_text.delta", delta="b"),
        event("output_item.done", item={"type": "reasoning", "summary": [{"text": "a"}], "encrypted_content": "P"}),
        event("output_text.delta", 1, delta="Hi"),
        event("refusal.delta", 1, delta="!"),
        event("something.new", 1, anything=[1]),
        event("output_item.added", 2, item=call("a")),
        event("output_item.added", 5, item=call("b")),
        event("function_call_arguments.delta", 5, delta="{"),
        event("function_call_arguments.delta", 2, delta="[]"),
        event("function_call_arguments.delta", 5, delta="}"),
        event("function_call_arguments.done", 5, arguments="{}"),
        event("output_item.done", 5, item=call("b", "{}")),
        {**DONE, "response": {"status": "completed", "usage": usage}},
    ) == [
        Started("r", "m", 7),
        ReasoningPiece(0, "a"),
        ReasoningPiece(0, "\n\n"),
        ReasoningPiece(0, "b"),
        ReasoningPiece(0, "", "openai:P"),
        TextPiece(0, "Hi"),
        TextPiece(0, "!"),
        ToolStarted(0, 0, "a", "tool_a"),
        ToolStarted(0, 1, "b", "tool_b"),
        ToolPiece(0, 1, "{"),
        ToolPiece(0, 0, "[]"),
        ToolPiece(0, 1, "}"),
        Finished(0, "tool_use"),
        Used(Usage(20, 9)),
    ]


def test_items_that_come_whole_are_read_once() -> None:
    """Compatible servers leave out the pieces."""
    assert read(
        CREATED,
        event("output_item.done", item={"type": "reasoning", "summary": [{"text": "a"}]}),
        event("output_item.done", 1, item=call("a", "{}")),
        event("output_item.added", 2, item=call("b")),
        event("output_item.done", 2, item=call("b", "[]")),
        DONE,
    ) == [
        Started("r", "m", 7),
        ReasoningPiece(0, "a"),
        ToolStarted(0, 0, "a", "tool_a"),
        ToolPiece(0, 0, "{}"),
        ToolStarted(0, 1, "b", "tool_b"),
        ToolPiece(0, 1, "[]"),
        Finished(0, "tool_use"),
    ]


def test_an_answer_that_was_cut_off() -> None:
    response = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    assert read(CREATED, {"type": "response.incomplete", "response": response})[-1] == Finished(0, "length")


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (
            {"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "x"}}},
            Fault("rate_limit", "rate_limit_exceeded"),
        ),
        ({"type": "response.failed"}, Fault("server")),
        ({"type": "error", "code": "server_error", "message": "x"}, Fault("server", "server_error")),
        (
            {"type": "error", "error": {"code": "context_length_exceeded"}},
            Fault("context_window", "context_length_exceeded"),
        ),
    ],
)
def test_the_provider_fails(body: Json, fault: Fault) -> None:
    with pytest.raises(StreamFault) as failed:
        read(CREATED, body)
    assert failed.value.fault == fault


@pytest.mark.parametrize(
    "bodies",
    [
        (),
        (CREATED,),
        (DONE,),
        (CREATED, DONE, event("output_text.delta", delta="more")),
        (CREATED, DONE, DONE),
        (CREATED, event("function_call_arguments.delta", 3, delta="{}")),
        (CREATED, event("output_item.added", item=call("a")), event("output_item.added", item=call("b"))),
        (CREATED, event("output_text.delta", delta=5)),
        (CREATED, event("output_text.delta", place=None, delta="x")),
        (CREATED, event("output_item.added", item=[])),
        ({"type": "response.created"},),
        ({"type": 7},),
    ],
)
def test_nonsense_is_a_violation(bodies: tuple[Json, ...]) -> None:
    with pytest.raises(ProtocolViolation):
        read(*bodies)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'"x"', b'{"type":"a","type":"b"}'])
def test_what_is_no_object_is_a_violation(data: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        OpenAIResponses().reader().read(SseEvent(b"message", data))


def test_the_end_that_other_dialects_have_says_nothing() -> None:
    assert OpenAIResponses().reader().read(SseEvent(b"message", b"[DONE]")) == ()


KINDS = (
    "created",
    "failed",
    "completed",
    "incomplete",
    "output_text.delta",
    "reasoning_summary_text.delta",
    "reasoning_summary_part.added",
    "function_call_arguments.delta",
    "output_item.added",
    "output_item.done",
)
ITEM = st.fixed_dictionaries(
    {"type": st.sampled_from(("function_call", "reasoning", "message"))},
    optional={"call_id": json, "name": json, "arguments": json, "summary": json, "encrypted_content": json},
)
ANY = st.fixed_dictionaries(
    {"type": st.sampled_from([f"response.{kind}" for kind in KINDS]) | json},
    optional={
        "response": st.just(DONE["response"]) | json,
        "item": ITEM | json,
        "delta": st.text(st.characters(codec="utf-8")) | json,
        "output_index": st.integers(0, 3) | json,
    },
)


@given(st.lists(ANY, max_size=8), st.booleans())
def test_any_events_are_read_or_refused(bodies: list[Json], begun: bool) -> None:
    with suppress(ProtocolViolation, StreamFault):
        assert all(isinstance(one, tuple) for one in read(*([CREATED] if begun else []), *bodies))
