"""What the dialect writes, the family of the same wire reads as what it was: requests, whole answers, streams."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.completion.answer import Answer, Choice, Finish
from llm_proxy.completion.fold import Fold, unfold
from llm_proxy.completion.request import (
    Completion,
    Format,
    Media,
    Message,
    OneTool,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolResult,
    ToolUse,
)
from llm_proxy.ingress.chat.dialect import Chat
from llm_proxy.providers.openai_chat.codec import OpenAIChat
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.sse import SseDecoder

COMPLETION = Completion(model="m", messages=())
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
FINISHES: tuple[Finish, ...] = ("stop", "length", "tool_use", "filtered")


@st.composite
def choices(draw: st.DrawFn) -> Choice:
    """What the wire can hold: thoughts, then one text, then calls; it knows no reason to end besides calls."""
    parts: list[Part] = []
    if draw(st.booleans()):
        signed = st.lists(st.builds(Reasoning, WORDS, WORDS) | st.builds(Reasoning, st.just(""), redacted=WORDS))
        parts += draw(signed.map(list[Reasoning]) | st.builds(lambda text: [Reasoning(text)], WORDS))
    if draw(st.booleans()):
        parts.append(Text(draw(WORDS)))
    calls = draw(st.lists(st.builds(ToolUse, st.uuids().map(str), WORDS, st.text("{}1,:", max_size=6)), max_size=3))
    finish = draw(st.sampled_from(FINISHES))
    if finish == "stop" and calls:
        finish = "tool_use"
    return Choice((*parts, *calls), finish, draw(st.just("") | WORDS))


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    read, written, thought, rest = draw(st.tuples(*[st.integers(0, 10**6)] * 4))
    return Usage(read + written + rest, thought + rest, read, written, thought)


ANSWERS = st.builds(
    Answer, WORDS, WORDS, st.lists(choices(), min_size=1, max_size=3).map(tuple), st.none() | usages(), st.integers(0)
)


@given(ANSWERS)
def test_whole_answers(answer: Answer) -> None:
    answer = replace(answer, created=answer.created % 2**31)
    body = Chat().answer(answer, COMPLETION)
    assert OpenAIChat().answer(body) == answer
    assert OpenAIChat().usage(body) == answer.usage


@given(ANSWERS, st.lists(st.integers(0, 10**4), max_size=6))
def test_streams_however_they_are_cut(answer: Answer, cuts: list[int]) -> None:
    answer = replace(answer, created=answer.created % 2**31)
    writer = Chat().writer(COMPLETION)
    written = b"".join(writer.write(event) for event in unfold(answer)) + writer.end()
    reader, decoder, folded = OpenAIChat().reader(), SseDecoder(), Fold()
    places = sorted({0, len(written), *(cut % len(written) for cut in cuts)})
    for start, end in pairwise(places):
        for event in decoder.feed(written[start:end]):
            for read in reader.read(event):
                folded.add(read)
    for read in reader.end():
        folded.add(read)
    assert folded.answer() == answer


SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(WORDS, st.integers() | WORDS, max_size=2)
MEDIA = st.one_of(
    st.builds(Media, st.sampled_from(("image/png", "audio/wav", "audio/mpeg")), data=st.just("AAAA")),
    st.builds(Media, st.just("image/*"), url=st.just("https://x.test/a.png")),
    st.builds(Media, st.just("application/pdf"), data=st.just("AAAA"), name=st.just("a.pdf")),
)
TEXTS = st.lists(st.builds(Text, WORDS), min_size=1, max_size=2).map(tuple)
USER = st.builds(Message, st.just("user"), st.lists(st.builds(Text, WORDS) | MEDIA, min_size=1, max_size=3).map(tuple))
CALLS = st.builds(ToolUse, WORDS, WORDS, WORDS)
ASSISTANT = st.builds(
    Message,
    st.just("assistant"),
    st.tuples(TEXTS | st.just(()), st.lists(CALLS, max_size=2)).map(lambda two: (*two[0], *two[1])).filter(bool),
)
SYSTEM = st.builds(Message, st.just("system"), TEXTS)
RESULT = st.builds(ToolResult, WORDS, st.builds(Text, WORDS).map(lambda text: (text,)))
RESULTS = st.builds(Message, st.just("user"), st.lists(RESULT, min_size=1, max_size=2).map(tuple))


def merged(turns: list[Message]) -> tuple[Message, ...]:
    """Results in a row are one turn on this wire."""
    kept: list[Message] = []
    for turn in turns:
        last = kept[-1] if kept else None
        if last is not None and all(isinstance(part, ToolResult) for part in (*last.parts, *turn.parts)):
            kept[-1] = Message("user", (*last.parts, *turn.parts))
        else:
            kept.append(turn)
    return tuple(kept)


@st.composite
def completions(draw: st.DrawFn) -> Completion:
    tools = draw(st.lists(st.builds(Tool, WORDS, WORDS, st.none() | SCHEMAS, st.none() | st.booleans()), max_size=2))
    stream = draw(st.booleans())
    return Completion(
        model="asked",
        messages=merged(draw(st.lists(st.one_of(USER, ASSISTANT, SYSTEM, RESULTS), min_size=1, max_size=4))),
        tools=tuple(tools),
        tool_choice=draw(st.sampled_from((None, "auto", "none", "required", OneTool("f")))) if tools else None,
        parallel_tools=draw(st.none() | st.booleans()) if tools else None,
        max_tokens=draw(st.none() | st.integers(1, 99)),
        temperature=draw(st.none() | st.floats(0, 2)),
        top_p=draw(st.none() | st.floats(0, 1)),
        stop=tuple(draw(st.lists(WORDS, max_size=2))),
        seed=draw(st.none() | st.integers(-9, 9)),
        presence_penalty=draw(st.none() | st.floats(-2, 2)),
        frequency_penalty=draw(st.none() | st.floats(-2, 2)),
        choices=draw(st.integers(1, 3)),
        format=draw(st.none() | st.builds(Format, st.none()) | st.builds(Format, SCHEMAS, WORDS, WORDS, st.booleans())),
        effort=draw(st.sampled_from((None, "none", "minimal", "low", "medium", "high"))),
        user=draw(st.none() | WORDS),
        stream=stream,
        stream_usage=stream,
    )


@given(completions(), st.sampled_from(("max_tokens", "max_completion_tokens")))
def test_requests(completion: Completion, limit: Any) -> None:
    body = OpenAIChat(limit).request(completion, "theirs")
    assert Chat().read(body) == replace(completion, model="theirs")
    if completion.max_tokens is not None:
        assert body[limit] == completion.max_tokens
