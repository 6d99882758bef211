"""What the dialect writes is what the official client reads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx2
import orjson
import pytest
from openai import APIError, AsyncOpenAI, PermissionDeniedError
from openai.types.chat import ChatCompletion

from llm_proxy.completion.answer import Answer, Choice, ReasoningPiece, TextPiece
from llm_proxy.completion.fold import unfold
from llm_proxy.completion.request import Completion, Reasoning, Text, ToolUse
from llm_proxy.ingress.chat.dialect import Chat
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import (
    BudgetExhausted,
    Forbidden,
    GatewayError,
    Invalid,
    MetadataRequired,
    ProtocolViolation,
)

COMPLETION = Completion(model="m", messages=(), stream=True)
CALLS = (ToolUse("c1", "first", '{"a": 1}'), ToolUse("c2", "second", '{"b": [2]}'))
ANSWER = Answer(
    "id-1",
    "model-1",
    (Choice((Reasoning("hm", "proof"), Text("Let me look."), *CALLS), "tool_use"), Choice((Text("no"),), "length")),
    Usage(10, 7, 4, 1, 2),
    1_790_000_000,
)


def client(body: bytes, status: int = 200, content_type: str = "application/json") -> AsyncOpenAI:
    """The official client, whose every request is answered so."""
    headers = {"content-type": content_type}
    transport = httpx2.MockTransport(lambda request: httpx2.Response(status, content=body, headers=headers))
    http = httpx2.AsyncClient(transport=transport)
    return AsyncOpenAI(api_key="k", base_url="http://double.test/v1", http_client=http, max_retries=0)


def streamed(answer: Answer, completion: Completion = COMPLETION) -> bytes:
    writer = Chat().writer(completion)
    return b"".join(writer.write(event) for event in unfold(answer)) + writer.end()


async def test_a_whole_answer() -> None:
    body = orjson.dumps(Chat().answer(ANSWER, COMPLETION))
    async with client(body) as openai:
        read = await openai.chat.completions.create(model="m", messages=[])
    ChatCompletion.model_validate_json(body, strict=True)
    assert (read.id, read.model, read.created) == ("id-1", "model-1", 1_790_000_000)
    assert [choice.finish_reason for choice in read.choices] == ["tool_calls", "length"]
    message = read.choices[0].message
    assert message.content == "Let me look."
    assert message.model_extra is not None
    assert message.model_extra["reasoning_content"] == "hm"
    assert [(call.id, call.type) for call in message.tool_calls or ()] == [("c1", "function"), ("c2", "function")]
    assert read.usage is not None
    assert read.usage.prompt_tokens_details is not None
    assert read.usage.prompt_tokens_details.cached_tokens == 4
    assert (read.usage.prompt_tokens, read.usage.completion_tokens, read.usage.total_tokens) == (10, 7, 17)


async def test_a_stream() -> None:
    """The client's own accumulator makes of the chunks what the whole answer says."""
    parts = (Reasoning("hm", "proof"), Reasoning("", redacted="secret"), Reasoning("ah", "more"), Text("Well."), *CALLS)
    answer = replace(ANSWER, choices=(Choice(parts, "tool_use"), Choice((Text("no"),), "stop")))
    async with (
        client(streamed(answer), content_type="text/event-stream") as openai,
        openai.chat.completions.stream(model="m", messages=[], n=2) as stream,
    ):
        events = [event async for event in stream]
        final = await stream.get_final_completion()
    whole: Any = Chat().answer(answer, COMPLETION)
    assert final.usage is not None
    assert final.usage.model_dump(exclude_none=True) == whole["usage"]
    for read, written in zip(final.choices, whole["choices"], strict=True):
        assert read.finish_reason == written["finish_reason"]
        assert (read.message.content or None) == written["message"]["content"]
        calls = [(call.id, call.function.name, call.function.arguments) for call in read.message.tool_calls or ()]
        assert calls == [(one["id"], *one["function"].values()) for one in written["message"].get("tool_calls", ())]
    # What it thought can be sent back as it is put together: every proof with the words that it proves.
    assert final.choices[0].message.model_extra is not None
    blocks = final.choices[0].message.model_extra["thinking_blocks"]
    assert [{key: block[key] for key in block if key != "index"} for block in blocks] == [
        {"type": "thinking", "thinking": "hm", "signature": "anthropic:proof"},
        {"type": "redacted_thinking", "data": "anthropic:secret"},
        {"type": "thinking", "thinking": "ah", "signature": "anthropic:more"},
    ]
    assert "tool_calls.function.arguments.done" in {event.type for event in events}


