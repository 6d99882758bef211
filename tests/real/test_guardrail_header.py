"""One header for all planes, and a rollout in three phases, without an application changing a line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mcp_gateway.cli.run import running
from mcp_gateway.envelopes.observability.lines import MemoryLines
from mcp_gateway.settings.load import load
from tests.real.processes import Server, serving
from tests.real.test_guardrails import write
from tests.real.wire import Wire

HEADER = {
    "llm_input_guardrails": ["global/pii-redaction", "global/prompt-injection-detection"],
    "llm_output_guardrails": ["global/secrets-detection", "global/hallucination-check"],
    "mcp_tool_pre_invoke_guardrails": ["global/secrets-detection", "global/sql-sanitizer"],
    "mcp_tool_post_invoke_guardrails": ["global/pii-redaction"],
}
ENTRY = {"amt": 5, "requester": "desk", "currency": "EUR", "memo": "mail bob@example.com"}


@pytest.fixture(scope="module")
def ledger() -> Iterator[Server]:
    with serving("tests.upstreams.plain") as server:
        yield server


class Headed(Wire):
    """A client whose every request names guardrails."""

    def _headers(self, method: str, params: Any) -> dict[str, str]:
        return {**super()._headers(method, params), "X-TFY-GUARDRAILS": json.dumps(HEADER)}


def phase(mode: str) -> dict[str, Any]:
    kinds = {"pii-redaction": ("pii", "mutate"), "secrets-detection": ("secrets", "validate")}
    guardrails = [
        {"name": name, "type": kind, "operation": operation, "mode": mode} for name, (kind, operation) in kinds.items()
    ]
    return {"groups": [{"name": "global", "guardrails": guardrails}]}


@pytest.mark.parametrize("modern", [True, False])
async def test_the_header_brings_guardrails_and_their_mode_is_the_phase(
    tmp_path: Path, ledger: Server, modern: bool
) -> None:
    config = write(tmp_path, ledger, phase("audit"))
    lines = MemoryLines()
    async with (
        running(load(config, os.environ), lambda: load(config, os.environ), records=lines, trace=False) as here,
        httpx.AsyncClient(timeout=30) as http,
    ):
        wire = Headed(http, f"{here.data}/servers/desk/mcp", modern=modern)
        if not modern:
            await wire.initialize()
        for mode, shown, code in (
            ("audit", True, None),
            ("enforce_but_ignore_on_error", False, 40301),
            ("enforce", False, 40301),
        ):
            write(tmp_path, ledger, phase(mode))
            assert (await here.gateway.reload()).ok
            answer = await wire.call("post_entry", ENTRY)
            assert ("bob@example.com" in json.dumps(answer.result)) is shown, mode
            leaked = await wire.call("post_entry", {**ENTRY, "memo": "AKIA" + "QYLPMN5HHHFPZAM2"})
            assert leaked.code == code, mode
            if code is not None:
                assert leaked.message["error"]["data"]["guardrail"] == "global/secrets-detection"


async def test_what_only_an_admin_can_complete_is_refused_where_it_would_be_asked(
    tmp_path: Path, ledger: Server
) -> None:
    config = write(tmp_path, ledger, {})
    lines = MemoryLines()
    async with (
        running(load(config, os.environ), lambda: load(config, os.environ), records=lines, trace=False) as here,
        httpx.AsyncClient(
            timeout=30,
            headers={"X-TFY-GUARDRAILS": '{"mcp_tool_pre_invoke_guardrails": ["global/hallucination-check"]}'},
        ) as http,
    ):
        wire = Wire(http, f"{here.data}/servers/desk/mcp", modern=True)
        error = (await wire.call("query_balance", {"account": "a"})).message["error"]
        assert "declare it in a group `global`" in error["message"]
