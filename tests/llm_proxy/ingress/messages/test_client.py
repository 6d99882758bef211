"""Anthropic's own client reads what this dialect writes."""

from collections.abc import Callable

import anthropic
import httpx2
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.shared import ErrorResponse
from hypothesis import given
from pydantic import TypeAdapter

from llm_proxy.completion.answer import (
    Answer,
    Event,
    Finished,
    ReasoningPiece,
    Started,
    TextPiece,
    ToolPiece,
    ToolStarted,
    Used,
)
from llm_proxy.completion.fold import unfold
from llm_proxy.completion.request import Reasoning, Text, ToolUse
from llm_proxy.ingress.messages.dialect import Messages
from llm_proxy.providers.anthropic_messages.codec import AnthropicMessages
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import Blocked, Forbidden, Invalid, LimitExceeded, Overloaded, TimedOut, Unauthenticated
from mcp_gateway.core.sse import SseDecoder
from mcp_gateway.core.strictjson import dumps, loads
from tests.llm_proxy.ingress.messages.values import ASKED, answers

EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
TOOL = anthropic.types.ToolParam(name="weather", description="of a town", input_schema={"type": "object"})


def client(respond: Callable[[httpx2.Request], httpx2.Response]) -> anthropic.Anthropic:
    transport = httpx2.MockTransport(respond)
    return anthropic.Anthropic(
        api_key="k", base_url="http://gateway", max_retries=0, http_client=httpx2.Client(transport=transport)
    )


def streaming(*events: Event) -> anthropic.Anthropic:
    writer = Messages().writer(ASKED)
    body = b"".join([writer.write(event) for event in events]) + writer.end()
    return client(lambda _: httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body))


def messages(text: str = "hi") -> list[anthropic.types.MessageParam]:
    return [{"role": "user", "content": text}]


@given(answers())
def test_whole_answers_are_messages(answer: Answer) -> None:
    message = Message.model_validate_json(dumps(Messages().answer(answer, ASKED)), strict=True)
    kinds = {Text: "text", ToolUse: "tool_use"}
    assert [block.type for block in message.content] == [
        kinds.get(type(part)) or ("redacted_thinking" if isinstance(part, Reasoning) and part.redacted else "thinking")
        for part in answer.choices[0].parts
    ]
    assert answer.usage is not None
    cached = (message.usage.cache_creation_input_tokens or 0) + (message.usage.cache_read_input_tokens or 0)
    assert message.usage.input_tokens + cached == answer.usage.input
    assert message.usage.output_tokens == answer.usage.output


@given(answers())
def test_every_event_of_a_stream_is_one_of_theirs(answer: Answer) -> None:
    writer = Messages().writer(ASKED)
    stream = b"".join([writer.write(event) for event in unfold(answer)]) + writer.end()
    events = [EVENT.validate_json(event.data) for event in SseDecoder().feed(stream)]
    assert [events[0].type, events[-2].type, events[-1].type] == ["message_start", "message_delta", "message_stop"]


def test_create_sends_what_the_dialect_reads_and_reads_what_it_writes() -> None:
    seen = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        completion = Messages().read(loads(request.content))
        seen.append((request.url.path, completion))
        body = Messages().answer(
            AnthropicMessages().answer(
                {
                    "type": "message", "id": "msg_1", "model": "m", "role": "assistant",
                    "content": [{"type": "text", "text": "Cold."}],
                    "stop_reason": "end_turn", "usage": {"input_tokens": 3, "output_tokens": 2},
                }
            ),
            completion,
        )  # fmt: skip
        return httpx2.Response(200, content=dumps(body))

    answer = client(respond).messages.create(
        model="prod/m", max_tokens=50, messages=messages(), system="Be short.", tools=[TOOL],
        tool_choice={"type": "tool", "name": "weather"}, stop_sequences=["END"],
        thinking={"type": "enabled", "budget_tokens": 2048}, metadata={"user_id": "u"},
    )  # fmt: skip
    assert answer.content[0].type == "text" and answer.content[0].text == "Cold."
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (3, 2)
    path, completion = seen[0]
    assert path == "/v1/messages"
    assert (completion.model, completion.max_tokens, completion.effort, completion.user) == ("prod/m", 50, "low", "u")
    assert [tool.name for tool in completion.tools] == ["weather"] and completion.stop == ("END",)


