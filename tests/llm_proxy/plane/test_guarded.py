"""Guardrails on requests to models and on answers, whole and streamed, in every dialect, through sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.llm_proxy.double.faults import StallMidStream
from tests.llm_proxy.double.question import Says
from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.serving import FAMILIES, Gateway, serving

CARD = "4111 1111 1111 1111"
INPUT, OUTPUT = "llm_input_guardrails", "llm_output_guardrails"
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    async with Double() as double:
        yield double


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30) as http:
        yield http


def guard(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "pii", **fields}


def guarded(
    folder: Path, double: Double, guards: Sequence[Mapping[str, Any]], *, rule: Any = None, **file: Any
) -> AbstractAsyncContextManager[Gateway]:
    """A gateway with `guards` in the group `own`, brought to every model by `rule`: the hook of each."""
    rules = [{"id": "all", **rule}] if rule else []
    spec = {"groups": [{"name": "own", "guardrails": list(guards)}], "rules": rules, **file}
    (folder / "guardrails.yaml").write_text(json.dumps(spec))
    return serving(folder, double, gateway={"guardrails": "guardrails.yaml"})


def body(dialect: str, text: str, *, family: str = "openai", stream: bool = False) -> dict[str, Any]:
    asked: dict[str, Any] = {"model": f"{family}/m", "stream": stream}
    if dialect == "responses":
        return {**asked, "input": text}
    return {**asked, "messages": [{"role": "user", "content": text}], "max_tokens": 4000}


async def ask(
    http: httpx.AsyncClient, gateway: Gateway, dialect: str, text: str, *, headers: Any = None, **fields: Any
) -> httpx.Response:
    return await http.post(gateway.url + PATHS[dialect], json=body(dialect, text, **fields), headers=headers)


def said(dialect: str, answer: httpx.Response) -> str:
    """The words of a whole answer, or of a streamed one."""
    if answer.headers["content-type"].startswith("text/event-stream"):
        events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
        match dialect:
            case "chat":
                return "".join(c["delta"].get("content") or "" for e in events for c in e.get("choices", ()))
            case "messages":
                deltas = [e["delta"] for e in events if e["type"] == "content_block_delta"]
                return "".join(delta.get("text", "") for delta in deltas)
        return "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
    told = answer.json()
    match dialect:
        case "chat":
            return str(told["choices"][0]["message"]["content"])
        case "messages":
            return "".join(block.get("text", "") for block in told["content"])
    return "".join(part["text"] for item in told["output"] for part in item.get("content", ()))


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("parallel", [False, True])
async def test_a_request_is_refused_and_nothing_is_sent(
    tmp_path: Path, double: Double, http: httpx.AsyncClient, dialect: str, stream: bool, parallel: bool
) -> None:
    async with guarded(tmp_path, double, [guard("p")], rule={INPUT: ["own/p"]}, parallel=parallel) as gateway:
        answer = await ask(http, gateway, dialect, f"My card is {CARD}", stream=stream)
        assert answer.status_code == 403
        assert CARD not in answer.text
        assert "own/p" in answer.text
        assert not double.requests
        assert (await ask(http, gateway, dialect, "Hi", stream=stream)).status_code == 200
    refused, passed = gateway.records
    assert (refused["outcome"], refused["reason"]) == ("refused", "guardrail_blocked")
    assert refused["guardrails"][0]["verdict"] == "deny"
    assert refused["guardrails"][0]["hook"] == INPUT
    assert passed["guardrails"][0]["verdict"] == "pass"


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("family", FAMILIES)
async def test_a_request_is_rewritten_before_it_is_sent(
    tmp_path: Path, double: Double, http: httpx.AsyncClient, dialect: str, family: str
) -> None:
    async with guarded(tmp_path, double, [guard("p", operation="mutate")], rule={INPUT: ["own/p"]}) as gateway:
        answer = await ask(http, gateway, dialect, f"My card is {CARD}, hi", family=family)
    assert answer.status_code == 200
    assert said(dialect, answer) == "You said: My card is [CREDIT_CARD], hi"


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
async def test_an_answer_is_withheld(
    tmp_path: Path, double: Double, http: httpx.AsyncClient, dialect: str, stream: bool, family: str
) -> None:
    async with guarded(tmp_path, double, [guard("p")], rule={OUTPUT: ["own/p"]}) as gateway:
        double.script(Says(f"The card is {CARD}, bye"))
        answer = await ask(http, gateway, dialect, "Hi", stream=stream, family=family)
    assert answer.status_code == 403
    assert "1111" not in answer.text
    assert gateway.records[-1]["reason"] == "guardrail_blocked"
    assert gateway.records[-1]["attempts"][0]["usage"]["output"] > 0


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
async def test_an_answer_is_rewritten(
    tmp_path: Path, double: Double, http: httpx.AsyncClient, dialect: str, stream: bool, family: str
) -> None:
    filler = "word " * 600
    async with guarded(tmp_path, double, [guard("p", operation="mutate")], rule={OUTPUT: ["own/p"]}) as gateway:
        double.script(Says(f"{filler}The card is {CARD}, bye {filler}end", thinking=f"Is it {CARD}?"))
        answer = await ask(http, gateway, dialect, "Hi", stream=stream, family=family)
    assert answer.status_code == 200
    assert said(dialect, answer) == f"{filler}The card is [CREDIT_CARD], bye {filler}end"
    assert "1111" not in answer.text
    assert gateway.records[-1]["guardrails"][0]["action"] == "mutate"


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("stream", [False, True])
async def test_audit_changes_no_byte(
    tmp_path: Path, double: Double, http: httpx.AsyncClient, dialect: str, stream: bool
) -> None:
    watching = [guard("p", mode="audit"), guard("m", mode="audit", operation="mutate")]
    both = ["own/p", "own/m"]
    async with guarded(tmp_path, double, watching, rule={INPUT: both, OUTPUT: both}) as gateway:
        answer = await ask(http, gateway, dialect, f"My card is {CARD}", stream=stream)
    assert answer.status_code == 200
    assert CARD in said(dialect, answer)
    notes = gateway.records[-1]["guardrails"]
    assert [(note["verdict"], note["action"]) for note in notes] == [("deny", "allow")] * 4
    assert [note["hook"] for note in notes] == [INPUT] * 2 + [OUTPUT] * 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("mode", "status"), [("enforce", 400), ("enforce_but_ignore_on_error", 200), ("audit", 200)])
@pytest.mark.parametrize("hook", [INPUT, OUTPUT])
async def test_a_guardrail_that_fails_counts_as_its_mode_says(
    tmp_path: Path, double: Double, http: httpx.AsyncClient, stream: bool, mode: str, status: int, hook: str
) -> None:
    # Nobody listens there.
    absent = {"name": "w", "type": "webhook", "mode": mode, "config": {"url": "http://127.0.0.1:9/", "retries": 0}}
    async with guarded(tmp_path, double, [absent], rule={hook: ["own/w"]}) as gateway:
        answer = await ask(http, gateway, "chat", "Hi", stream=stream)
    assert (answer.status_code >= 400) is (status >= 400)
    if status == 200:
        assert said("chat", answer) == "You said: Hi"
    assert gateway.records[-1]["guardrails"][0]["verdict"] == "error"


@pytest.mark.parametrize("dialect", PATHS)
async def test_what_needs_the_whole_holds_a_stream(
    tmp_path: Path, double: Double, http: httpx.AsyncClient, dialect: str
) -> None:
    small = {"name": "s", "type": "size", "config": {"max_characters": 400}}
    async with guarded(tmp_path, double, [small], rule={OUTPUT: ["own/s"]}) as gateway:
        assert said(dialect, await ask(http, gateway, dialect, "Hi", stream=True)) == "You said: Hi"
        answer = await ask(http, gateway, dialect, "count to 900", stream=True)
    assert answer.status_code == 403
    assert "899" not in answer.text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("operation", ["validate", "mutate"])
async def test_arguments_of_tools_are_looked_at(
    tmp_path: Path, double: Double, http: httpx.AsyncClient, stream: bool, operation: str
) -> None:
    tool = {"type": "function", "function": {"name": "pay", "parameters": {"type": "object"}}}
    asked = {**body("chat", "Pay.", stream=stream), "tools": [tool]}
    async with guarded(tmp_path, double, [guard("p", operation=operation)], rule={OUTPUT: ["own/p"]}) as gateway:
        double.script(Says("Well.", calls=(("pay", {"card": CARD, "n": 1}),)))
        answer = await http.post(gateway.url + PATHS["chat"], json=asked)
    assert "1111" not in answer.text
    if operation == "validate":
        assert "own/p" in answer.text
        assert "pay" not in answer.text
        return
    if stream:
        events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
        calls = [call for e in events for c in e["choices"] for call in c["delta"].get("tool_calls") or ()]
        arguments = "".join(call["function"].get("arguments", "") for call in calls)
    else:
        arguments = answer.json()["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(arguments) == {"card": "[CREDIT_CARD]", "n": 1}


async def test_the_header_adds_guardrails(tmp_path: Path, double: Double, http: httpx.AsyncClient) -> None:
    async with guarded(tmp_path, double, []) as gateway:
        header = {"x-tfy-guardrails": json.dumps({INPUT: ["global/secrets-detection"], OUTPUT: []})}
        secret = "AKIA" + "IOSFODNN7EXAMPLQ"
        assert (await ask(http, gateway, "chat", f"key {secret}")).status_code == 200
        refused = await ask(http, gateway, "chat", f"key {secret}", headers=header)
        unknown = await ask(http, gateway, "chat", "Hi", headers={"x-tfy-guardrails": json.dumps({INPUT: ["no/such"]})})
        absent = json.dumps({OUTPUT: ["global/hallucination-check"]})
        missing = await ask(http, gateway, "chat", "Hi", headers={"x-tfy-guardrails": absent})
    assert "global/secrets-detection" in refused.text
    assert [refused.status_code >= 400, unknown.status_code, missing.status_code] == [True, 400, 400]
    assert len(double.requests) == 1


async def test_embeddings_are_looked_at_before_they_are_made(
    tmp_path: Path, double: Double, http: httpx.AsyncClient
) -> None:
    async with guarded(tmp_path, double, [guard("p")], rule={INPUT: ["own/p"], OUTPUT: ["own/p"]}) as gateway:
        url = f"{gateway.url}/v1/embeddings"
        assert (await http.post(url, json={"model": "openai/m", "input": ["Hi"]})).status_code == 200
        refused = await http.post(url, json={"model": "openai/m", "input": ["Hi", f"card {CARD}"]})
    assert refused.status_code >= 400
    assert len(double.requests) == 1


async def test_a_rule_is_about_models(tmp_path: Path, double: Double, http: httpx.AsyncClient) -> None:
    rule = {INPUT: ["own/p"], "when": {"models": ["anthropic/*"]}, "custom_error_message": "No: {{guardrail_message}}"}
    async with guarded(tmp_path, double, [guard("p")], rule=rule) as gateway:
        assert (await ask(http, gateway, "chat", CARD)).status_code == 200
        refused = await ask(http, gateway, "chat", CARD, family="anthropic")
    assert refused.json()["error"]["message"].startswith("No: the request is blocked by the guardrail `own/p`")


@asynccontextmanager
async def service(judge: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]) -> AsyncIterator[dict[str, Any]]:
    """A guardrail that asks `judge`, over HTTP."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        said = json.dumps(await judge(json.loads(await reader.readexactly(length)))).encode()
        lines = (b"HTTP/1.1 200 OK", b"content-type: application/json", b"connection: close")
        writer.write(b"\r\n".join([*lines, b"content-length: %d" % len(said), b"", said]))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield {"name": "w", "type": "webhook", "config": {"url": f"http://127.0.0.1:{port}/"}}


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_service_may_write_an_answer_anew(
    tmp_path: Path, double: Double, http: httpx.AsyncClient, dialect: str, family: str, stream: bool
) -> None:
    async def judge(asked: dict[str, Any]) -> dict[str, Any]:
        assert asked["requestBody"]["model"] == f"{family}/m"
        left = json.dumps(asked["responseBody"]).replace("You said: Hi", "You said: Ho")
        return {"verdict": True, "transformed": True, "result": json.loads(left)}

    async with service(judge) as webhook:
        writes = {**webhook, "operation": "mutate"}
        async with guarded(tmp_path, double, [writes], rule={OUTPUT: ["own/w"]}) as gateway:
            answer = await ask(http, gateway, dialect, "Hi", stream=stream, family=family)
    assert answer.status_code == 200
    assert said(dialect, answer) == "You said: Ho"
    assert "said: Hi" not in answer.text


