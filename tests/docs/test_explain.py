"""The transcripts of docs/explain.md are what `mcp-gateway explain` says of requests that were really made.

`EXPLAIN_WRITE=1 pytest tests/docs/test_explain.py` writes them anew.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from mcp_gateway.admin.explain.look import story_of
from mcp_gateway.admin.explain.story import lines
from mcp_gateway.cli.recording import PURPOSE
from mcp_gateway.core.sign import Signer
from mcp_gateway.envelopes.observability.audit.verify import verify
from tests.llm_proxy.double.faults import Fault429, Fault500
from tests.llm_proxy.double.question import Says
from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.serving import Gateway, serving
from tests.real.processes import Server
from tests.real.processes import serving as upstream
from tests.real.wire import Wire
from tests.support import ROOT

PAGE: Final = ROOT / "docs" / "explain.md"
KEY: Final = "a key for nothing but this test, of enough characters"

POLICIES: Final = """\
@id("desk-tools") permit (principal, action in Action::"call_tool", resource in VirtualServer::"desk");
@id("models") permit (principal, action == Action::"use_model", resource);
@id("no-forbidden-marks") forbid (principal, action == Action::"up/mark", resource)
when { context.input.token == "forbidden" };
"""
GUARDS: Final = {
    "groups": [{"name": "own", "guardrails": [{"name": "pii", "type": "pii"}, {"name": "out", "type": "pii",
        "operation": "mutate"}]}],
    "rules": [{
        "id": "all",
        "mcp_tool_pre_invoke_guardrails": ["own/pii"],
        "llm_input_guardrails": ["own/pii"],
        "llm_output_guardrails": ["own/out"],
    }],
}  # fmt: skip
TOOLS: Final = {"test_simple_text": {"annotations": {"readOnlyHint": True}}, "mark": {"cost": 0.002}}
DESK: Final = {
    "name": "desk",
    "sources": [{"upstream": "up", "tools": TOOLS}],
    "rate_limits": [{"id": "few", "limit": 1, "unit": "calls_per_day", "per": ["user"], "when": {"tools": ["touch"]}}],
}
ROUTES: Final = [
    {
        "id": "by-priority",
        "type": "priority-based-routing",
        "when": {"models": ["prod/*"]},
        "load_balance_targets": [
            {"target": "openai/first", "priority": 0, "retry_config": {"attempts": 1, "delay": 1}},
            {"target": "anthropic/second", "priority": 1, "retry_config": {"attempts": 0}},
        ],
    }
]
PRICES: Final = {f"{name}": {"input": 1, "output": 2} for name in ("openai/first", "anthropic/second", "openai/m")}
BUDGET: Final = {"id": "nothing-left", "when": {"models": ["openai/dear"]}, "limits": {"cost_per_day": 0.000001}}


@dataclass(slots=True)
class Site:
    """A gateway with both planes; `last` is the id of the last request."""

    gateway: Gateway
    server: Server
    double: Double
    http: httpx.AsyncClient
    wire: Wire
    last: str = ""

    async def call(self, name: str, **arguments: Any) -> None:
        await self.wire.call(name, arguments)

    async def complete(self, model: str, text: str = "Hi", **more: Any) -> None:
        asked = {"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": text}], **more}
        await self.http.post(f"{self.gateway.url}/v1/chat/completions", json=asked)

    async def get(self, path: str, **headers: str) -> None:
        await self.http.get(self.gateway.url + path, headers=headers)


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    (folder / "policies").mkdir()
    (folder / "policies/all.cedar").write_text(POLICIES)
    (folder / "guardrails.yaml").write_text(json.dumps(GUARDS))
    (folder / "virtual_servers").mkdir()
    (folder / "virtual_servers/desk.yaml").write_text(json.dumps(DESK))
    (folder / "key").write_text(KEY)
    (folder / "key").chmod(0o600)
    (folder / "journal").touch()
    with upstream("tests.real.upstream", "--journal", str(folder / "journal"), "--era", "modern") as server:
        files = {
            "upstreams": {"up": {"url": server.url}},
            "policies": {"path": "policies"},
            "guardrails": "guardrails.yaml",
            "telemetry": {"audit": {"path": "audit", "bodies": "hashes"}},
            "state": {"encryption_keys": ["file:key"]},
        }
        prices = {**PRICES, "openai/dear": {"input": 1000, "output": 1000}}
        async with (
            Double() as double,
            serving(folder, double, gateway=files, routing=ROUTES, prices=prices, budgets=[BUDGET]) as gateway,
            httpx.AsyncClient(timeout=30) as http,
        ):
            here = Site(gateway, server, double, http, Wire(http, f"{gateway.url}/servers/desk/mcp", modern=True))

            async def note(response: httpx.Response) -> None:
                here.last = response.headers["x-request-id"]

            http.event_hooks["response"].append(note)
            yield here


async def twice(here: Site) -> None:
    for _ in range(2):
        await here.call("touch", uri="test://static-text")


async def redacted(here: Site) -> None:
    here.double.script(Says("Write to alice@example.com."), model="m")
    await here.complete("openai/m")


async def retried(here: Site) -> None:
    here.double.script(Fault429(), model="first")
    await here.complete("prod/assistant")


async def fallen_back(here: Site) -> None:
    here.double.always("first", Fault500())
    await here.complete("prod/assistant")


async def all_down(here: Site) -> None:
    here.double.always("second", Fault500())
    await here.complete("prod/assistant")


async def garbled(here: Site) -> None:
    fields = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    url = f"{here.gateway.url}/servers/desk/mcp"
    await here.http.post(url, content=b'{"jsonrpc": "2.0", "id": 1, "id": 2}', headers=fields)


async def reloaded(here: Site) -> None:
    await here.http.post(f"{here.gateway.here.control}/reload")


async def disconnected(here: Site) -> None:
    await here.http.delete(f"{here.gateway.here.control}/api/connections/corp%7Calice/tickets")


async def dead_upstream(here: Site) -> None:
    here.server.kill()
    await here.call("mark", token="late")


CASES: Final[tuple[tuple[str, Callable[[Site], Awaitable[None]]], ...]] = (
    ("A call that may change something", lambda here: here.call("mark", token="fine")),
    ("A call that only reads", lambda here: here.call("test_simple_text")),
    ("A call that a policy denies", lambda here: here.call("mark", token="forbidden")),
    ("A call beyond a limit", twice),
    ("A call with arguments that do not fit", lambda here: here.call("mark", token=7)),
    ("A call of a tool that is not there", lambda here: here.call("no_such_tool")),
    ("A tool that fails", lambda here: here.call("test_error_handling")),
    ("A call that a guardrail stops", lambda here: here.call("mark", token="pay with 4111 1111 1111 1111")),
    ("A completion", lambda here: here.complete("openai/m")),
    ("A stream", lambda here: here.complete("openai/m", stream=True)),
    ("A completion whose answer a guardrail changes", redacted),
    ("A completion that was tried again", retried),
    ("A completion that fell back to another model", fallen_back),
    ("A completion that nobody answers", all_down),
    ("A completion without money", lambda here: here.complete("openai/dear")),
    ("A model that is not there", lambda here: here.complete("nowhere/m")),
    ("A request without a path that leads anywhere", lambda here: here.get("/servers/none/mcp?token=secret")),
    ("A request whose body is no JSON", garbled),
    ("A request that the edge does not read to its end", lambda here: here.get("/servers/desk/mcp", x="y" * 40_000)),
    ("A change over the control plane", reloaded),
    ("A change over the control plane that was not made", disconnected),
    ("A call of an upstream that is gone", dead_upstream),
)  # fmt: skip


def explained(audit: Path, request_id: str) -> str:
    """What the command prints, with all that differs from one run to the next made the same."""
    story = story_of(audit, request_id)
    assert story is not None, request_id
    text = "\n".join(lines(story))
    for pattern, same in (
        (r"\b[0-9a-f]{12}-[0-9a-f]+\b", "5e0c1f3a9b27-4d"),
        (r"\b[0-9a-f]{32}\b", "6b0f5c9e2d7a4f1c8e3b5d7a9c1e4f60"),
        (r"\b\d{4}-\d\d-\d\dT[\d:.]+Z", "2026-11-28T09:30:00.000Z"),
        (r"\b\d+\.\d+(?= ms| of it| here)", "1.234"),
        (r"\bhmac-sha256:[0-9a-f]{8}:[0-9a-f]{64}", "hmac-sha256:0f1e2d3c:9a8b…"),
        (r"\b[0-9a-f]{12}(?= seq)", "c4a1d05b77e2"),
        (r"(?<=seq )\d+", "7"),
        (r"(?m)(?<=^Snapshot) +[0-9a-f]{12}", lambda found: f"{found[0][:-12]}0123456789ab"),
    ):
        text = re.sub(pattern, same, text)
    return text


async def test_the_transcripts_are_what_it_says(tmp_path: Path) -> None:
    found: list[tuple[str, str]] = []
    async with site(tmp_path) as here:
        for title, ask in CASES:
            await ask(here)
            found.append((title, here.last))
    told = [(title, explained(tmp_path / "audit", request_id)) for title, request_id in found]
    page = PAGE.read_text()
    head = page[: page.index("\n## ")] if "\n## " in page else page.rstrip("\n")
    expected = head + "".join(f"\n## {title}\n\n```text\n{text}\n```\n" for title, text in told)
    if os.environ.get("EXPLAIN_WRITE"):
        PAGE.write_text(expected)
        page = expected
    assert page == expected
    assert len(told) >= 12
    assert verify(tmp_path / "audit", Signer([KEY.encode()], PURPOSE)).findings == []
