"""What this dialect writes, the codec of the same wire reads back."""

from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.completion.answer import Answer, Choice, Started, TextPiece, ToolPiece
from llm_proxy.completion.fold import unfold
from llm_proxy.completion.request import Reasoning
from llm_proxy.providers.openai_responses.codec import OpenAIResponses
from mcp_gateway.core.strictjson import dumps, loads_upstream
from tests.llm_proxy.ingress.responses.test_read import RESPONSES
from tests.llm_proxy.ingress.responses.values import ASKED, answers, events_of, folded, written


@given(answers())
def test_a_whole_answer_comes_back(answer: Answer) -> None:
    body = loads_upstream(dumps(RESPONSES.answer(answer, ASKED)))
    assert OpenAIResponses().answer(body) == answer
    assert OpenAIResponses().usage(body) == answer.usage


@given(answers(), st.lists(st.integers(0, 20_000), max_size=8))
def test_a_stream_comes_back_wherever_it_is_cut(answer: Answer, cuts: list[int]) -> None:
    assert folded(events_of(written(unfold(answer)), cuts)) == answer


@given(answers(), st.data())
def test_pieces_of_tool_calls_that_come_in_turns_lose_nothing(answer: Answer, data: st.DataObject) -> None:
    events = list(unfold(answer))
    ends = next(n for n, event in enumerate(events) if type(event).__name__ == "Finished")
    for number, event in reversed(list(enumerate(events))):
        if isinstance(event, ToolPiece):
            half = len(event.arguments) // 2
            later = data.draw(st.integers(number + 1, ends))
            events.insert(later, event._replace(arguments=event.arguments[half:]))
            events[number] = event._replace(arguments=event.arguments[:half])
            ends += 1
    assert folded(events_of(written(events))) == folded(events) == answer


def test_other_choices_than_the_first_are_not_written() -> None:
    writer = RESPONSES.writer(ASKED)
    writer.write(Started("id", "m"))
    assert writer.write(TextPiece(1, "of the second")) == b""


def test_redacted_thoughts_go_to_the_client_and_come_back() -> None:
    answer = Answer("r", "m", (Choice((Reasoning("", redacted="X"),), "stop"),))
    item = RESPONSES.answer(answer, ASKED)["output"][0]
    assert RESPONSES.read({"model": "m", "input": [item]}).messages[0].parts == (Reasoning("", redacted="X"),)
    body = b'"encrypted_content":"redacted:X"'
    assert body in written(unfold(answer))