@pytest.mark.parametrize("stream", [False, True])
async def test_a_service_cannot_aim_a_request_at_another_model(
    tmp_path: Path, double: Double, http: httpx.AsyncClient, stream: bool
) -> None:
    async def judge(asked: dict[str, Any]) -> dict[str, Any]:
        return {"transformed": True, "result": {**asked["requestBody"], "model": "openai/dear"}}

    async with service(judge) as webhook:
        writes = {**webhook, "operation": "mutate"}
        async with guarded(tmp_path, double, [writes], rule={INPUT: ["own/w"]}) as gateway:
            answer = await ask(http, gateway, "chat", "Hi", stream=stream)
    assert answer.status_code == 403
    assert not double.requests


@pytest.mark.parametrize("stream", [False, True])
async def test_a_service_that_leaves_no_answer_withholds_it(
    tmp_path: Path, double: Double, http: httpx.AsyncClient, stream: bool
) -> None:
    async def judge(asked: dict[str, Any]) -> dict[str, Any]:
        return {"transformed": True, "result": {"choices": 7}}

    async with service(judge) as webhook:
        writes = {**webhook, "operation": "mutate"}
        async with guarded(tmp_path, double, [writes], rule={OUTPUT: ["own/w"]}) as gateway:
            answer = await ask(http, gateway, "chat", "Hi", stream=stream)
    assert answer.status_code == 403
    assert "own/w" in answer.text


