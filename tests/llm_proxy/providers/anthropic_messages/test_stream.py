"""What is read of Anthropic's streams."""

import json as stdlib_json
from collections.abc import Sequence
from typing import Any

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
from llm_proxy.providers.anthropic_messages.codec import AnthropicMessages
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.core.sse import SseEvent
from mcp_gateway.core.strictjson import dumps
from tests.llm_proxy.ingress.messages.values import json

Json = dict[str, Any]

START: Json = {
    "type": "message_start",
    "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
        "usage": {"input_tokens": 5, "cache_read_input_tokens": 10, "output_tokens": 1},
    },
}  # fmt: skip
END: Json = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}}
STOP: Json = {"type": "message_stop"}
BEGUN = [Started("msg_1", "m"), Used(Usage(15, 1, 10))]
ENDED = [Used(Usage(15, 7, 10)), Finished(0, "stop")]


def begin(index: int, **block: Any) -> Json:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, **piece: Any) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": piece}


def stop(index: int) -> Json:
    return {"type": "content_block_stop", "index": index}


def read(*bodies: Json) -> list[Event]:
    reader = AnthropicMessages().reader()
    events = [said for body in bodies for said in reader.read(SseEvent(str(body.get("type")).encode(), dumps(body)))]
    return [*events, *reader.end()]


@pytest.mark.parametrize(
    ("bodies", "events"),
    [
        ([], []),
        (
            [
                begin(0, type="text", text=""),
                {"type": "ping"},
                delta(0, type="text_delta", text="a"),
                delta(0, type="citations_delta", citation={}),
                delta(0, type="text_delta", text="b"),
                stop(0),
            ],
            [TextPiece(0, "a"), TextPiece(0, "b")],
        ),
        (
            [
                begin(0, type="thinking", thinking="", signature=""),
                delta(0, type="thinking_delta", thinking="a"),
                delta(0, type="signature_delta", signature="p"),
                stop(0),
                begin(1, type="redacted_thinking", data="d"),
                stop(1),
            ],
            [ReasoningPiece(0, "a"), ReasoningPiece(0, "", "p"), ReasoningPiece(0, "", "", "d")],
        ),
        (
            [
                begin(0, type="text", text="at once"),
                stop(0),
                begin(1, type="tool_use", id="a", name="t", input={}),
                delta(1, type="input_json_delta", partial_json=""),
                delta(1, type="input_json_delta", partial_json='{"x":'),
                delta(1, type="input_json_delta", partial_json="1}"),
                stop(1),
                begin(2, type="tool_use", id="b", name="u", input={}),
                stop(2),
            ],
            [
                TextPiece(0, "at once"),
                ToolStarted(0, 0, "a", "t"),
                ToolPiece(0, 0, '{"x":'),
                ToolPiece(0, 0, "1}"),
                ToolStarted(0, 1, "b", "u"),
            ],
        ),
        (  # compatible servers may say all arguments at the start, and may not end their blocks
            [
                begin(0, type="tool_use", id="a", name="t", input={"x": 1}),
                stop(0),
                begin(1, type="tool_use", id="b", name="t", input={"y": 1}),
            ],
            [
                ToolStarted(0, 0, "a", "t"),
                ToolPiece(0, 0, '{"x":1}'),
                ToolStarted(0, 1, "b", "t"),
                ToolPiece(0, 1, '{"y":1}'),
            ],
        ),
        (
            [
                begin(0, type="server_tool_use", id="s", name="web_search", input={}),
                delta(0, type="input_json_delta", partial_json="{}"),
                stop(0),
                begin(1, type="of_tomorrow"),
                delta(1, type="of_tomorrow_delta"),
                stop(1),
                {"type": "of_tomorrow"},
            ],
            [],
        ),
    ],
)
def test_streams(bodies: Sequence[Json], events: list[Event]) -> None:
    said = read(START, *bodies, END, STOP)
    assert [event for event in said if not isinstance(event, Used | Started | Finished)] == events
    assert said[:2] == BEGUN
    assert (said[-1], [event for event in said if isinstance(event, Used)][-1]) == (ENDED[1], ENDED[0])


def test_the_last_word_on_usage_replaces_member_by_member() -> None:
    last = {**END, "usage": {"input_tokens": 6, "cache_read_input_tokens": None, "output_tokens": 7}}
    assert Used(Usage(16, 7, 10)) in read(START, last, STOP)


def test_nonsense_in_usage_is_no_usage() -> None:
    assert read(START, {**END, "usage": {"output_tokens": -1}}, STOP) == [*BEGUN, Finished(0, "stop")]


def test_a_stop_sequence() -> None:
    last = {**END, "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"}}
    assert read(START, last, STOP)[-1] == Finished(0, "stop", "END")


