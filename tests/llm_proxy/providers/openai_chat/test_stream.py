"""Streams of this family and of what is compatible with it."""

from __future__ import annotations

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
from llm_proxy.completion.fold import Fold
from llm_proxy.completion.wire import Fault, StreamFault
from llm_proxy.providers.openai_chat.codec import OpenAIChat
from llm_proxy.providers.openai_chat.stream import ChunkReader
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.core.sse import SseEvent
from tests.llm_proxy.hostile import json_with

STARTED = Started("i", "m", 3)


def event(value: Any, name: bytes = b"message") -> SseEvent:
    return SseEvent(name, value if isinstance(value, bytes) else orjson.dumps(value))


def chunk(*choices: Any, **more: Any) -> SseEvent:
    return event({"id": "i", "model": "m", "created": 3, "choices": list(choices), **more})


def delta(finish: str | None = None, index: int = 0, **said: Any) -> SseEvent:
    return chunk({"index": index, "delta": said, "finish_reason": finish})


def read(*events: SseEvent, end: bool = True) -> list[Event]:
    reader = OpenAIChat().reader()
    said = [one for event in events for one in reader.read(event)]
    return [*said, *reader.end()] if end else said


def test_a_stream_as_it_should_be() -> None:
    assert read(
        delta(role="assistant", content="", refusal=None),
        delta(content="Hel"),
        delta(content="lo"),
        delta("stop"),
        chunk(usage={"prompt_tokens": 1, "completion_tokens": 2}),
        event(b"[DONE]"),
        event(b"whatever"),
    ) == [
        STARTED,
        TextPiece(0, "Hel"),
        TextPiece(0, "lo"),
        Finished(0, "stop"),
        Used(Usage(1, 2)),
    ]


def test_what_compatible_servers_leave_out_or_add() -> None:
    """What was thought of the prompt in a chunk of its own, no `[DONE]`, usage in every chunk, an empty last delta."""
    told = {"prompt_tokens": 1, "completion_tokens": 1}
    assert read(
        event({"id": "", "choices": [], "prompt_filter_results": []}),
        event(b""),
        chunk({"delta": {"content": "a"}, "finish_reason": ""}, usage=told),
        chunk({"delta": {"content": ""}, "finish_reason": "eos", "stop_reason": "END"}, usage=None),
        delta(content="", role="assistant"),
        delta("stop"),
    ) == [STARTED, TextPiece(0, "a"), Used(Usage(1, 1)), Finished(0, "stop", "END")]


def call(index: int | None = 0, **more: Any) -> dict[str, Any]:
    return {**({} if index is None else {"index": index}), "type": "function", **more}


A, B = {"name": "a", "arguments": ""}, {"name": "b", "arguments": "{}"}
MORE = {"function": {"arguments": "{}"}}
LAST = call(1, id="2", function=B)


@pytest.mark.parametrize(
    "deltas",
    [
        # as OpenAI does
        [[call(0, id="1", function=A)], [call(0, **MORE)], [LAST]],
        # all at once
        [[call(0, id="1", function={**A, "arguments": "{}"}), LAST]],
        # every piece with id and name
        [[call(0, id="1", function=A)], [call(0, id="1", function={**A, "arguments": "{}"})], [LAST]],
        # all numbered 0
        [[call(0, id="1", function=A)], [call(0, **MORE)], [call(0, id="2", function=B)]],
        # none numbered
        [[call(None, id="1", function=A)], [call(None, **MORE)], [call(None, id="2", function=B)]],
        # the name after the id and after the first arguments
        [
            [call(0, id="1")],
            [call(0, function={"arguments": "{"})],
            [call(0, function={"name": "a", "arguments": "}"})],
            [LAST],
        ],
        # numbered from 1, and turn about
        [[call(1, id="1", function=A), call(2, id="2", function={"name": "b"})], [call(2, **MORE), call(1, **MORE)]],
    ],
)
def test_tool_calls_however_they_are_numbered(deltas: list[list[dict[str, Any]]]) -> None:
    said = read(*[delta(tool_calls=calls) for calls in deltas], delta("stop"))
    assert said[-1] == Finished(0, "tool_use")
    assert [one for one in said if isinstance(one, ToolStarted)] == [
        ToolStarted(0, 0, "1", "a"),
        ToolStarted(0, 1, "2", "b"),
    ]
    folded = Fold()
    for one in said:
        folded.add(one)
    assert [part.arguments for part in folded.answer().choices[0].parts] == ["{}", "{}"]  # type: ignore[union-attr]  # all are calls


