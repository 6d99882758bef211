"""Answers and JSON for Hypothesis, and what a stream of bytes says."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from hypothesis import strategies as st

from llm_proxy.completion.answer import Answer, Choice, Event, Finish
from llm_proxy.completion.fold import Fold
from llm_proxy.completion.request import Completion, Message, Part, Reasoning, Text, ToolUse
from llm_proxy.completion.signature import mark
from llm_proxy.ingress.responses.dialect import Responses
from llm_proxy.providers.openai_responses.codec import OpenAIResponses
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.sse import SseDecoder

Json = dict[str, Any]
ASKED = Completion(model="m", messages=(Message("user", (Text("hi"),)),), stream=True)

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
json = st.recursive(
    st.none() | st.booleans() | numbers | words | st.just(""),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)

texts = words.map(Text)
thoughts = st.builds(Reasoning, words, words)
calls = st.builds(ToolUse, words, words, st.just("") | words)
counts = st.integers(0, 1_000_000)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    read, written, fresh, output = draw(counts), draw(counts), draw(counts), draw(counts)
    return Usage(read + written + fresh, output, read, written, draw(st.integers(0, output)))


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """Answers that the wire can hold: no two texts in a row; thoughts end with a proof of OpenAI's."""
    parts: list[Part] = []
    for part in draw(st.lists(texts | thoughts | calls, max_size=5)):
        if isinstance(part, Reasoning):
            parts.append(Reasoning(part.text, mark("openai", part.signature)))
        elif not (parts and isinstance(part, Text) and isinstance(parts[-1], Text)):
            parts.append(part)
    called = any(isinstance(part, ToolUse) for part in parts)
    finishes: tuple[Finish, ...] = ("length", "filtered", "tool_use" if called else "stop")
    finish = draw(st.sampled_from(finishes))
    usage = draw(st.none() | usages())
    return Answer(draw(words), draw(words), (Choice(tuple(parts), finish),), usage, draw(st.integers(0, 2**40)))


def folded(events: Iterable[Event]) -> Answer:
    fold = Fold()
    for event in events:
        fold.add(event)
    return fold.answer()


def written(events: Iterable[Event], asked: Completion = ASKED) -> bytes:
    writer = Responses().writer(asked)
    return b"".join([writer.write(event) for event in events]) + writer.end()


def events_of(stream: bytes, cuts: Sequence[int] = ()) -> list[Event]:
    """What the provider's codec reads in a stream that arrives in pieces."""
    decoder, reader = SseDecoder(), OpenAIResponses().reader()
    events: list[Event] = []
    start = 0
    for cut in (*sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)):
        for event in decoder.feed(stream[start:cut]):
            events += reader.read(event)
        start = cut
    return [*events, *reader.end()]


def bodies(stream: bytes) -> list[Json]:
    """The data of a stream's events; the name of each stands in it too."""
    said = []
    for event in SseDecoder().feed(stream):
        body: Json = orjson.loads(event.data)
        assert event.event.decode() == body["type"]
        said.append(body)
    return said
