"""While the record of calls cannot be written, nothing is changed, and what only reads goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.faults.agents import ERAS, Agent, Era, agent
from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.serving import Gateway, serving
from tests.upstreams.evil import EvilMCP

WORD = "mcp_gateway_audit_unrecorded_calls_total"


@asynccontextmanager
async def site(folder: Path, era: Era, on_failure: str) -> AsyncIterator[tuple[Gateway, Agent, EvilMCP]]:
    """A gateway whose record is taken away; `ok` may change something, in `look` the admin denies it."""
    (folder / "virtual_servers").mkdir()
    for name, tools in (("desk", {}), ("look", {"ok": {"annotations": {"readOnlyHint": True}}})):
        spec = {"name": name, "sources": [{"upstream": "evil", "tools": tools}]}
        (folder / f"virtual_servers/{name}.yaml").write_text(json.dumps(spec))
    async with EvilMCP() as evil, Double() as double:
        audit = {"path": "audit", "on_failure": on_failure}
        files = {"upstreams": {"evil": {"url": evil.url}}, "telemetry": {"audit": audit}}
        async with serving(folder, double, gateway=files) as gateway:
            here = await agent(f"{gateway.url}/servers/desk/mcp", era)
            assert "result" in await here.call("ok")
            shutil.rmtree(folder / "audit")
            yield gateway, here, evil


@pytest.mark.parametrize("era", ERAS)
async def test_what_may_change_something_is_refused(tmp_path: Path, era: Era) -> None:
    async with site(tmp_path, era, "refuse") as (gateway, here, evil):
        answer = await here.call("ok")
        assert (answer["error"]["code"], answer["error"]["data"]["reason"]) == (50301, "audit_unavailable")
        assert evil.calls("ok") == 1
        looking = await agent(f"{gateway.url}/servers/look/mcp", era)
        assert "result" in await looking.call("ok")
        assert evil.calls("ok") == 2
        assert f'{WORD}{{outcome="refused"}} 1' in gateway.here.gateway.control.metrics()
        assert "mcp_gateway_audit_failing 1" in gateway.here.gateway.control.metrics()
    [refused] = [each for each in gateway.lines.records if each.get("outcome") == "refused"]
    assert refused["reason"] == "audit_unavailable"


async def test_or_let_through_and_counted(tmp_path: Path) -> None:
    async with site(tmp_path, "modern", "allow") as (gateway, here, evil):
        assert "result" in await here.call("ok")
        assert evil.calls("ok") == 2
        assert f'{WORD}{{outcome="allowed"}} 1' in gateway.here.gateway.control.metrics()