def test_a_call_without_an_id_and_a_custom_one() -> None:
    custom = {"index": 1, "id": "c", "type": "custom", "custom": {"name": "b", "input": "x y"}}
    assert read(delta(tool_calls=[call(0, function=A), custom]), delta("tool_calls")) == [
        STARTED,
        ToolStarted(0, 0, "call_0_0", "a"),
        ToolStarted(0, 1, "c", "b"),
        ToolPiece(0, 1, "x y"),
        Finished(0, "tool_use"),
    ]


def test_thoughts_and_refusals() -> None:
    block = {"type": "thinking", "thinking": "hm", "signature": "s"}
    assert read(
        delta(reasoning_content="h"),
        delta(reasoning="m", content=""),
        delta(thinking_blocks=[block]),
        delta(thinking_blocks=[{**block, "thinking": "new"}, {"type": "redacted_thinking", "data": "r"}]),
        delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "x"}]}]),
        delta(refusal="no", content=None),
        delta("stop"),
    ) == [
        STARTED,
        ReasoningPiece(0, "h"),
        ReasoningPiece(0, "m"),
        ReasoningPiece(0, "", "s"),
        ReasoningPiece(0, "new", "s"),
        ReasoningPiece(0, "", "", "r"),
        ReasoningPiece(0, "x"),
        TextPiece(0, "no"),
        Finished(0, "filtered"),
    ]


def test_several_choices() -> None:
    said = read(delta(index=1, content="b"), delta(content="a"), delta("stop", 1), delta("length"))
    assert said == [STARTED, TextPiece(1, "b"), TextPiece(0, "a"), Finished(1, "stop"), Finished(0, "length")]


@pytest.mark.parametrize(
    "events",
    [
        [],
        [event(b"[DONE]")],
        [chunk()],
        [delta(content="a")],
        [delta(content="a"), event(b"[DONE]")],
        [delta("stop"), delta(index=1, content="a")],
        [delta("stop"), delta(content="a")],
        [delta(tool_calls=[call(0, id="1")]), delta("stop")],
        [delta(tool_calls=[call(0, id="1")]), delta(tool_calls=[call(0, id="2", function=A)]), delta("stop")],
        [delta(tool_calls=[call(5000, id="1", function=A)]), delta("stop")],
        [delta(tool_calls=[call(id=5, function=A)]), delta("stop")],
        [event(b'{"choices": [')],
        [event(b'{"a": 1, "a": 2}')],
        [event([1])],
        [chunk("x")],
        [chunk({"index": 128, "delta": {}})],
        [delta(content=5)],
        [delta(tool_calls={})],
    ],
)
def test_nonsense(events: list[SseEvent]) -> None:
    with pytest.raises(ProtocolViolation):
        read(*events)


@pytest.mark.parametrize(
    ("sent", "fault"),
    [
        (event({"error": {"code": 429, "message": "slow down"}}), Fault("rate_limit")),
        (event({"error": {"code": 502, "message": "x"}, "choices": []}), Fault("server")),
        (event({"message": "busy", "type": "overloaded_error"}, b"error"), Fault("overloaded", "overloaded_error")),
        (event({"error": "x"}), Fault("server")),
    ],
)
def test_errors_inside_a_stream(sent: SseEvent, fault: Fault) -> None:
    with pytest.raises(StreamFault) as caught:
        read(delta(content="a"), sent)
    assert caught.value.fault == fault


KEYS = (
    "delta", "index", "content", "tool_calls", "function", "id", "name", "arguments", "finish_reason", "usage", "role",
    "reasoning_content", "thinking_blocks", "type", "refusal", "error", "choices", "prompt_tokens", "custom", "input",
)  # fmt: skip
ANYTHING = json_with(KEYS, ("stop", "text", "thinking"))
CHOICE = st.fixed_dictionaries({"delta": ANYTHING}, optional={"index": st.integers(0, 2), "finish_reason": ANYTHING})
CHUNK = st.fixed_dictionaries({"choices": st.lists(CHOICE, max_size=2)}, optional={"usage": ANYTHING, "id": ANYTHING})


@given(st.lists(CHUNK | ANYTHING, max_size=5))
def test_any_json_makes_events_that_fold_or_a_violation(chunks: list[Any]) -> None:
    reader, folded = ChunkReader(), Fold()
    try:
        for one in chunks:
            for said in reader.read(event(one)):
                folded.add(said)
        for said in reader.end():
            folded.add(said)
    except (ProtocolViolation, StreamFault):
        return
    folded.answer()


@given(st.lists(st.binary(max_size=30), max_size=3))
def test_any_bytes_make_events_or_a_violation(datas: list[bytes]) -> None:
    try:
        read(*map(event, datas))
    except (ProtocolViolation, StreamFault):
        return