def test_errors_of_the_provider() -> None:
    with pytest.raises(StreamFault) as caught:
        read(START, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    assert caught.value.fault == Fault("overloaded", "overloaded_error")


TEXT = begin(0, type="text", text="")


@pytest.mark.parametrize(
    "bodies",
    [
        [],
        [START],
        [START, END],
        [START, STOP],
        [END, STOP],
        [TEXT, START, END, STOP],
        [START, START, END, STOP],
        [START, END, STOP, STOP],
        [START, END, STOP, TEXT],
        [{}],
        [{"type": 1}],
        [{"type": "message_start"}],
        [START, delta(0, type="text_delta", text="a")],
        [START, TEXT, TEXT],
        [START, TEXT, stop(0), delta(0, type="text_delta", text="a")],
        [START, stop(0)],
        [START, TEXT, delta(0, type="text_delta", text=1)],
        [START, TEXT, {"type": "content_block_delta", "index": 0}],
        [START, {"type": "content_block_start", "index": 0}],
        [START, {**TEXT, "index": "0"}],
        [START, {**TEXT, "index": True}],
        [START, begin(0, type="tool_use", name="t", input={})],
        [START, begin(0, type="tool_use", id="i", name="t", input="{}")],
    ],
)
def test_nonsense(bodies: Sequence[Json]) -> None:
    with pytest.raises(ProtocolViolation):
        read(*bodies)


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"type":"ping","type":"ping"}', b"\xff"])
def test_what_is_no_object(data: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        AnthropicMessages().reader().read(SseEvent(b"message", data))


@given(st.text(st.characters(codec="utf-8")), st.sampled_from((b"}}", b"}   }", b"} } ")))
def test_a_piece_of_text_is_the_same_in_any_spelling(text: str, closing: bytes) -> None:
    reader = AnthropicMessages().reader()
    for body in (START, begin(3, type="text", text="")):
        reader.read(SseEvent(b"", dumps(body)))
    usual = dumps(delta(3, type="text_delta", text=text)).removesuffix(b"}}") + closing
    other = stdlib_json.dumps(delta(3, type="text_delta", text=text)).encode()
    for data in (usual, other):
        assert list(reader.read(SseEvent(b"content_block_delta", data))) == [TextPiece(0, text)]


USUAL = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"'


@pytest.mark.parametrize(
    "rest",
    [b'a"}', b'a"}}}', b'a"', b"a", b'a"b"}}', b'\xff"}}', b'\\ud800"}}', b'a","text":"b"}}', b'\n"}}', b'a\\"}}', b""],
)
def test_the_usual_spelling_with_a_wrong_end(rest: bytes) -> None:
    reader = AnthropicMessages().reader()
    for body in (START, TEXT):
        reader.read(SseEvent(b"", dumps(body)))
    with pytest.raises(ProtocolViolation):
        reader.read(SseEvent(b"", USUAL + rest))


@pytest.mark.parametrize("after", [stop(0), END, STOP])
def test_the_usual_spelling_of_text_that_is_not_open(after: Json) -> None:
    reader = AnthropicMessages().reader()
    for body in (START, TEXT, END, stop(0), begin(1, type="thinking"), after)[: 4 if after == stop(0) else None]:
        reader.read(SseEvent(b"", dumps(body)))
    with pytest.raises(ProtocolViolation):
        reader.read(SseEvent(b"", USUAL + b'a"}}'))


def test_more_members_than_usual_are_passed_over() -> None:
    more = {**delta(0, type="text_delta", text="a"), "of_tomorrow": {"x": "}}"}}
    assert TextPiece(0, "a") in read(START, TEXT, more, END, STOP)


def test_an_event_without_data_says_nothing() -> None:
    assert list(AnthropicMessages().reader().read(SseEvent(b"ping", b""))) == []


KINDS = (
    "message_start", "message_delta", "message_stop", "content_block_start", "content_block_delta",
    "content_block_stop", "ping",
)  # fmt: skip
inner = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ("text", "tool_use", "thinking", "text_delta", "input_json_delta", "thinking_delta", "signature_delta")
        )
        | json
    },
    optional={
        key: st.just("x") | json
        for key in ("text", "thinking", "partial_json", "signature", "id", "name", "input", "stop_reason", "usage")
    },
)
bodies = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS) | json},
    optional={
        "index": st.integers(0, 2) | json, "content_block": inner | json, "delta": inner | json,
        "message": inner | json, "usage": json, "error": json,
    },
)  # fmt: skip


@given(st.booleans(), st.lists(bodies | json, max_size=8))
def test_whatever_comes_is_read_or_nonsense(started: bool, said: list[Any]) -> None:
    reader = AnthropicMessages().reader()
    if started:
        reader.read(SseEvent(b"message_start", dumps(START)))
    try:
        for body in said:
            reader.read(SseEvent(b"message", dumps(body)))
        reader.end()
    except (ProtocolViolation, StreamFault):
        pass
