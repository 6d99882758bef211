"""What the control plane tells of a gateway with both planes: the same facts as the commands, on real sockets."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from mcp_gateway.admin.explain.look import story_of
from mcp_gateway.admin.explain.story import facts
from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.serving import ENVIRONMENT, Gateway, serving
from tests.real.processes import Server, until
from tests.real.processes import serving as upstream
from tests.real.wire import Wire

POLICIES = """\
@id("all") permit (principal, action, resource);
@id("no-marks") forbid (principal, action == Action::"up/mark", resource) when { context.input.token == "forbidden" };
"""
DESK = {
    "name": "desk",
    "title": "Desk",
    "sources": [{"upstream": "up", "prefix": "u_", "tools": {"mark": {"cost": 0.002, "tags": ["books"]}}}],
    "rate_limits": [{"id": "few", "limit": 1, "unit": "calls_per_day", "when": {"tools": ["u_touch"]}}],
}
PRICES = {"openai/m": {"input": 1, "output": 2}}
BUDGET = {"id": "plenty", "when": {}, "limits": {"cost_per_day": 100}, "per": ["metadata.team"]}


@dataclass(slots=True)
class Site:
    gateway: Gateway
    server: Server
    http: httpx.AsyncClient
    wire: Wire

    async def facts(self, path: str, **params: Any) -> Any:
        answer = await self.http.get(self.gateway.here.control + path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def command(self, *words: str) -> Any:
        """What a command prints with --json, as another process beside the gateway."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mcp_gateway", *words, "--json", "--config", "gateway.yaml"),
            cwd=self.gateway.folder,
            env=dict(ENVIRONMENT),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0
        return json.loads(output)

    async def complete(self, team: str) -> str:
        asked = {"model": "openai/m", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}
        headers = {"x-tfy-metadata": json.dumps({"team": team, "project_id": f"{team}-1"})}
        answer = await self.http.post(f"{self.gateway.url}/v1/chat/completions", json=asked, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.headers["x-request-id"]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/all.cedar").write_text(POLICIES)
    (tmp_path / "virtual_servers").mkdir()
    (tmp_path / "virtual_servers/desk.yaml").write_text(json.dumps(DESK))
    (tmp_path / "journal").touch()
    with upstream("tests.real.upstream", "--journal", str(tmp_path / "journal"), "--era", "modern") as server:
        files = {
            "upstreams": {"up": {"url": server.url, "breaker": {"failures": 1, "cooldown": "60s"}}},
            "policies": {"path": "policies"},
            "telemetry": {"audit": {"path": "audit"}},
        }
        async with (
            Double() as double,
            serving(tmp_path, double, gateway=files, prices=PRICES, budgets=[BUDGET]) as gateway,
            httpx.AsyncClient(timeout=30) as http,
        ):
            yield Site(gateway, server, http, Wire(http, f"{gateway.url}/servers/desk/mcp", modern=True))


async def test_decisions_of_both_planes_and_their_stories(site: Site) -> None:
    await site.wire.call("u_mark", {"token": "fine"})
    await site.wire.call("u_mark", {"token": "forbidden"})
    for _ in range(2):
        await site.wire.call("u_touch", {"uri": "test://static-text"})
    await site.complete("red")
    listed = (await site.facts("/api/decisions"))["items"]
    told = [(each["plane"], each["outcome"], each["reason"], each["limit"]) for each in listed]
    assert told == [
        ("llm", "ok", None, None),
        ("mcp", "refused", "rate_limited", "few"),
        ("mcp", "ok", None, None),
        ("mcp", "refused", "policy_denied", None),
        ("mcp", "ok", None, None),
    ]
    assert listed[3]["policies"] == ["no-marks"]
    assert (listed[4]["cost_usd"], listed[0]["target"]) == (0.002, "openai/m")
    for each in (listed[0], listed[3]):
        story = await site.facts(f"/api/decisions/{each['request_id']}")
        told_by_the_record = story_of(site.gateway.folder / "audit", each["request_id"])
        assert told_by_the_record is not None and story == facts(told_by_the_record)
        assert story["ended"] and story["steps"][0]["about"] == "Outcome"
    refusals = await site.facts("/api/refusals", by="reason,tool,policy,limit")
    assert sorted((*each["keys"].values(), each["count"]) for each in refusals["items"]) == [
        ("policy_denied", "up/mark", "no-marks", None, 1),
        ("rate_limited", "up/touch", None, "few", 1),
    ]  # fmt: skip


@pytest.mark.timeout(120)
async def test_usage_has_the_numbers_of_the_command(site: Site) -> None:
    for team in ("red", "red", "blue"):
        await site.complete(team)
    await site.wire.call("u_mark", {"token": "fine"})

    async def entered() -> bool:
        return bool((await site.facts("/api/usage"))["total"]["requests"] == 4)

    await until("the ledger has all", entered)
    by = "metadata.project_id,team,model,tool,day"
    told, printed = await site.facts("/api/usage", group_by=by), await site.command("usage", "--by", by)
    assert (told["items"], told["total"], told["by"]) == (printed["groups"], printed["total"], printed["by"])
    assert len(told["items"]) == 3 and told["next"] is None
    pages, cursor = [], None
    for _ in range(3):
        page = await site.facts("/api/usage", group_by="team", limit=1, **({"cursor": cursor} if cursor else {}))
        pages += page["items"]
        cursor = page["next"]
    assert pages == (await site.facts("/api/usage", group_by="team"))["items"] and cursor is None
    assert (await site.facts("/api/usage", since="2020-01-01", until="2020-02-01"))["items"] == []


async def test_what_each_source_contributes_by_name_and_how_upstreams_are(site: Site) -> None:
    (summary,) = await site.facts("/api/servers")
    detail = await site.facts("/api/servers/desk")
    assert {name: value for name, value in detail.items() if name in summary} == summary
    tools = {each["name"]: each for each in detail["tool_list"]}
    assert len(tools) == summary["tools"] == summary["sources"][0]["exposed"]["tools"]
    assert (tools["u_mark"]["upstream"], tools["u_mark"]["upstream_name"]) == ("up", "mark")
    assert (tools["u_mark"]["cost_usd"], tools["u_mark"]["tags"]) == (0.002, ["books"])
    assert (await site.http.get(site.gateway.here.control + "/api/servers/nowhere")).status_code == 404
    (well,) = await site.facts("/api/upstreams")
    assert (well["breaker"], well["last_error"], well["failures"], well["in_use"]) == ("closed", None, 0, 0)
    site.server.kill()
    await site.wire.call("u_mark", {"token": "late"})
    (ill,) = await site.facts("/api/upstreams")
    assert (ill["breaker"], ill["failures"], ill["breaker_opened"]) == ("open", 1, 1)
    assert ill["last_error"] and ill["last_error_at"] > well["since"]
