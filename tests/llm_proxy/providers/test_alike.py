"""Events that are like the one before say and leave what reading each of them says and leaves."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.completion.answer import Event, TextPiece
from llm_proxy.completion.wire import StreamFault
from llm_proxy.ingress.chat.dialect import Chat
from llm_proxy.ingress.messages.dialect import Messages
from llm_proxy.providers.alike import IN_VAIN, LONGEST, Alike
from llm_proxy.providers.anthropic_messages.codec import AnthropicMessages
from llm_proxy.providers.openai_chat.codec import OpenAIChat
from llm_proxy.providers.openai_chat.stream import ChunkReader
from llm_proxy.providers.stream import Stream
from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.core.sse import SseEvent, encode_event


def chunk(text: object, /, **more: Any) -> bytes:
    delta = {"content": text} if text is not None else {}
    choice = {"index": more.pop("index", 0), "delta": delta, "finish_reason": more.pop("finish_reason", None)}
    return orjson.dumps({"id": more.pop("id", "one"), "choices": [choice], **more})


def event(data: bytes, name: bytes = b"message") -> SseEvent:
    return SseEvent(name, data)


def learnt(data: bytes, left: bytes = b"") -> Alike:
    alike = Alike()
    reader = ChunkReader()
    reader.read(event(chunk(None)))
    alike.learn(event(data), reader.read(event(data)), left)
    return alike


@pytest.mark.parametrize("text", ["b", " ", "wörd", "日本", "a longer one, with {braces} and [brackets]"])
def test_only_the_text_differs(text: str) -> None:
    alike = learnt(chunk("a"), b"<" + chunk("a") + b">")
    assert alike.read(event(chunk(text))) == (TextPiece(0, text), b"<" + chunk(text) + b">", len(text.encode()))


@pytest.mark.parametrize(
    "data",
    [
        chunk(""),
        chunk('"'),
        chunk("\\"),
        chunk("line\n"),
        chunk("\x7f"),
        chunk("x" * (LONGEST + 1)),
        chunk("b", id="two"),
        chunk("b", index=1),
        chunk("b", finish_reason="stop"),
        chunk("b", more=1),
        chunk(7),
        chunk("b")[:-1],
        chunk("b") + b" ",
        chunk("b").replace(b'"b"', b'"b'),
        chunk("b").replace(b"b", b"\xff", 1),
        chunk("b").replace(b'"b"', b'"\tb"'),
        b"[DONE]",
        b"",
    ],
)
def test_whatever_else_differs_is_read(data: bytes) -> None:
    assert learnt(chunk("a")).read(event(data)) is None


def test_an_event_of_another_name_is_read() -> None:
    assert learnt(chunk("a")).read(event(chunk("b"), b"error")) is None


@pytest.mark.parametrize(
    "data",
    [chunk("one"), chunk('"'), chunk("a\n"), chunk("a", note="\\"), chunk("a", finish_reason="stop"), chunk(None)],
    ids=["twice", "quote", "control", "escape elsewhere", "two events", "none"],
)
def test_what_is_not_plain_is_not_learnt(data: bytes) -> None:
    assert learnt(data).read(event(data)) is None


def test_padding_may_differ_too() -> None:
    alike = learnt(chunk("a", obfuscation="xY1"), b"data: " + chunk("a", obfuscation="xY1") + b"\n\n")
    other = chunk("bc", obfuscation="w")
    assert alike.read(event(other)) == (TextPiece(0, "bc"), b"data: " + other + b"\n\n", 2)
    for padding in (other[:-3] + b'"}', other[:-3] + b'","k":"v"}', other + b"\n", chunk("bc")):
        assert alike.read(event(padding)) is None


def test_a_provider_whose_events_are_never_alike_is_not_tried_for_ever() -> None:
    alike = Alike()
    for number in range(IN_VAIN + 1):
        assert alike.read(event(chunk("a", id=str(number)))) is None
        alike.learn(event(chunk("a", id=str(number))), [TextPiece(0, "a")])
    assert alike.read(event(chunk("b", id=str(IN_VAIN)))) is not None
    for number in range(IN_VAIN + 2):
        assert alike.read(event(chunk("a", id=str(number)))) is None
        alike.learn(event(chunk("a", id=str(number))), [TextPiece(0, "a")])
    assert alike.read(event(chunk("b", id=str(IN_VAIN + 1)))) is None


# ---------------------------------------------------------------- against reading everything


class Never(Alike):
    """Learns nothing."""

    __slots__ = ()

    def learn(self, event: SseEvent, events: object, left: bytes = b"") -> None:
        pass


TEXTS = st.sampled_from(["a", "b", "one", "the ", '"', "\\", "\n", "é", "", "\u2028", "\x00", "x" * 50])
CHUNKS = st.one_of(
    st.builds(chunk, TEXTS),
    st.builds(lambda text, padding: chunk(text, usage=None, obfuscation=padding), TEXTS, st.sampled_from(["x", "yZ"])),
    st.builds(lambda text: chunk(text, usage=None), TEXTS),
    st.builds(lambda text, index: chunk(text, index=index), TEXTS, st.integers(0, 1)),
    st.builds(lambda text: chunk(text, finish_reason="stop"), TEXTS),
    st.builds(lambda text, cut: chunk(text)[:cut], TEXTS, st.integers(0, 60)),
    st.sampled_from([chunk(None), b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}', b"[DONE]"]),
)
DELTAS = st.one_of(
    st.builds(
        lambda text, index: orjson.dumps(
            {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}
        ),
        TEXTS,
        st.integers(0, 1),
    ),
    st.sampled_from(
        [
            b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
            b'{"type":"content_block_stop","index":0}',
            b'{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"n","input":{}}}',
            b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}',
            b'{"type":"message_stop"}',
        ]
    ),
)
BEGIN = b'{"type":"message_start","message":{"id":"m","model":"x","usage":{"input_tokens":1,"output_tokens":1}}}'


def outcome(stream: Stream, sent: list[bytes], name: bytes | None) -> tuple[object, ...]:
    left: list[object] = []
    for data in sent:
        try:
            left.append(stream.feed(encode_event(data, event=name)))
        except (ProtocolViolation, StreamFault) as error:
            left.append(type(error))
            break
    return (*left, stream.usage, stream.written, stream.begun)


def both(make: type[Alike], *, keep_usage: bool, translated: bool, anthropic: bool) -> Stream:
    dialect = Messages() if anthropic is not translated else Chat()
    codec = AnthropicMessages() if anthropic else OpenAIChat()
    asked = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
    writer = dialect.writer(dialect.read(asked)) if translated else None
    stream = Stream(codec, dialect, writer=writer, screen=None, keep_usage=keep_usage)
    stream._alike = make()
    return stream


@given(st.lists(CHUNKS, max_size=12), st.booleans(), st.booleans())
def test_a_chat_stream_is_the_same(sent: list[bytes], keep_usage: bool, translated: bool) -> None:
    streams = [both(make, keep_usage=keep_usage, translated=translated, anthropic=False) for make in (Alike, Never)]
    fast, slow = (outcome(stream, sent, None) for stream in streams)
    assert fast == slow


@given(st.lists(DELTAS, max_size=12), st.booleans())
def test_a_stream_of_messages_is_the_same(sent: list[bytes], translated: bool) -> None:
    streams = [both(make, keep_usage=True, translated=translated, anthropic=True) for make in (Alike, Never)]
    fast, slow = (outcome(stream, [BEGIN, *sent], b"any") for stream in streams)
    assert fast == slow


def test_nothing_is_learnt_from_what_is_no_text() -> None:
    events: list[Event] = []
    alike = Alike()
    alike.learn(event(chunk("a")), events)
    assert alike.read(event(chunk("a"))) is None
