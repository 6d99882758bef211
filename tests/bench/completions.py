"""What the provider of the bench answers, as bytes with a mark where the number of each request goes. Pure."""

from __future__ import annotations

from typing import Any, Final

import orjson

from tests.bench.asking import MARK

MODEL: Final = "bench-model"
CHUNKS: Final = 200
"""Of a stream: whose words they are, the words, why it ended. The usage and the end mark come besides."""

PROMPT_TOKENS: Final = 60

_CREATED: Final = 1_790_000_000
_LETTERS: Final = "aK3bWq0ZrTy5uNcX"
_STAND_IN: Final = "99999999"
_WORDS: Final = ("the ", "ledger ", "was ", "posted ", "at ", "noon, ", "and ", "nothing ", "is ", "open ")
_SAID: Final = (
    f"Entry {_STAND_IN} was booked on Tuesday: 4711.00 EUR, of which the goods of the first two lines were received at "
    "dock 4 and counted. The crates are missing and remain open; nobody has to look at the difference of 0.15 EUR."
)


def words() -> list[str]:
    """The pieces of the text that a stream says. The request's number is the first."""
    return [_STAND_IN, *(_WORDS[number % len(_WORDS)] for number in range(CHUNKS - 3))]


def text(number: str, *, stream: bool) -> str:
    """The text of the answer to request `number`."""
    return ("".join(words()) if stream else _SAID).replace(_STAND_IN, number)


def whole() -> bytes:
    """A completion of some 600 bytes, as JSON."""
    message: dict[str, Any] = {"role": "assistant", "content": _SAID, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    body = {**_same("chat.completion"), "choices": [choice], "usage": _usage(50), "service_tier": "default"}
    return _marked(body)


def chunks(*, usage: bool) -> list[bytes]:
    """The events of a stream, the last of them with the end mark. With `usage` it is told as OpenAI tells it: null in
    all chunks, and then in one of its own."""
    told: dict[str, Any] = {"usage": None} if usage else {}
    same = {**_same("chat.completion.chunk"), "service_tier": "default"}
    deltas = [({"role": "assistant", "content": "", "refusal": None}, None)]
    deltas += [({"content": word}, None) for word in words()]
    choices = [_choice(delta, finish) for delta, finish in [*deltas, ({}, "stop")]]
    bodies = [{**same, "choices": [choice], **told, "obfuscation": _padding(n)} for n, choice in enumerate(choices)]
    if usage:
        bodies.append({**same, "choices": [], "usage": _usage(CHUNKS)})
    return [*(b"data: %b\n\n" % _marked(body) for body in bodies), b"data: [DONE]\n\n"]


def _padding(number: int) -> str:
    """Letters that differ from chunk to chunk, as OpenAI pads what it sends."""
    return f"{_LETTERS[number % 13 :][:3]}{_LETTERS[: 3 + number % 7]}"


def _choice(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def _same(kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{_STAND_IN}",
        "object": kind,
        "created": _CREATED,
        "model": MODEL,
        "system_fingerprint": "fp_44709d6fcb",
    }


def _usage(completion: int) -> dict[str, Any]:
    details = {"cached_tokens": 0, "audio_tokens": 0}
    return {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": completion,
        "total_tokens": PROMPT_TOKENS + completion,
        "prompt_tokens_details": details,
    }


def _marked(body: dict[str, Any]) -> bytes:
    return orjson.dumps(body).replace(_STAND_IN.encode(), MARK)
