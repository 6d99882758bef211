"""`telemetry.content: redacted`: arguments, results, prompts and answers in spans, without what is sensitive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.llm_proxy.double.question import Says
from tests.llm_proxy.plane.serving import write
from tests.real.recording import Recording, static_upstream
from tests.telemetry.receiver import Receiver, receiving
from tests.telemetry.site import site, spans

SECRETS = ("AKIAIOSFODNN7EXAMPLQ", "alice@example.com", "4111 1111 1111 1111")
WATCHES = {"name": "g", "type": "pii", "mode": "audit"}
NEEDS_ALL = {"name": "g", "type": "size", "config": {"max_characters": 400}}
PASSES_ON = {"name": "g", "type": "pii"}
CONTENT = (
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Recording]:
    with static_upstream() as running:
        yield running


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def shown(found: Any, name: str) -> dict[str, Any]:
    """The content of the one server span of that name."""
    (span,) = [span for span in found if span.name == name and span.kind == 2]
    return {key: json.loads(span.attributes[key]) for key in CONTENT if key in span.attributes}


async def test_without_it_there_is_none(tmp_path: Path, upstream: Recording, collector: Receiver) -> None:
    async with site(tmp_path, upstream, collector) as here:
        await here.complete()
        await here.call(name="a_look_up", arguments={"word": "moon"})
        found = await spans(collector, 4)
    assert [key for span in found for key in span.attributes if key in CONTENT] == []


async def test_a_call_and_a_completion_with_their_content(
    tmp_path: Path, upstream: Recording, collector: Receiver
) -> None:
    asked = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "tool_calls": [
            {"id": "t1", "type": "function", "function": {"name": "look", "arguments": '{"at": "moon"}'}}]},
        {"role": "tool", "tool_call_id": "t1", "content": "seen"},
    ]  # fmt: skip
    async with site(tmp_path, upstream, collector, content="redacted") as here:
        here.double.script(Says("The moon."), model="m")
        assert (await here.complete(messages=asked)).status_code == 200
        await here.call(name="a_look_up", arguments={"word": "moon"})
        found = await spans(collector, 4)
    called, completed = shown(found, "tools/call a_look_up"), shown(found, "chat openai/m")
    assert called["gen_ai.tool.call.arguments"] == {"word": "moon"}
    assert called["gen_ai.tool.call.result"]["content"] == [{"type": "text", "text": "moon: found"}]
    assert "_meta" not in called["gen_ai.tool.call.result"]
    assert completed["gen_ai.system_instructions"] == [{"type": "text", "content": "Be brief."}]
    call = {"type": "tool_call", "id": "t1", "name": "look", "arguments": {"at": "moon"}}
    said = {"type": "tool_call_response", "id": "t1", "response": [{"type": "text", "content": "seen"}]}
    assert completed["gen_ai.input.messages"] == [
        {"role": "user", "parts": [{"type": "text", "content": "Hi"}]},
        {"role": "assistant", "parts": [call]},
        {"role": "tool", "parts": [said]},
    ]
    answered = {"role": "assistant", "parts": [{"type": "text", "content": "The moon."}], "finish_reason": "stop"}
    assert completed["gen_ai.output.messages"] == [answered]


async def test_no_secret_and_no_personal_data_is_in_a_span(
    tmp_path: Path, upstream: Recording, collector: Receiver
) -> None:
    words = "; ".join(SECRETS)
    async with site(tmp_path, upstream, collector, content="redacted") as here:
        here.double.script(Says(f"You said {words}"), model="m")
        messages = [{"role": "system", "content": words}, {"role": "user", "content": words}]
        await here.complete(messages=messages, headers={"authorization": "Bearer anonymous"})
        await here.call(name="a_look_up", arguments={"word": words})
        found = await spans(collector, 4)
    both = [shown(found, "tools/call a_look_up"), shown(found, "chat openai/m")]
    assert {key for each in both for key in each} == set(CONTENT), "all of it is there"
    for body in collector.bodies:
        assert [secret for secret in SECRETS if secret.encode() in body] == []
    assert b"provider-key-1" not in b"".join(collector.bodies)


async def test_what_is_too_long_is_left_out_and_said_so(
    tmp_path: Path, upstream: Recording, collector: Receiver
) -> None:
    turns = [{"role": "user", "content": f"{number} " + "x" * 3_000} for number in range(5)]
    async with site(tmp_path, upstream, collector, content="redacted") as here:
        await here.complete(messages=turns)
        await here.call(name="a_look_up", arguments={"word": "x" * 20_000})
        found = await spans(collector, 4)
    called, completed = shown(found, "tools/call a_look_up"), shown(found, "chat openai/m")
    assert called == {}
    begun = [message["parts"][0]["content"][:1] for message in completed["gen_ai.input.messages"]]
    assert begun == ["3", "4"], "the newest"
    left_out = {
        span.name: span.attributes["mcp_gateway.content.left_out"]
        for span in found
        if "mcp_gateway.content.left_out" in span.attributes
    }
    assert left_out == {
        "tools/call a_look_up": ["gen_ai.tool.call.arguments", "gen_ai.tool.call.result"],
        "chat openai/m": ["gen_ai.input.messages"],
    }
    assert all(len(value) < 8_300 for span in found for value in span.attributes.values() if isinstance(value, str))


async def test_what_a_terminal_acts_on_is_escaped(tmp_path: Path, upstream: Recording, collector: Receiver) -> None:
    evil = "\x1b[31m\u2028\u202e\x9bnext\nline 月 \U000e0001"
    async with site(tmp_path, upstream, collector, content="redacted") as here:
        await here.call(name="a_look_up", arguments={"word": evil})
        found = await spans(collector, 2)
    (span,) = [span for span in found if span.kind == 2]
    text = span.attributes["gen_ai.tool.call.arguments"]
    assert text.isprintable() and "月" in text
    assert json.loads(text) == {"word": evil}


@pytest.mark.parametrize(("guard", "whole"), [(WATCHES, True), (NEEDS_ALL, True), (PASSES_ON, False), (None, False)])
async def test_the_answer_of_a_stream_is_there_where_guardrails_saw_it_whole(
    tmp_path: Path, upstream: Recording, collector: Receiver, *, guard: Any, whole: bool
) -> None:
    rule = {"id": "all", "llm_output_guardrails": ["own/g"]}
    (tmp_path / "guardrails.yaml").write_text(
        json.dumps({"groups": [{"name": "own", "guardrails": [guard]}], "rules": [rule]})
    )
    more = {} if guard is None else {"guardrails": "guardrails.yaml"}
    async with site(tmp_path, upstream, collector, gateway=more, content="redacted") as here:
        here.double.script(Says("The moon is up."), model="m")
        assert "moon" in (await here.complete(stream=True)).text
        found = await spans(collector, 2)
    completed = shown(found, "chat openai/m")
    assert completed["gen_ai.input.messages"][0]["parts"] == [{"type": "text", "content": "Hi"}]
    assert ("gen_ai.output.messages" in completed) is whole
    if whole:
        assert completed["gen_ai.output.messages"][0]["parts"] == [{"type": "text", "content": "The moon is up."}]


async def test_it_can_be_switched_on_and_off_while_the_gateway_serves(
    tmp_path: Path, upstream: Recording, collector: Receiver
) -> None:
    async with site(tmp_path, upstream, collector) as here:
        await here.call(name="a_look_up", arguments={"word": "one"})
        for content in ("redacted", "none"):
            told = {"otlp_endpoint": collector.url, "content": content}
            sections = {"upstreams": {"archive": {"url": upstream.url}}, "telemetry": told}
            write(here.gateway.folder, here.double, gateway=sections)
            assert (await here.gateway.here.gateway.reload()).ok
            await here.call(name="a_look_up", arguments={"word": content})
        found = await spans(collector, 6)
    seen = [span.attributes.get("gen_ai.tool.call.arguments") for span in found if span.kind == 2]
    assert seen == [None, '{"word":"redacted"}', None]
