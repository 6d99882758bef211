"""The official client reads what this dialect writes: whole answers, streams, errors."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import orjson
import pytest
from hypothesis import given
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from llm_proxy.completion.answer import (
    Answer,
    Choice,
    Finished,
    ReasoningPiece,
    Started,
    TextPiece,
    ToolPiece,
    ToolStarted,
    Used,
)
from llm_proxy.completion.fold import unfold
from llm_proxy.completion.request import Completion, Format, Message, OneTool, Text, Tool, ToolUse
from llm_proxy.ingress.responses.dialect import Responses
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import Forbidden, Invalid
from tests.llm_proxy.ingress.responses.values import answers, bodies, written

RESPONSES = Responses()
EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
ASKED = Completion(
    model="prod/assistant",
    messages=(Message("user", (Text("hi"),)),),
    tools=(Tool("weather", "Tells the weather", {"type": "object"}, True), Tool("time")),
    tool_choice=OneTool("weather"),
    parallel_tools=False,
    max_tokens=100,
    temperature=0.5,
    format=Format({"type": "object"}, "city"),
    effort="low",
    user="u",
    stream=True,
)
EVENTS = (
    Started("resp_1", "gpt-x", 1_700_000_000),
    ReasoningPiece(0, "Let me "),
    ReasoningPiece(0, "see.", "openai:PROOF"),
    TextPiece(0, "It is "),
    TextPiece(0, "raining"),
    ToolStarted(0, 0, "c1", "weather"),
    ToolStarted(0, 1, "c2", "time"),
    ToolPiece(0, 0, '{"city":'),
    ToolPiece(0, 1, "{}"),
    ToolPiece(0, 0, '"Paris"}'),
    Finished(0, "tool_use"),
    Used(Usage(20, 9, 4, 1, 3)),
)


def client(body: bytes, *, status: int = 200, kind: str = "application/json") -> openai.AsyncOpenAI:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 7):
            yield body[start : start + 7]

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, headers={"content-type": kind}, content=pieces())

    transport = httpx2.MockTransport(answer)
    return openai.AsyncOpenAI(
        api_key="k", base_url="http://gw/v1", max_retries=0, http_client=httpx2.AsyncClient(transport=transport)
    )


def strictly(value: Any) -> None:
    """The client builds its models without checking: check that the wire form is what they allow."""
    Response.model_validate(value)


async def test_a_whole_answer() -> None:
    choice = Choice((Text("It is raining"), ToolUse("c1", "weather", '{"city":"Paris"}')), "tool_use")
    body = RESPONSES.answer(Answer("resp_1", "gpt-x", (choice,), Usage(20, 9, 4, 1, 3), 1_700_000_000), ASKED)
    strictly(body)
    response = await client(orjson.dumps(body)).responses.create(model="prod/assistant", input="hi")
    assert response.output_text == "It is raining"
    call = response.output[1]
    assert call.type == "function_call"
    assert (call.call_id, call.name, call.arguments) == ("c1", "weather", '{"city":"Paris"}')
    assert (response.id, response.model, response.status) == ("resp_1", "gpt-x", "completed")
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (20, 9, 29)
    assert response.usage.input_tokens_details.cached_tokens == 4
    assert response.usage.output_tokens_details.reasoning_tokens == 3


@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("filtered", "content_filter")])
async def test_an_answer_that_was_cut_off(finish: Any, reason: str) -> None:
    body = RESPONSES.answer(Answer("r", "m", (Choice((Text("Once"),), finish),)), ASKED)
    strictly(body)
    response = await client(orjson.dumps(body)).responses.create(model="m", input="hi")
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == reason
    message = response.output[0]
    assert message.type == "message"
    assert message.status == "incomplete"


async def test_a_stream_event_by_event() -> None:
    stream = await client(written(EVENTS, ASKED), kind="text/event-stream").responses.create(
        model="m", input="hi", stream=True
    )
    seen = [event async for event in stream]
    assert [(event.type, getattr(event, "output_index", None)) for event in seen] == [
        ("response.created", None),
        ("response.in_progress", None),
        ("response.output_item.added", 0),
        ("response.reasoning_summary_part.added", 0),
        ("response.reasoning_summary_text.delta", 0),
        ("response.reasoning_summary_text.delta", 0),
        ("response.reasoning_summary_text.done", 0),
        ("response.reasoning_summary_part.done", 0),
        ("response.output_item.done", 0),
        ("response.output_item.added", 1),
        ("response.content_part.added", 1),
        ("response.output_text.delta", 1),
        ("response.output_text.delta", 1),
        ("response.output_text.done", 1),
        ("response.content_part.done", 1),
        ("response.output_item.done", 1),
        ("response.output_item.added", 2),
        ("response.output_item.added", 3),
        ("response.function_call_arguments.delta", 2),
        ("response.function_call_arguments.delta", 3),
        ("response.function_call_arguments.delta", 2),
        ("response.function_call_arguments.done", 2),
        ("response.output_item.done", 2),
        ("response.function_call_arguments.done", 3),
        ("response.output_item.done", 3),
        ("response.completed", None),
    ]
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    last = seen[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == "It is raining"
    assert last.response.usage is not None
    assert last.response.usage.total_tokens == 29


async def test_the_clients_stream_helper_builds_the_same_answer() -> None:
    async with client(written(EVENTS, ASKED), kind="text/event-stream").responses.stream(
        model="m", input="hi"
    ) as stream:
        texts = [event.delta async for event in stream if event.type == "response.output_text.delta"]
        final = await stream.get_final_response()
    assert texts == ["It is ", "raining"]
    assert [item.type for item in final.output] == ["reasoning", "message", "function_call", "function_call"]
    reasoning, call = final.output[0], final.output[2]
    assert reasoning.type == "reasoning"
    assert (reasoning.summary[0].text, reasoning.encrypted_content) == ("Let me see.", "PROOF")
    assert call.type == "function_call"
    assert call.arguments == '{"city":"Paris"}'


@given(answers())
def test_all_that_is_written_is_what_the_clients_types_allow(answer: Answer) -> None:
    strictly(RESPONSES.answer(answer, ASKED))
    for number, body in enumerate(bodies(written(unfold(answer), ASKED))):
        assert EVENT.validate_python(body).sequence_number == number


@given(answers())
def test_the_last_event_of_a_stream_holds_the_whole_answer(answer: Answer) -> None:
    last = bodies(written(unfold(answer), ASKED))[-1]
    assert last["response"] == RESPONSES.answer(answer, ASKED)


async def test_a_refusal_is_an_error_of_its_status() -> None:
    body = RESPONSES.error(Invalid("input is required", pointer="/input"), 400, "req-1")
    with pytest.raises(openai.BadRequestError) as refused:
        await client(orjson.dumps(body), status=400).responses.create(model="m", input="hi")
    assert (refused.value.code, refused.value.param) == ("invalid_request", "input")
    assert isinstance(refused.value.body, dict)
    assert refused.value.body["request_id"] == "req-1"


async def test_an_error_inside_a_stream_reaches_the_client() -> None:
    body = written(EVENTS[:4], ASKED).rpartition(b"event:")[0]
    body += RESPONSES.stream_error(Forbidden("no", policies=("p1",)), 403, "req-1")
    stream = await client(body, kind="text/event-stream").responses.create(model="m", input="hi", stream=True)
    with pytest.raises(openai.APIError) as failed:
        async for _ in stream:
            pass
    assert failed.value.code == "policy_denied"


def test_usage_is_always_told() -> None:
    assert RESPONSES.wants_usage({}) is True
    assert RESPONSES.without_usage(b"{}") == b"{}"
