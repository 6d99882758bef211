"""One payload, every door, both eras, real sockets: the same guardrail refuses it with the same words, both ways."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from mcp_gateway.cli.run import running
from mcp_gateway.envelopes.observability.lines import MemoryLines
from mcp_gateway.settings.load import load
from tests.envelopes.safety.support import PERSONAL
from tests.real.payloads import CLEAN, PAYLOADS
from tests.real.processes import Server, serving
from tests.real.wire import Answer, Wire

PRE, POST = "mcp_tool_pre_invoke_guardrails", "mcp_tool_post_invoke_guardrails"
TYPES = {"own/pii": "pii", "own/secrets": "secrets", "own/injection": "prompt_injection"}
REF = {"type": "ref/prompt", "name": "say"}
DOORS = ("tools/call", "resources/read", "prompts/get", "completion/complete")


def asking(door: str, what: str) -> dict[str, Any]:
    match door:
        case "resources/read":
            return {"uri": f"say://{quote(what, safe='%')}"}
        case "completion/complete":
            return {"ref": REF, "argument": {"name": "what", "value": what}}
        case _:
            return {"name": "say", "arguments": {"what": what}}


def text_of(door: str, result: Any) -> str:
    """The text that a door answered with."""
    match door:
        case "resources/read":
            (part,) = result["contents"]
        case "prompts/get":
            ((part,),) = [[message["content"] for message in result["messages"]]]
        case "completion/complete":
            (text,) = result["completion"]["values"]
            return str(text)
        case _:
            (part,) = result["content"]
    return str(part["text"])


@pytest.fixture(scope="module")
def payloads() -> Iterator[Server]:
    with serving("tests.real.payloads") as server:
        yield server


def write(folder: Path, server: Server) -> Path:
    """Two compositions of one upstream: `refusing` refuses both ways, `redacting` takes out of what comes back."""
    (folder / "virtual_servers").mkdir(parents=True)
    everything = {"upstream": "payloads", "enabled_prompts": ["*"], "enabled_resources": ["*"]}
    for name in ("refusing", "redacting"):
        spec = {"name": name, "sources": [everything]}
        (folder / "virtual_servers" / f"{name}.yaml").write_text(json.dumps(spec))
    guards = [{"name": name.partition("/")[2], "type": kind, "timeout": "30s"} for name, kind in TYPES.items()]
    takes_out = [{**each, "operation": "mutate"} for each in guards if each["type"] != "prompt_injection"]
    rules = [
        {"id": "refusing", "when": {"servers": ["refusing"]}, PRE: [*TYPES], POST: [*TYPES]},
        {"id": "redacting", "when": {"servers": ["redacting"]}, POST: ["takes-out/secrets", "takes-out/pii"]},
    ]
    groups = [{"name": "own", "guardrails": guards}, {"name": "takes-out", "guardrails": takes_out}]
    (folder / "guardrails.yaml").write_text(json.dumps({"groups": groups, "rules": rules}))
    listeners = {"port": 0, "public_url": "http://127.0.0.1:8080", "admin": {"port": 0}}
    config = {"server": listeners, "upstreams": {"payloads": {"url": server.url}}, "guardrails": "guardrails.yaml"}
    (folder / "gateway.yaml").write_text(json.dumps(config))
    return folder / "gateway.yaml"


@asynccontextmanager
async def wires(folder: Path, payloads: Server, server: str) -> AsyncIterator[tuple[list[Wire], MemoryLines]]:
    """A client of each era."""
    config = write(folder, payloads)
    lines = MemoryLines()
    async with (
        running(load(config, os.environ), lambda: load(config, os.environ), records=lines, trace=False) as here,
        httpx.AsyncClient(timeout=60) as http,
    ):
        both = [Wire(http, f"{here.data}/servers/{server}/mcp", modern=modern) for modern in (True, False)]
        await both[1].initialize()
        yield both, lines


def refusal(answer: Answer) -> tuple[Any, ...]:
    error = answer.message["error"]
    data = error["data"]
    return answer.status, error["code"], error["message"], data["reason"], data["guardrail"]


async def test_a_payload_that_comes_back_is_withheld_alike_at_every_door(tmp_path: Path, payloads: Server) -> None:
    async with wires(tmp_path, payloads, "refusing") as (both, lines):
        for name, (guardrail, payload) in PAYLOADS.items():
            answers = await asyncio.gather(*(wire.ask(door, asking(door, name)) for wire in both for door in DOORS))
            said = f"the result is withheld by the guardrail `{guardrail}`"
            assert {refusal(answer) for answer in answers} == {(200, 40301, said, "guardrail_blocked", guardrail)}, name
            assert not any(payload in json.dumps(answer.message, ensure_ascii=False) for answer in answers)
        for door in DOORS:
            assert [text_of(door, (await wire.ask(door, asking(door, "fine"))).result) for wire in both] == [CLEAN] * 2
        assert not any(payload in str(lines.records) for _, payload in PAYLOADS.values())


async def test_a_payload_that_is_sent_is_refused_alike_at_every_door(tmp_path: Path, payloads: Server) -> None:
    async with wires(tmp_path, payloads, "refusing") as (both, lines):
        for name, (guardrail, payload) in PAYLOADS.items():
            # No address has a line break in it: there is no such resource.
            doors = [door for door in DOORS if door != "resources/read" or "\n" not in payload]
            answers = await asyncio.gather(*(wire.ask(door, asking(door, payload)) for wire in both for door in doors))
            said = f"the request is blocked by the guardrail `{guardrail}`"
            assert {refusal(answer) for answer in answers} == {(200, 40301, said, "guardrail_blocked", guardrail)}, name
        assert not any(payload in str(lines.records) for _, payload in PAYLOADS.values())
    async with wires(tmp_path / "other", payloads, "redacting") as (both, _):
        got = json.loads(text_of("tools/call", (await both[0].call("received", {})).result))
        assert not any(payload in got for _, payload in PAYLOADS.values())


REDACTED = {
    "mail": "write to [EMAIL] today",
    "card": "card [CREDIT_CARD] is declined",
    "iban": "to [IBAN], please",
    "mail-in-json": '{"rows": [{"to": "[EMAIL]", "n": 1}]}',
    "mail-in-base64": "see [EMAIL]",
    "mail-in-full-width": "write to [EMAIL] today",
    "mail-in-percents": "?to=[EMAIL]",
    "cloud-key": "the key is [AWS_ACCESS_KEY]",
    "private-key": "[PRIVATE_KEY]",
    "token-in-json": '{"auth": {"header": "Bearer [BEARER_TOKEN]"}}',
    "injection": PAYLOADS["injection"][1],
}


async def test_a_payload_that_comes_back_is_taken_out_alike_at_every_door(tmp_path: Path, payloads: Server) -> None:
    assert REDACTED.keys() == PAYLOADS.keys()
    async with wires(tmp_path, payloads, "redacting") as (both, _):
        for name, left in REDACTED.items():
            for door in DOORS:
                answers = [await wire.ask(door, asking(door, name)) for wire in both]
                assert [text_of(door, answer.result) for answer in answers] == [left] * 2, (name, door)
    assert PERSONAL["email"][0] not in str(REDACTED)