async def test_a_refused_request_stops_the_provider_that_answers_already(
    tmp_path: Path, double: Double, http: httpx.AsyncClient
) -> None:
    """The guard takes its time; the provider has begun to answer; not a byte has left when the guard refuses."""
    stall = StallMidStream(after=2)
    double.script(stall)

    async def judge(asked: dict[str, Any]) -> dict[str, Any]:
        await stall.reached.wait()
        return {"verdict": False}

    async with service(judge) as webhook, guarded(tmp_path, double, [webhook], rule={INPUT: ["own/w"]}) as gateway:
        answer = await ask(http, gateway, "chat", "count to 30", stream=True)
    assert answer.status_code == 403
    assert "own/w" in answer.text
    attempt = gateway.records[-1]["attempts"][0]
    assert attempt["error"] == "CancelledError"
    assert attempt["estimated"] is True


async def test_an_answer_waits_for_what_looks_at_the_request(
    tmp_path: Path, double: Double, http: httpx.AsyncClient
) -> None:
    begun = asyncio.Event()

    async def judge(asked: dict[str, Any]) -> dict[str, Any]:
        while not double.requests:
            await asyncio.sleep(0)
        begun.set()
        return {"verdict": True}

    async with service(judge) as webhook, guarded(tmp_path, double, [webhook], rule={INPUT: ["own/w"]}) as gateway:
        for stream in (True, False):
            assert said("chat", await ask(http, gateway, "chat", "Hi", stream=stream)) == "You said: Hi"
    assert begun.is_set()


async def test_a_stream_that_is_only_watched_is_the_provider_s_byte_for_byte(
    tmp_path: Path, double: Double, http: httpx.AsyncClient
) -> None:
    watching = [guard("p", mode="audit")]
    async with guarded(tmp_path, double, watching, rule={OUTPUT: ["own/p"]}) as gateway:
        watched = await ask(http, gateway, "chat", CARD, stream=True)
    plain_folder = tmp_path / "plain"
    plain_folder.mkdir()
    async with serving(plain_folder, double) as plain:
        passed = await ask(http, plain, "chat", CARD, stream=True)
    assert watched.text.replace("double-1", "double-2") == passed.text