def test_the_stream_helper_puts_text_thoughts_and_parallel_tools_together() -> None:
    events = (
        Started("msg_1", "m"),
        ReasoningPiece(0, "Let me "),
        ReasoningPiece(0, "see."),
        ReasoningPiece(0, "", "proof"),
        ReasoningPiece(0, "", "", "sealed"),
        TextPiece(0, "I look "),
        TextPiece(0, "it up."),
        ToolStarted(0, 0, "toolu_a", "weather"),
        ToolPiece(0, 0, '{"town":'),
        ToolStarted(0, 1, "toolu_b", "weather"),  # before the first is complete
        ToolPiece(0, 1, '{"town":"Os'),
        ToolPiece(0, 0, '"Rome"}'),
        ToolPiece(0, 1, 'lo"}'),
        Used(Usage(100, 20, 60, 10, 5)),
        Finished(0, "tool_use"),
    )
    texts = []
    with streaming(*events).messages.stream(model="m", max_tokens=9, messages=messages(), tools=[TOOL]) as stream:
        texts = list(stream.text_stream)
        final = stream.get_final_message()
    assert texts == ["I look ", "it up."]
    assert [block.to_dict(exclude_none=True) for block in final.content] == [
        {"type": "thinking", "thinking": "Let me see.", "signature": "proof"},
        {"type": "redacted_thinking", "data": "sealed"},
        {"type": "text", "text": "I look it up."},
        {"type": "tool_use", "id": "toolu_a", "name": "weather", "input": {"town": "Rome"}},
        {"type": "tool_use", "id": "toolu_b", "name": "weather", "input": {"town": "Oslo"}},
    ]
    assert final.stop_reason == "tool_use"
    usage = final.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (30, 60, 10)
    assert (
        usage.output_tokens == 20 and usage.output_tokens_details and usage.output_tokens_details.thinking_tokens == 5
    )


def test_a_tool_without_arguments_has_an_empty_input() -> None:
    stream = streaming(Started("i", "m"), ToolStarted(0, 0, "toolu_a", "now"), Finished(0, "tool_use"))
    with stream.messages.stream(model="m", max_tokens=9, messages=messages()) as helper:
        block = helper.get_final_message().content[0]
    assert block.type == "tool_use" and block.input == {}


@pytest.mark.parametrize(
    ("error", "status", "raised", "said"),
    [
        (Invalid("m", pointer="/messages/0"), 400, anthropic.BadRequestError, {"pointer": "/messages/0"}),
        (Unauthenticated("m"), 401, anthropic.AuthenticationError, {"reason": "unauthenticated"}),
        (Forbidden("m", policies=["p"]), 403, anthropic.PermissionDeniedError, {"policies": ["p"]}),
        (Blocked("m", guardrail="g/x"), 403, anthropic.PermissionDeniedError, {"guardrail": "g/x"}),
        (LimitExceeded("m", limit="l", retry_after=1.5), 429, anthropic.RateLimitError, {"retry_after_ms": 1500}),
        (LimitExceeded("m", limit="l"), 429, anthropic.RateLimitError, {"limit": "l"}),
        (Overloaded("m"), 503, anthropic.InternalServerError, {"reason": "overloaded"}),
        (TimedOut("m"), 504, anthropic.InternalServerError, {"reason": "upstream_timeout"}),
    ],
)
def test_errors_are_those_of_the_client(
    error: Invalid, status: int, raised: type[anthropic.APIStatusError], said: dict[str, object]
) -> None:
    body = dumps(Messages().error(error, status, "req-1"))
    with pytest.raises(raised) as caught:
        client(lambda _: httpx2.Response(status, content=body)).messages.create(
            model="m", max_tokens=9, messages=messages()
        )
    told = ErrorResponse.model_validate_json(body)
    assert (told.error.message, told.request_id) == ("m", "req-1")
    assert caught.value.type == told.error.type
    assert isinstance(caught.value.body, dict)
    fields = caught.value.body["error"]
    assert fields["reason"] == error.reason
    assert said.items() <= fields.items()


def test_an_error_ends_a_stream() -> None:
    writer = Messages().writer(ASKED)
    body = writer.write(Started("i", "m")) + writer.write(TextPiece(0, "so far"))
    body += Messages().stream_error(Blocked("stopped", guardrail="g"), 403, "req-1")
    cut = client(lambda _: httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body))
    texts = []
    with (
        pytest.raises(anthropic.APIStatusError, match="guardrail_blocked"),
        cut.messages.stream(model="m", max_tokens=9, messages=messages()) as stream,
    ):
        for text in stream.text_stream:
            texts.append(text)
    assert texts == ["so far"]
