"""Answers and JSON for Hypothesis, and what a stream of bytes says."""

from collections.abc import Iterable
from typing import Any

import orjson
from hypothesis import strategies as st

from llm_proxy.completion.answer import Answer, Choice, Event, Finish
from llm_proxy.completion.request import Completion, Message, Part, Reasoning, Text, ToolUse
from llm_proxy.providers.anthropic_messages.codec import AnthropicMessages
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.sse import SseDecoder
from mcp_gateway.core.strictjson import dumps

ASKED = Completion(model="m", messages=(Message("user", (Text("hi"),)),))

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
json = st.recursive(
    st.none() | st.booleans() | numbers | words | st.just(""),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(words, json, max_size=4)
arguments = objects.map(lambda value: dumps(value).decode()) | words.filter(
    lambda text: text.strip()[:1] not in ("", "{")
)

texts = words.map(Text)
thoughts = st.builds(Reasoning, words, words) | st.builds(lambda data: Reasoning("", redacted=data), words)
calls = st.builds(ToolUse, names, names, arguments)

counts = st.integers(0, 1_000_000)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    read, written, fresh, output = draw(counts), draw(counts), draw(counts), draw(counts)
    return Usage(read + written + fresh, output, read, written, draw(st.integers(0, output)))


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """Answers that the wire can hold: no two texts in a row, arguments as compact JSON or none at all."""
    parts: list[Part] = []
    for part in draw(st.lists(texts | thoughts | calls, max_size=5)):
        if not (parts and isinstance(part, Text) and isinstance(parts[-1], Text)):
            parts.append(part)
    finish: Finish = draw(st.sampled_from(("stop", "length", "tool_use", "filtered")))
    stop = draw(st.just("") | words) if finish == "stop" else ""
    return Answer(draw(names), draw(names), (Choice(tuple(parts), finish, stop),), draw(usages()))


def events_of(stream: bytes, cuts: Iterable[int] = ()) -> list[Event]:
    """What the provider's codec reads in a stream that arrives in pieces."""
    decoder, reader = SseDecoder(), AnthropicMessages().reader()
    events: list[Event] = []
    start = 0
    for cut in (*sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)):
        for event in decoder.feed(stream[start:cut]):
            events += reader.read(event)
        start = cut
    return [*events, *reader.end()]


def types_of(stream: bytes) -> list[str]:
    """The names of a stream's events, with the kind of the block that starts."""
    said = []
    for event in SseDecoder().feed(stream):
        body: dict[str, Any] = orjson.loads(event.data)
        block = body.get("content_block")
        said.append(f"{body['type']} {block['type']}" if block else body["type"])
        assert event.event.decode() == body["type"]
    return said
