"""One payload on both planes of one gateway: the same guardrail refuses it with the same words, both ways."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from mcp_gateway.cli.run import running
from mcp_gateway.envelopes.observability.lines import MemoryLines
from mcp_gateway.settings.load import load
from tests.llm_proxy.double.question import Says
from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.serving import providers
from tests.real.payloads import CLEAN, PAYLOADS
from tests.real.processes import Server, serving
from tests.real.test_guardrail_doors import DOORS, TYPES, asking, refusal, text_of, write
from tests.real.wire import Wire

PATHS = ("/v1/chat/completions", "/v1/messages", "/v1/responses")


@pytest.fixture(scope="module")
def payloads() -> Iterator[Server]:
    with serving("tests.real.payloads") as server:
        yield server


@asynccontextmanager
async def planes(folder: Path, payloads: Server, double: Double) -> AsyncIterator[tuple[Wire, httpx.AsyncClient]]:
    """A client of each plane."""
    config = write(folder, payloads)
    spec = json.loads(config.read_text())
    config.write_text(json.dumps({**spec, "models": "models.yaml"}))
    (folder / "models.yaml").write_text(json.dumps({"providers": providers(double)}))
    rules = json.loads((folder / "guardrails.yaml").read_text())
    rules["rules"].append({"id": "models", "llm_input_guardrails": [*TYPES], "llm_output_guardrails": [*TYPES]})
    (folder / "guardrails.yaml").write_text(json.dumps(rules))
    environment = {**os.environ, "PROVIDER_KEY": "provider-key-1"}
    async with (
        running(
            load(config, environment), lambda: load(config, environment), records=MemoryLines(), trace=False
        ) as here,
        httpx.AsyncClient(base_url=here.data, timeout=60) as http,
    ):
        yield Wire(http, f"{here.data}/servers/refusing/mcp", modern=True), http


async def ask(http: httpx.AsyncClient, path: str, text: str, *, stream: bool) -> httpx.Response:
    words: Any = {"input": text} if path == "/v1/responses" else {"messages": [{"role": "user", "content": text}]}
    return await http.post(path, json={"model": "openai/m", "max_tokens": 500, "stream": stream, **words})


def told(path: str, answer: httpx.Response) -> tuple[int, str]:
    """The status and the words of a refusal."""
    return answer.status_code, answer.json()["error"]["message"]


async def test_a_payload_is_refused_on_both_planes_and_both_ways(tmp_path: Path, payloads: Server) -> None:
    async with Double() as double, planes(tmp_path, payloads, double) as (wire, http):
        for name, (guardrail, payload) in PAYLOADS.items():
            doors = [door for door in DOORS if door != "resources/read" or "\n" not in payload]
            for door in doors:
                assert refusal(await wire.ask(door, asking(door, payload)))[-1] == guardrail, (name, door)
                assert refusal(await wire.ask(door, asking(door, name)))[-1] == guardrail, (name, door)
            for path in PATHS:
                for stream in (False, True):
                    before = len(double.requests)
                    sent = await ask(http, path, payload, stream=stream)
                    assert len(double.requests) == before
                    double.script(Says(payload))
                    came = await ask(http, path, "Hi", stream=stream)
                    status, words = told(path, sent)
                    assert status == 403
                    assert f"the request is blocked by the guardrail `{guardrail}`" in words, (name, path, stream)
                    assert f"the answer is withheld by the guardrail `{guardrail}`" in told(path, came)[1]
                    assert payload not in sent.text + came.text
        for door in DOORS:
            assert text_of(door, (await wire.ask(door, asking(door, "fine"))).result) == CLEAN
        for path in PATHS:
            assert CLEAN in (await ask(http, path, CLEAN, stream=False)).text
