"""Policies in a gateway that is in use: over a real upstream, reloaded, and wrong."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mcp_gateway.app import Gateway
from mcp_gateway.cli.run import running
from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.envelopes.observability.lines import MemoryLines
from mcp_gateway.settings.load import load
from tests.real.processes import Server, serving
from tests.real.wire import Wire

PERMIT_POST = """\
@id("read")
permit (principal, action in Action::"ledger/*", resource)
when { resource.read_only };

@id("euros")
permit (principal, action == Action::"ledger/post_entry", resource in VirtualServer::"desk")
when { context.input.currency == "EUR" };
"""
NO_USD = '@id("no-dollars") forbid (principal, action == Action::"ledger/query_balance", resource) '
ENTRY = {"amt": 5, "requester": "me", "currency": "EUR", "memo": "x"}


@pytest.fixture(scope="module")
def ledger() -> Iterator[Server]:
    with serving("tests.upstreams.plain") as server:
        yield server


class Site:
    """A gateway in this loop, whose policy file tests rewrite."""

    def __init__(self, folder: Path, gateway: Gateway, data: str, lines: MemoryLines, http: httpx.AsyncClient) -> None:
        self.folder = folder
        self.gateway = gateway
        self.lines = lines
        self.desk = Wire(http, f"{data}/servers/desk/mcp", modern=True)
        self.other = Wire(http, f"{data}/servers/other/mcp", modern=True)

    def write(self, text: str, name: str = "main.cedar") -> None:
        (self.folder / "policies" / name).write_text(text)

    async def names(self, wire: Wire) -> list[str]:
        return [tool["name"] for tool in (await wire.ask("tools/list", {})).result["tools"]]

    @property
    def last(self) -> dict[str, Any]:
        return next(line for line in reversed(self.lines.records) if line["event"] == "call")


@contextlib.asynccontextmanager
async def site(folder: Path, ledger: Server, text: str) -> AsyncIterator[Site]:
    (folder / "virtual_servers").mkdir()
    (folder / "policies").mkdir()
    (folder / "policies" / "main.cedar").write_text(text)
    for name in ("desk", "other"):
        spec = {"name": name, "sources": [{"upstream": "ledger"}]}
        (folder / "virtual_servers" / f"{name}.yaml").write_text(json.dumps(spec))
    listeners = {"port": 0, "public_url": "http://127.0.0.1:8080", "admin": {"port": 0}}
    upstreams = {"ledger": {"url": ledger.url}}
    config = folder / "gateway.yaml"
    config.write_text(json.dumps({"server": listeners, "upstreams": upstreams, "policies": {"path": "policies"}}))
    lines = MemoryLines()
    settings = load(config, os.environ)
    async with (
        running(settings, lambda: load(config, os.environ), records=lines, trace=False) as here,
        httpx.AsyncClient(timeout=30) as http,
    ):
        yield Site(folder, here.gateway, here.data, lines, http)


async def test_a_permission_holds_for_its_virtual_server_only(tmp_path: Path, ledger: Server) -> None:
    async with site(tmp_path, ledger, PERMIT_POST) as here:
        assert "post_entry" in await here.names(here.desk)
        assert "post_entry" not in await here.names(here.other)
        assert "query_balance" in await here.names(here.other)
        assert (await here.desk.call("post_entry", ENTRY)).result["structuredContent"]["currency"] == "EUR"
        assert (here.last["decision"], here.last["policies"]) == ("allow", ("euros",))
        assert (await here.desk.call("post_entry", {**ENTRY, "currency": "USD"})).code == 40300
        assert (await here.other.call("post_entry", ENTRY)).code == -32602
        assert (await here.desk.call("close_period", {"period": "2026-10"})).code == -32602


async def test_who_listens_is_told_when_policies_change_what_is_listed(tmp_path: Path, ledger: Server) -> None:
    async with site(tmp_path, ledger, PERMIT_POST) as here:
        wanted = {"notifications": {"toolsListChanged": True}}
        async with here.desk.open("subscriptions/listen", wanted) as response:
            lines = (line async for line in response.aiter_lines() if line.startswith("data:"))
            assert "acknowledged" in await anext(lines)
            assert (await here.gateway.reload()).ok  # the same policies: nothing to tell
            here.write('@id("nothing") permit (principal, action == Action::"ledger/reconcile", resource);')
            assert (await here.gateway.reload()).ok
            assert "notifications/tools/list_changed" in await anext(lines)
        assert await here.names(here.desk) == ["reconcile"]


async def test_a_reload_puts_policies_in_force_with_the_configuration(tmp_path: Path, ledger: Server) -> None:
    async with site(tmp_path, ledger, PERMIT_POST) as here:
        before = here.gateway.control.snapshot()["version"]
        here.write(NO_USD + 'when { context.input has currency && context.input.currency == "USD" };', "more.cedar")
        assert (await here.gateway.reload()).ok
        assert here.gateway.control.snapshot()["version"] != before
        refused = await here.desk.call("query_balance", {"currency": "USD"})
        assert refused.message["error"]["data"]["policies"] == ["no-dollars"]
        assert here.last["snapshot"] == here.gateway.control.snapshot()["version"]
        assert not (await here.desk.call("query_balance", {"currency": "EUR"})).result["isError"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('@id("x") permit (principal, action, resource', "policies/main.cedar:1:"),
        ('@id("x") permit (principal, action == Action::"ledger/post_entri", resource);', "post_entry"),
        (
            '@id("x") permit (principal, action == Action::"ledger/post_entry", resource) '
            'when { context.input.memo == "x" };',
            "memo",
        ),
        (
            '@id("x") permit (principal, action == Action::"ledger/post_entry", resource) '
            'when { context.input.curency == "x" };',
            "curency",
        ),
        ("permit (principal, action, resource);", "@id"),
        ('@id("x") permit (principal, action, resource); @id("x") permit (principal, action, resource);', "x"),
    ],
    ids=["syntax", "unknown action", "unguarded optional", "unknown attribute", "no id", "duplicate id"],
)
async def test_a_wrong_policy_is_not_loaded_and_the_last_good_ones_stay(
    tmp_path: Path, ledger: Server, text: str, complaint: str
) -> None:
    async with site(tmp_path, ledger, PERMIT_POST) as here:
        before = here.gateway.control.snapshot()["version"]
        here.write(text)
        reloaded = await here.gateway.reload()
        assert not reloaded.ok and reloaded.snapshot == before
        assert any(complaint in problem for problem in reloaded.problems), reloaded.problems
        assert not (await here.desk.call("query_balance", {"currency": "EUR"})).result["isError"]


async def test_a_gateway_does_not_start_with_a_wrong_policy(tmp_path: Path, ledger: Server) -> None:
    with pytest.raises(ConfigurationError, match="post_entry"):
        async with site(tmp_path, ledger, PERMIT_POST.replace("ledger/post_entry", "ledger/post_entri")):
            pass
