"""Guardrails in a gateway that is in use: real sockets, both eras, a real upstream, and a guardrail of one's own."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mcp_gateway.cli.run import running
from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.envelopes.observability.lines import MemoryLines
from mcp_gateway.settings.load import load
from tests.real.processes import Server, serving
from tests.real.wire import Wire

PRE, POST = "mcp_tool_pre_invoke_guardrails", "mcp_tool_post_invoke_guardrails"
ENTRY = {"amt": 5, "requester": "alice@example.com", "currency": "EUR", "memo": "mail bob@example.com"}


@pytest.fixture(scope="module")
def ledger() -> Iterator[Server]:
    with serving("tests.upstreams.plain") as server:
        yield server


def write(folder: Path, ledger: Server, guardrails: dict[str, Any]) -> Path:
    (folder / "virtual_servers").mkdir(exist_ok=True)
    desk = {"name": "desk", "sources": [{"upstream": "ledger"}]}
    (folder / "virtual_servers" / "desk.yaml").write_text(json.dumps(desk))
    (folder / "guardrails.yaml").write_text(json.dumps(guardrails))
    listeners = {"port": 0, "public_url": "http://127.0.0.1:8080", "admin": {"port": 0}}
    upstreams = {"ledger": {"url": ledger.url}}
    config = folder / "gateway.yaml"
    config.write_text(json.dumps({"server": listeners, "upstreams": upstreams, "guardrails": "guardrails.yaml"}))
    return config


def judgements(line: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = line["guardrails"]
    return found


def phase(mode: str) -> dict[str, Any]:
    return {
        "groups": [
            {
                "name": "global",
                "guardrails": [{"name": "pii-redaction", "type": "pii", "operation": "mutate", "mode": mode}],
            }
        ],
        "rules": [{"id": "all", PRE: ["global/pii-redaction"]}],
    }


@pytest.mark.parametrize("modern", [True, False])
async def test_a_roll_out_goes_through_its_phases_by_reload(tmp_path: Path, ledger: Server, modern: bool) -> None:
    config = write(tmp_path, ledger, phase("audit"))
    lines = MemoryLines()
    settings = load(config, os.environ)
    async with (
        running(settings, lambda: load(config, os.environ), records=lines, trace=False) as here,
        httpx.AsyncClient(timeout=30) as http,
    ):
        wire = Wire(http, f"{here.data}/servers/desk/mcp", modern=modern)
        if not modern:
            await wire.initialize()
        seen = []
        for mode in ("audit", "enforce_but_ignore_on_error", "enforce"):
            write(tmp_path, ledger, phase(mode))
            assert (await here.gateway.reload()).ok
            answer = await wire.call("post_entry", ENTRY)
            seen.append("bob@example.com" in json.dumps(answer.result))
        assert seen == [True, False, False]
        judged = [judgements(line)[0]["action"] for line in lines.records if line.get("guardrails")]
        assert judged == ["allow", "mutate", "mutate"]
        assert "bob@example.com" not in json.dumps(lines.records)


async def test_a_file_that_cannot_be_used_stops_the_start_and_says_where(tmp_path: Path, ledger: Server) -> None:
    config = write(tmp_path, ledger, {"rules": [{"id": "all", PRE: ["global/pii-redactoin"]}]})
    with pytest.raises(ConfigurationError) as caught:
        async with running(
            load(config, os.environ), lambda: load(config, os.environ), records=MemoryLines(), trace=False
        ):
            raise AssertionError("it started")
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == (str(tmp_path / "guardrails.yaml"), 1)
    assert "global/pii-redactoin" in problem.message and "global/pii-redaction" in problem.hint


async def test_a_guardrail_of_ones_own_that_is_down_follows_its_mode(tmp_path: Path, ledger: Server) -> None:
    def hook(mode: str) -> dict[str, Any]:
        config = {"url": "http://127.0.0.1:9/", "retries": 0}  # the discard port: nobody listens
        own = {"name": "hook", "type": "webhook", "mode": mode, "timeout": "1s", "config": config}
        return {"groups": [{"name": "own", "guardrails": [own]}], "rules": [{"id": "all", POST: ["own/hook"]}]}

    config = write(tmp_path, ledger, hook("enforce"))
    lines = MemoryLines()
    async with (
        running(load(config, os.environ), lambda: load(config, os.environ), records=lines, trace=False) as here,
        httpx.AsyncClient(timeout=30) as http,
    ):
        wire = Wire(http, f"{here.data}/servers/desk/mcp", modern=True)
        answers = await asyncio.gather(*(wire.call("query_balance", {"account": "a"}) for _ in range(3)))
        assert {answer.code for answer in answers} == {40301}
        write(tmp_path, ledger, hook("enforce_but_ignore_on_error"))
        assert (await here.gateway.reload()).ok
        assert (await wire.call("query_balance", {"account": "a"})).code is None
        last = judgements(lines.records[-1])[0]
        assert (last["verdict"], last["action"]) == ("error", "allow")