@pytest.mark.parametrize("wants", [True, False])
async def test_usage_comes_last_and_only_for_who_wants_it(wants: bool) -> None:
    body = streamed(ANSWER, Completion(model="m", messages=(), stream=True, stream_usage=wants))
    async with client(body, content_type="text/event-stream") as openai:
        chunks = [chunk async for chunk in await openai.chat.completions.create(model="m", messages=[], stream=True)]
    assert [chunk.choices == [] for chunk in chunks].count(True) == wants
    assert (chunks[-1].usage is not None) is wants
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert body.endswith(b"data: [DONE]\n\n")
    roles = [choice.delta.role for chunk in chunks for choice in chunk.choices if choice.delta.role]
    assert roles == ["assistant", "assistant"]


def test_an_answer_without_text_or_usage() -> None:
    answer = Answer("", "", (Choice((), "filtered"),))
    body = Chat().answer(answer, COMPLETION)
    assert ChatCompletion.model_validate(body).choices[0].message.content == ""
    assert (body["model"], "usage" in body) == ("m", False)
    assert streamed(answer).count(b"data: ") == 3  # who speaks, why it ended, the end


ERRORS: list[tuple[GatewayError, int, dict[str, Any]]] = [
    (Forbidden("no", policies=["p1"]), 403, {"type": "permission_error", "code": "policy_denied", "policies": ["p1"]}),
    (
        BudgetExhausted("spent", limit="b", retry_after=1.5),
        429,
        {"type": "rate_limit_error", "code": "budget_exhausted", "limit": "b", "retry_after_ms": 1500},
    ),
    (
        Invalid("wrong", pointer="/messages/0/content/1/image_url"),
        400,
        {"type": "invalid_request_error", "code": "invalid_request", "param": "messages[0].content[1].image_url"},
    ),
    (
        MetadataRequired("say who", faults=["team"]),
        403,
        {"type": "permission_error", "code": "metadata_required", "metadata": ["team"]},
    ),
    (ProtocolViolation("nonsense"), 502, {"type": "server_error", "code": "upstream_protocol_error"}),
]


@pytest.mark.parametrize(("error", "status", "said"), ERRORS, ids=lambda value: type(value).__name__)
async def test_errors(error: GatewayError, status: int, said: dict[str, Any]) -> None:
    expected = {"message": error.message, "param": None, "request_id": "r1", **said}
    assert Chat().error(error, status, "r1") == {"error": expected}
    async with client(Chat().stream_error(error, status, "r1"), content_type="text/event-stream") as openai:
        with pytest.raises(APIError) as caught:
            async for _ in await openai.chat.completions.create(model="m", messages=[], stream=True):
                pass
    assert caught.value.body == expected


async def test_an_error_is_of_the_class_of_its_status() -> None:
    body = orjson.dumps(Chat().error(Forbidden("no"), 403, "r1"))
    async with client(body, 403) as openai:
        with pytest.raises(PermissionDeniedError) as caught:
            await openai.chat.completions.create(model="m", messages=[])
    assert caught.value.code == "policy_denied"


@pytest.mark.parametrize(
    ("event", "left"),
    [
        (b'{"id":"a","choices":[{"index":0}],"usage":null}', b'{"id":"a","choices":[{"index":0}]}'),
        (b'{"id":"a","choices":[],"usage":{"prompt_tokens":1}}', None),
        (b'{"choices":[{"x":1.5}],"usage":{"prompt_tokens":1},"z":2}', b'{"choices":[{"x":1.5}],"z":2}'),
        (b'{"choices":[{"delta":{"content":"\\"usage\\""}}]}', b'{"choices":[{"delta":{"content":"\\"usage\\""}}]}'),
        (b'{"choices":[],"usage":null}', b'{"choices":[]}'),
        (b'not json "usage"', b'not json "usage"'),
        (b'["usage"]', b'["usage"]'),
    ],
)
def test_chunks_without_the_usage(event: bytes, left: bytes | None) -> None:
    assert Chat().without_usage(event) == left


def test_a_proof_after_other_words_proves_nothing_of_before() -> None:
    writer = Chat().writer(COMPLETION)
    events = (ReasoningPiece(0, "hm"), TextPiece(0, "Well."), ReasoningPiece(0, "", "proof"))
    _, words, last = (writer.write(event) for event in events)
    assert b'"thinking_blocks":[{"index":0,"type":"thinking","thinking":"hm","signature":""}]' in words
    assert b'"thinking_blocks":[{"index":1,"type":"thinking","thinking":"","signature":"anthropic:proof"}]' in last
