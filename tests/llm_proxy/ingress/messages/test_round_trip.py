"""What this dialect writes, the codec of the same wire reads back."""

from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.completion.answer import Answer, Event, Started, TextPiece, ToolPiece
from llm_proxy.completion.fold import Fold, unfold
from llm_proxy.ingress.messages.dialect import Messages
from llm_proxy.providers.anthropic_messages.codec import AnthropicMessages
from mcp_gateway.core.strictjson import dumps, loads_upstream
from tests.llm_proxy.ingress.messages.values import ASKED, answers, events_of


def folded(events: list[Event]) -> Answer:
    fold = Fold()
    for event in events:
        fold.add(event)
    return fold.answer()


def written(events: list[Event]) -> bytes:
    writer = Messages().writer(ASKED)
    return b"".join(writer.write(event) for event in events) + writer.end()


@given(answers())
def test_a_whole_answer_comes_back(answer: Answer) -> None:
    body = loads_upstream(dumps(Messages().answer(answer, ASKED)))
    assert AnthropicMessages().answer(body) == answer
    assert AnthropicMessages().usage(body) == answer.usage


@given(answers(), st.lists(st.integers(0, 5000), max_size=8))
def test_a_stream_comes_back_wherever_it_is_cut(answer: Answer, cuts: list[int]) -> None:
    assert folded(events_of(written(list(unfold(answer))), cuts)) == answer


@given(answers(), st.data())
def test_pieces_of_tool_calls_that_come_in_turns_lose_nothing(answer: Answer, data: st.DataObject) -> None:
    """Each call may go on while later things come: whatever the order, the same answer arrives."""
    events = list(unfold(answer))
    pieces = [event for event in events if isinstance(event, ToolPiece)]
    for piece in pieces:
        last = max(n for n, event in enumerate(events) if event == piece)
        halves = len(piece.arguments) // 2
        later = data.draw(
            st.integers(last + 1, next(n for n, e in enumerate(events) if type(e).__name__ == "Finished"))
        )
        events.insert(later, piece._replace(arguments=piece.arguments[halves:]))
        events[last] = piece._replace(arguments=piece.arguments[:halves])
    assert folded(events_of(written(events))) == folded(events)


def test_other_choices_than_the_first_are_not_written() -> None:
    writer = Messages().writer(ASKED)
    writer.write(Started("id", "m"))
    assert writer.write(TextPiece(1, "of the second")) == b""
