"""What leaves of a stream that is looked at: the same for every cut, and nothing of what was found."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_proxy.completion.answer import Event, Finished, ReasoningPiece, Started, TextPiece, ToolPiece, ToolStarted
from llm_proxy.guarding.grammars import CHANNELS, Channels
from llm_proxy.guarding.held import Held
from llm_proxy.guarding.running import Running, streaming
from mcp_gateway.core.circuit import Circuit
from mcp_gateway.core.errors import Blocked
from mcp_gateway.envelopes.safety.content import Carrier
from mcp_gateway.envelopes.safety.detectors.pii import Pii
from mcp_gateway.envelopes.safety.detectors.secrets import Secrets
from mcp_gateway.envelopes.safety.examine_texts import ExamineTexts
from mcp_gateway.envelopes.safety.finding import Detector, Finding, Rest, no_rest
from mcp_gateway.envelopes.safety.gate import refusal
from mcp_gateway.envelopes.safety.guard import Guard
from mcp_gateway.envelopes.safety.rules import Chosen
from mcp_gateway.envelopes.safety.scan import redact
from mcp_gateway.envelopes.safety.verdict import Action, Hook, Mode, Operation

CARD = "4111 1111 1111 1111"
SECRET = "AKIA" + "IOSFODNN7EXAMPLQ"
TEXTS = st.lists(
    st.sampled_from([CARD, SECRET, "a@example.com", "word", "Zürich,", "\n", ".", "x" * 700, "words " * 200]),
    max_size=12,
).map(" ".join)
CUTS = st.lists(st.integers(1, 900), max_size=12)
NAMES = st.sampled_from([CHANNELS["chat"], CHANNELS["messages"], CHANNELS["responses"]])


class Breaks:
    """A detector that fails at what has an exclamation mark."""

    name = "breaks"
    longest = 8

    def find(self, text: str, rest: Rest = no_rest) -> Sequence[Finding]:
        if "!" in text:
            raise RuntimeError
        return ()


def chosen(detector: Detector, operation: Operation = Operation.MUTATE, mode: Mode = Mode.ENFORCE) -> Chosen:
    return Chosen(Guard("g/one", operation, mode, 1, 5.0, ExamineTexts(detector), Circuit()))


class Review:
    """Lets the held tail pass, and keeps what was told."""

    def __init__(self) -> None:
        self.held: Sequence[Event] = ()
        self.actions: list[Action] = []

    async def __call__(self, chosen: Sequence[Chosen], events: Sequence[Event]) -> Sequence[Event]:
        self.held = events
        return events

    def told(self, running: Sequence[Running]) -> None:
        judgements = [each.judged() for each in running]
        self.actions = [judgement.action for judgement in judgements]
        for judgement in judgements:
            if judgement.action is Action.BLOCK:
                raise refusal(Hook.LLM_OUTPUT, [each.chosen for each in running], judgement)


def run(events: Sequence[Event], guards: Sequence[Chosen], names: Channels) -> tuple[list[Event], bool, Review]:
    """What leaves, and whether it was blocked."""
    review = Review()
    running = []
    for each in guards:
        examine = streaming(each.guard, (names.text, names.thought))
        assert examine is not None
        running.append(Running(each, examine))
    held = Held(review, guards, running, names, whole=False)
    left: list[Event] = []
    try:
        for event in events:
            left += held.see(event)
            if held.refused is not None:
                assert held.see(event) == ()
                return left, True, review
        left += asyncio.run(held.end())
    except Blocked:
        return left, True, review
    return left, False, review


def pieces(text: str, cuts: Sequence[int]) -> list[str]:
    cut = []
    for size in cuts:
        cut.append(text[:size])
        text = text[size:]
    return [piece for piece in [*cut, text] if piece]


def stream(said: str, thought: str, cuts: Sequence[int], *, choice: int = 0) -> list[Event]:
    return [
        Started("id", "m"),
        *(ReasoningPiece(choice, piece) for piece in pieces(thought, cuts)),
        *(TextPiece(choice, piece) for piece in pieces(said, cuts)),
        Finished(choice, "stop"),
    ]


def words(events: Sequence[Event]) -> tuple[str, str]:
    said = "".join(event.text for event in events if isinstance(event, TextPiece))
    return said, "".join(event.text for event in events if isinstance(event, ReasoningPiece))


def whole(text: str, name: str, guard: Chosen) -> str:
    """What the same guardrail leaves of the text when it is whole."""
    examine = guard.guard.examine
    assert isinstance(examine, ExamineTexts)
    return redact(text, examine.findings(Carrier(text, name)))


@given(TEXTS, TEXTS, CUTS, NAMES)
def test_what_is_rewritten_is_what_is_rewritten_of_the_whole(
    said: str, thought: str, cuts: Sequence[int], names: Channels
) -> None:
    for detector in (Pii.of({}), Secrets.of({})):
        guard = chosen(detector)
        left, blocked, _ = run(stream(said, thought, cuts), [guard], names)
        assert not blocked
        assert words(left) == (whole(said, names.text, guard), whole(thought, names.thought, guard))


LONG = "words " * 200 + f" {SECRET} " + "x" * 700 + " " + "words " * 200


@given(TEXTS, CUTS, CUTS, NAMES)
@example(LONG, [], [1, 238, 900, 900], CHANNELS["chat"])
@example(LONG, [1] * 1024, [900], CHANNELS["messages"])
def test_what_leaves_does_not_hang_on_the_cut(
    said: str, cuts: Sequence[int], others: Sequence[int], names: Channels
) -> None:
    guards = [chosen(Secrets.of({}), Operation.VALIDATE), chosen(Pii.of({}))]
    one, blocked, first = run(stream(said, "", cuts), guards, names)
    other, too, second = run(stream(said, "", others), guards, names)
    assert blocked is too
    assert words(one) == words(other)
    assert first.actions == second.actions
    assert SECRET[:12] not in words(one)[0]
    assert CARD[:12] not in words(one)[0]
    assert blocked is (SECRET in said)


@given(st.integers(0, 40), st.integers(0, 40), CUTS, CUTS)
@example(12, 2, [], [1000, 1000])
def test_whose_word_it_was_does_not_hang_on_the_cut(
    before: int, after: int, cuts: Sequence[int], others: Sequence[int]
) -> None:
    filler = "these are words that nobody minds, a hundred of them a time. " * 2
    said = f"{filler * before} {CARD} {filler * after} {SECRET} {filler * 20}"
    guards = [chosen(Secrets.of({}), Operation.VALIDATE), chosen(Pii.of({}), Operation.VALIDATE)]
    one, blocked, first = run(stream(said, "", cuts), guards, CHANNELS["chat"])
    other, too, second = run(stream(said, "", others), guards, CHANNELS["chat"])
    assert blocked and too
    assert words(one) == words(other)
    assert first.actions == second.actions
    assert filler * (before - 30) in words(one)[0]
    assert CARD[:12] not in words(one)[0]


@pytest.mark.parametrize("names", [CHANNELS["chat"], CHANNELS["messages"]])
def test_from_a_tool_call_on_everything_is_held_and_looked_at(names: Channels) -> None:
    events: list[Event] = [
        Started("id", "m"),
        TextPiece(0, "Well. "),
        ToolStarted(0, 0, "call", "pay"),
        ToolPiece(0, 0, '{"card": "'),
        ToolPiece(0, 0, f'{CARD}"}}'),
        TextPiece(0, "Done."),
        Finished(0, "tool_use"),
    ]
    left, _, review = run(events, [chosen(Pii.of({}))], names)
    assert words(left)[0] == "Well. Done."
    assert [event for event in review.held if isinstance(event, ToolStarted | ToolPiece)] == events[2:5]
    assert left[-1] == Finished(0, "tool_use")
    assert left[0] == Started("id", "m")


def test_words_on_both_sides_of_a_call_are_one_text_where_the_dialect_joins_them() -> None:
    events: list[Event] = [
        Started("id", "m"),
        TextPiece(0, CARD[:10]),
        ToolStarted(0, 0, "call", "pay"),
        TextPiece(0, CARD[10:]),
        Finished(0, "tool_use"),
    ]
    left, _, _ = run(events, [chosen(Pii.of({}))], CHANNELS["chat"])
    assert words(left)[0] == "[CREDIT_CARD]"


def test_nothing_leaves_before_words_do() -> None:
    left, blocked, _ = run(stream(CARD, "", []), [chosen(Pii.of({}), Operation.VALIDATE)], CHANNELS["chat"])
    assert blocked
    assert left == []


@given(CUTS)
def test_a_proof_is_dropped_where_the_thought_was_changed(cuts: Sequence[int]) -> None:
    for thought, signature in ((f"It is {CARD}.", ""), ("It is nothing.", "proof")):
        events = stream("", thought, cuts)
        events.insert(-1, ReasoningPiece(0, "", "proof"))
        left, _, _ = run(events, [chosen(Pii.of({}))], CHANNELS["messages"])
        assert "".join(event.signature for event in left if isinstance(event, ReasoningPiece)) == signature


@given(st.text(max_size=3000), CUTS)
def test_a_guardrail_that_breaks_lets_all_pass_or_nothing_more(text: str, cuts: Sequence[int]) -> None:
    said = f"{text}!"
    lenient = chosen(Breaks(), mode=Mode.ENFORCE_BUT_IGNORE_ON_ERROR)
    left, blocked, _ = run(stream(said, "", cuts), [lenient], CHANNELS["chat"])
    assert not blocked
    assert words(left)[0] == said
    left, blocked, review = run(stream(said, "", cuts), [chosen(Breaks())], CHANNELS["chat"])
    assert blocked
    assert "!" not in words(left)[0]
    assert review.actions == [Action.BLOCK]
