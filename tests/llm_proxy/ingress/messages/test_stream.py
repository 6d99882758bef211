"""The order of the events in a streamed message."""

import pytest

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
from llm_proxy.ingress.messages.dialect import Messages
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.core.strictjson import dumps
from tests.llm_proxy.ingress.messages.values import ASKED, types_of

DELTA, STOP = "content_block_delta", "content_block_stop"
TEXT, THINKING, SEALED, TOOL = (
    f"content_block_start {kind}" for kind in ("text", "thinking", "redacted_thinking", "tool_use")
)


def types(*events: Event) -> list[str]:
    writer = Messages().writer(ASKED)
    said = types_of(b"".join([writer.write(event) for event in (Started("i", "m"), *events)]) + writer.end())
    assert (said[0], said[-2:]) == ("message_start", ["message_delta", "message_stop"])
    return said[1:-2]


STOPPED = Finished(0, "stop")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((STOPPED,), []),
        ((TextPiece(0, ""), STOPPED), []),
        ((TextPiece(0, "a"), TextPiece(0, "b"), STOPPED), [TEXT, DELTA, DELTA, STOP]),
        (
            (TextPiece(0, "a"), ReasoningPiece(0, "b"), TextPiece(0, "c"), STOPPED),
            [TEXT, DELTA, STOP, THINKING, DELTA, STOP, TEXT, DELTA, STOP],
        ),
        (  # a proof ends a thought
            (ReasoningPiece(0, "a", "p"), ReasoningPiece(0, "b"), ReasoningPiece(0, "", "p"), STOPPED),
            [THINKING, DELTA, DELTA, STOP, THINKING, DELTA, DELTA, STOP],
        ),
        ((ReasoningPiece(0, "", "p"), STOPPED), [THINKING, DELTA, STOP]),
        ((ReasoningPiece(0, "a"), ReasoningPiece(0, "", "", "d"), STOPPED), [THINKING, DELTA, STOP, SEALED, STOP]),
        (
            (ToolStarted(0, 0, "a", "t"), ToolPiece(0, 0, "{}"), ToolStarted(0, 1, "b", "t"), STOPPED),
            [TOOL, DELTA, STOP, TOOL, STOP],
        ),
        (
            (ToolStarted(0, 0, "a", "t"), TextPiece(0, "x"), ToolPiece(0, 0, "{"), ToolPiece(0, 0, "}"), STOPPED),
            [TOOL, DELTA, DELTA, STOP, TEXT, DELTA, STOP],
        ),
        ((TextPiece(0, "a"), STOPPED, Used(Usage(1, 1))), [TEXT, DELTA, STOP]),
        ((ToolStarted(0, 0, "a", "t"), ToolPiece(0, 0, "{}"), TextPiece(0, "x"), ToolPiece(0, 0, " "), STOPPED),
         [TOOL, DELTA, STOP, TEXT, DELTA, STOP]),
    ],
)  # fmt: skip
def test_blocks_follow_each_other(events: tuple[Event, ...], expected: list[str]) -> None:
    assert types(*events) == expected


def test_a_call_whose_predecessor_is_complete_is_not_held_back() -> None:
    writer = Messages().writer(ASKED)
    for event in (Started("i", "m"), ToolStarted(0, 0, "a", "t"), ToolPiece(0, 0, '{"x": 1}')):
        writer.write(event)
    assert b'"id":"b"' in writer.write(ToolStarted(0, 1, "b", "t"))
    assert rb"{\"y" in writer.write(ToolPiece(0, 1, '{"y'))


@pytest.mark.parametrize("call", [0, 7])
def test_arguments_of_a_call_that_is_not_open(call: int) -> None:
    writer = Messages().writer(ASKED)
    for event in (Started("i", "m"), ToolStarted(0, 0, "a", "t"), ToolPiece(0, 0, "{}"), TextPiece(0, "x")):
        writer.write(event)
    with pytest.raises(ProtocolViolation):
        writer.write(ToolPiece(0, call, "more"))


@pytest.mark.parametrize(
    ("finished", "reason", "stop"),
    [
        (Finished(0, "stop"), "end_turn", None),
        (Finished(0, "stop", "END"), "stop_sequence", "END"),
        (Finished(0, "length"), "max_tokens", None),
        (Finished(0, "tool_use"), "tool_use", None),
        (Finished(0, "filtered"), "refusal", None),
    ],
)
def test_why_it_ended(finished: Finished, reason: str, stop: str | None) -> None:
    writer = Messages().writer(ASKED)
    writer.write(Started("i", ""))
    writer.write(finished)
    said = dumps({"stop_reason": reason, "stop_sequence": stop})[1:-1]
    assert said in writer.end()


def test_without_a_model_of_the_provider_the_one_that_was_asked_for_is_told() -> None:
    assert b'"model":"m"' in Messages().writer(ASKED).write(Started("i", ""))


def test_a_stream_that_is_passed_on_keeps_its_usage() -> None:
    assert Messages().without_usage(b'{"usage":{}}') == b'{"usage":{}}'
