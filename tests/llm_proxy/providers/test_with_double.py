"""Every family's codec reads what the double writes: two readings of one format that know nothing of each other."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.completion.answer import Answer, Choice, Finish
from llm_proxy.completion.fold import Fold
from llm_proxy.completion.request import Completion, Message, Part, Reasoning, Text, Tool, ToolResult, ToolUse
from llm_proxy.completion.wire import StreamFault
from llm_proxy.providers.anthropic_messages.codec import AnthropicMessages
from llm_proxy.providers.codec import Codec
from llm_proxy.providers.gemini.codec import Gemini
from llm_proxy.providers.openai_chat.codec import OpenAIChat
from llm_proxy.providers.openai_responses.codec import OpenAIResponses
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.sse import SseDecoder
from tests.llm_proxy.double import anthropic_messages, gemini, openai_chat, openai_responses
from tests.llm_proxy.double.question import Count, Plan, Question, Says, plan
from tests.llm_proxy.double.wire import Wire

FAMILIES: list[tuple[Codec, Wire]] = [
    (OpenAIChat(), openai_chat.Chat()),
    (OpenAIResponses(), openai_responses.Responses()),
    (AnthropicMessages(), anthropic_messages.Messages()),
    (Gemini(), gemini.Gemini()),
]
family = pytest.mark.parametrize(("codec", "double"), FAMILIES, ids=["chat", "responses", "messages", "gemini"])

WORDS = st.lists(st.sampled_from(("a", "bc", "déf", "{", '"', "\\")), max_size=6).map(" ".join)
SAYS = st.builds(
    Says,
    WORDS,
    WORDS,
    st.lists(st.tuples(st.sampled_from(("f", "g")), st.dictionaries(WORDS, WORDS, max_size=2)), max_size=2).map(tuple),
    st.integers(0, 9),
)


def streamed(codec: Codec, body: bytes, cuts: list[int]) -> Answer:
    reader, decoder, folded = codec.reader(), SseDecoder(), Fold()
    places = sorted({0, len(body), *(cut % len(body) for cut in cuts)})
    for start, end in pairwise(places):
        for event in decoder.feed(body[start:end]):
            for said in reader.read(event):
                folded.add(said)
    for said in reader.end():
        folded.add(said)
    return folded.answer()


def essence(answer: Answer) -> tuple[Any, ...]:
    """All of an answer but its ids and proofs, which a wire may not have."""

    def bare(part: Part) -> Part:
        if isinstance(part, ToolUse):
            return replace(part, id="")
        return replace(part, signature="") if isinstance(part, Reasoning) else part

    said = [tuple(filter(_says_something, map(bare, choice.parts))) for choice in answer.choices]
    return answer.model, [choice.finish for choice in answer.choices], said, answer.usage


def _says_something(part: Part) -> bool:
    return not isinstance(part, Reasoning) or bool(part.text)


def meant(made: Plan) -> tuple[Any, ...]:
    """The essence of the answer that the double wants to give."""
    parts: list[Part] = [Reasoning("".join(made.thinking))] if made.thinking else []
    parts += [Text(made.text)] if made.text else []
    parts += [ToolUse("", call.name, call.arguments) for call in made.calls]
    finish: Finish = made.finish
    count = made.count
    usage = Usage(count.input, count.output, count.cache_read, count.cache_write, count.reasoning)
    return made.model, [finish], [tuple(parts)], usage


def known(codec: Codec, essence: tuple[Any, ...]) -> tuple[Any, ...]:
    """Without what the family's wire does not tell apart."""
    model, finishes, parts, usage = essence
    parts = [[_loaded(part) for part in one] for one in parts]  # some wires hold arguments as JSON, not as its text
    if codec.wire == "messages":
        usage = usage._replace(reasoning=0)
    return model, finishes, parts, usage


def _loaded(part: Part) -> object:
    return (part.name, json.loads(part.arguments)) if isinstance(part, ToolUse) else part


@family
@given(says=SAYS, cuts=st.lists(st.integers(0, 10**5), max_size=4), limit=st.none() | st.integers(1, 9))
def test_answers(codec: Codec, double: Wire, says: Says, cuts: list[int], limit: int | None) -> None:
    made = plan(Question(model="m", prompt="one two", limit=limit), 1, says)
    whole = codec.answer(double.whole(made))
    assert known(codec, essence(whole)) == known(codec, meant(made))
    body = b"".join(frame.data for frame in double.frames(made))
    assert known(codec, essence(streamed(codec, body, cuts))) == known(codec, meant(made))


@family
def test_streams_that_fail_or_end_early(codec: Codec, double: Wire) -> None:
    frames = [frame.data for frame in double.frames(plan(Question(model="m", prompt="x", last="count to 5"), 1))]
    with pytest.raises(StreamFault) as caught:
        streamed(codec, b"".join([*frames[:3], double.failure_frame("overloaded")]), [])
    assert caught.value.fault.kind == "overloaded"
    with pytest.raises(Exception, match=r"complete|ended|end"):
        streamed(codec, b"".join(frames[:3]), [])


@family
@pytest.mark.parametrize(
    ("kind", "meaning"),
    [
        ("rate_limit", "rate_limit"),
        ("overloaded", "overloaded"),
        ("context", "context_window"),
        ("authentication", "authentication"),
        ("server", "server"),
        ("invalid", "invalid"),
    ],
)
def test_errors(codec: Codec, double: Wire, kind: str, meaning: str) -> None:
    status = {"rate_limit": 429, "overloaded": 503, "authentication": 401, "server": 500}.get(kind, 400)
    assert codec.fault(*double.failure(status, kind)).kind == meaning


TURNS = (
    Message("system", (Text("Be kind"),)),
    Message("user", (Text("What is the weather?"),)),
    Message("assistant", (Text("Let me look."), ToolUse("c1", "f", '{"a": 1}'), ToolUse("c2", "f", "{}"))),
    Message("user", (ToolResult("c1", (Text("rain"),), "f"), ToolResult("c2", (Text("sun"),), "f", failed=True))),
)


@family
@pytest.mark.parametrize("stream", [False, True])
def test_requests(codec: Codec, double: Wire, stream: bool) -> None:
    """The double understands what the codec asks for: it is strict about what must follow what."""
    tool = Tool("f", "does", {"type": "object", "properties": {}})
    asked = Completion(model="a", messages=TURNS, tools=(tool,), tool_choice="auto", max_tokens=99, stream=stream)
    headers = {name.lower(): value for name, value in codec.headers("key")}
    path = codec.path("theirs", stream=stream).partition("?")[0]
    question = double.question(path, headers, codec.request(asked, "theirs"))
    assert (question.model, question.stream, question.limit) == ("theirs", stream, 99)
    assert question.tools == ("f",)
    assert question.result is not None
    assert {"rain", "sun"} <= set(question.result.replace('"', " ").split())
    assert {"Be", "weather?", "look."} <= set(question.prompt.split())
    assert plan(question, 1).count != Count()


def test_choices_of_several_answers() -> None:
    made = plan(Question(model="m", prompt="x", last="count to 3", choices=3), 1)
    for codec, double in (FAMILIES[0], FAMILIES[3]):
        body = b"".join(frame.data for frame in double.frames(made))
        for answer in (codec.answer(double.whole(made)), streamed(codec, body, [])):
            assert answer.choices == (Choice((Text("1 2 3"),), "stop"),) * 3
            assert answer.usage == Usage(1, 9)
