"""Bytes of a stream that guardrails look at: what leaves does not hang on how the network cut them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_proxy.guarding.grammars import CHANNELS
from llm_proxy.guarding.held import Held
from llm_proxy.guarding.running import Running, streaming
from llm_proxy.ingress.chat.dialect import Chat
from llm_proxy.providers.openai_chat.codec import OpenAIChat
from llm_proxy.providers.stream import Stream
from mcp_gateway.core.errors import Blocked
from mcp_gateway.core.sse import encode_event
from mcp_gateway.envelopes.safety.detectors.secrets import Secrets
from mcp_gateway.envelopes.safety.verdict import Operation
from tests.llm_proxy.guarding.test_held import SECRET, Review, chosen

ASKED = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
FILLER = 'Wörter ohne Belang, \\ "immer" wieder 日本. '


def sent(said: str, size: int) -> bytes:
    """The provider's stream of `said`, so many characters an event."""
    pieces = [said[place : place + size] for place in range(0, len(said), size)]
    deltas = [({"role": "assistant", "content": ""}, None), *(({"content": piece}, None) for piece in pieces)]
    same = {"id": "one", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    chunks = [
        {**same, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        for delta, finish in [*deltas, ({}, "stop")]
    ]
    return b"".join(encode_event(orjson.dumps(chunk)) for chunk in chunks) + encode_event(b"[DONE]")


def passed(raw: Sequence[bytes]) -> tuple[bytes, bool]:
    """What leaves in all, and whether it ended in a refusal."""
    guard = chosen(Secrets.of({}), Operation.VALIDATE)
    names = CHANNELS["chat"]
    examine = streaming(guard.guard, (names.text, names.thought))
    assert examine is not None
    screen = Held(Review(), [guard], [Running(guard, examine)], names, whole=False)
    dialect = Chat()
    stream = Stream(OpenAIChat(), dialect, writer=dialect.writer(dialect.read(ASKED)), screen=screen, keep_usage=False)
    left = b""
    for piece in raw:
        left += stream.feed(piece)
        if stream.refused is not None:
            return left, True
    try:
        left += asyncio.run(stream.end())
    except Blocked:
        return left, True
    return left, stream.refused is not None


def cut(raw: bytes, sizes: Sequence[int]) -> list[bytes]:
    pieces, place = [], 0
    for size in sizes:
        pieces.append(raw[place : place + size])
        place += size
    return [*pieces, raw[place:]]


@pytest.mark.parametrize("secret", ["", f" {SECRET} "])
@given(before=st.integers(0, 80), size=st.integers(1, 3000), sizes=st.lists(st.integers(1, 4000), max_size=20))
@example(before=60, size=8000, sizes=[1] * 3000)
@example(before=60, size=7, sizes=[])
def test_what_leaves_does_not_hang_on_the_network(secret: str, before: int, size: int, sizes: Sequence[int]) -> None:
    raw = sent(FILLER * before + secret + FILLER * 80, size)
    together, refused = passed([raw])
    assert passed(cut(raw, sizes)) == (together, refused)
    assert refused is bool(secret)
    assert SECRET[:12].encode() not in together
    if before >= 60:
        assert together
