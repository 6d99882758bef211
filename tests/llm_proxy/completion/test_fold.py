"""Events and the answer they make."""

from __future__ import annotations

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
from llm_proxy.completion.fold import Fold, unfold
from llm_proxy.completion.request import Part, Reasoning, Text, ToolUse
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import ProtocolViolation

WORDS = st.text(min_size=1, max_size=8)
PARTS: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, WORDS),
    st.builds(Reasoning, WORDS, WORDS),
    st.builds(Reasoning, st.just(""), st.just(""), WORDS),
    st.builds(ToolUse, WORDS, WORDS, st.text(max_size=8)),
)
USAGES = st.builds(Usage, *[st.integers(0, 99)] * 5)


def joined(parts: list[Part]) -> tuple[Part, ...]:
    """Texts in a row are one, as no stream can tell them apart."""
    kept: list[Part] = []
    for part in parts:
        if isinstance(part, Text) and kept and isinstance(kept[-1], Text):
            kept[-1] = Text(kept[-1].text + part.text)
        else:
            kept.append(part)
    return tuple(kept)


CHOICES = st.builds(
    Choice,
    st.lists(PARTS, max_size=5).map(joined),
    st.sampled_from(("stop", "length", "tool_use", "filtered")),
    st.text(max_size=3),
)
ANSWERS = st.builds(
    Answer,
    WORDS,
    WORDS,
    st.lists(CHOICES, min_size=1, max_size=3).map(tuple),
    st.none() | USAGES,
    st.integers(0, 99),
)


def fold(events: list[Event]) -> Answer:
    folded = Fold()
    for event in events:
        folded.add(event)
    return folded.answer()


@given(ANSWERS)
def test_an_answer_is_what_its_events_make(answer: Answer) -> None:
    assert fold(list(unfold(answer))) == answer


@given(ANSWERS, st.randoms(use_true_random=False))
def test_however_choices_mix_and_pieces_are_cut(answer: Answer, random: object) -> None:
    """The order inside a choice is all that counts, and how much comes at once is nothing."""
    assert hasattr(random, "choice")
    lanes: dict[int, list[Event]] = {}
    others: list[Event] = []
    for event in unfold(answer):
        match event:
            case Started() | Used():
                others.append(event)
            case TextPiece(choice, text):
                lanes.setdefault(choice, []).extend(TextPiece(choice, letter) for letter in text)
            case ToolPiece(choice, call, arguments):
                lanes.setdefault(choice, []).extend(ToolPiece(choice, call, letter) for letter in arguments)
            case ReasoningPiece(choice, text, signature, "") if signature:
                lanes.setdefault(choice, []).extend(ReasoningPiece(choice, letter) for letter in text)
                lanes[choice].append(ReasoningPiece(choice, "", signature))
            case _:
                lanes.setdefault(event.choice, []).append(event)
    mixed = others[:1]
    while left := [lane for lane in lanes.values() if lane]:
        mixed.append(random.choice(left).pop(0))
    assert fold([*mixed, *others[1:]]) == answer


def test_calls_whose_arguments_come_in_turns() -> None:
    events: list[Event] = [
        Started("id", "model"),
        TextPiece(0, ""),
        ToolStarted(0, 0, "a", "first"),
        ToolPiece(0, 0, '{"x"'),
        ToolStarted(0, 1, "b", "second"),
        ToolPiece(0, 1, "{}"),
        ToolPiece(0, 0, ":1}"),
        Finished(0, "tool_use"),
        Used(Usage(1, 2)),
        Used(Usage(3, 4)),
    ]
    calls = (ToolUse("a", "first", '{"x":1}'), ToolUse("b", "second", "{}"))
    assert fold(events) == Answer("id", "model", (Choice(calls, "tool_use"),), Usage(3, 4))


START = Started("id", "model")
DONE = Finished(0, "stop")


@pytest.mark.parametrize(
    "events",
    [
        [],
        [TextPiece(0, "a"), DONE],
        [START, TextPiece(0, "a")],
        [START, TextPiece(1, "a"), DONE],
        [START, START, DONE],
        [START, DONE, DONE],
        [START, DONE, TextPiece(0, "a")],
        [START, ToolPiece(0, 0, "{}"), DONE],
        [START, ToolStarted(0, 0, "a", "f"), ToolStarted(0, 0, "a", "f"), DONE],
    ],
)
def test_what_makes_no_answer(events: list[Event]) -> None:
    with pytest.raises(ProtocolViolation):
        fold(events)
