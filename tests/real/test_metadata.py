"""The metadata contract in a gateway that is in use: with policies, limits and arguments at once, and reloaded."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from mcp_gateway.app import Gateway
from mcp_gateway.cli.run import running
from mcp_gateway.core.metadata import META_KEY
from mcp_gateway.envelopes.observability.lines import MemoryLines
from mcp_gateway.settings.load import load
from tests.real.processes import Server, serving
from tests.real.wire import Wire

POLICIES = """\
@id("read") permit (principal, action, resource) when { resource has read_only && resource.read_only };
@id("ticketed") permit (principal, action == Action::"ledger/post_entry", resource)
when { context.metadata has ticket_id }
when { context.metadata has environment && context.metadata.environment == "staging" };
"""
CONTRACT: dict[str, Any] = {
    "keys": {
        "team": {"required": True},
        "environment": {"allowed": ["production", "staging"]},
        "ticket_id": {"pattern": "[A-Z]+-[0-9]+"},
    },
    "unknown_keys": "reject",
}
DESK: dict[str, Any] = {
    "name": "desk",
    "sources": [
        {"upstream": "ledger", "tools": {"post_entry": {"arguments": {"requester": {"from": "metadata.ticket_id"}}}}}
    ],
    "rate_limits": [{"id": "few", "limit": 2, "unit": "calls_per_hour", "per": ["metadata.team"]}],
}
ENTRY = {"amt": 5, "currency": "EUR", "memo": "x"}
SAID = {"team": "payments", "environment": "staging", "ticket_id": "OPS-7"}


@pytest.fixture(scope="module")
def ledger() -> Iterator[Server]:
    with serving("tests.upstreams.plain") as server:
        yield server


class Site:
    """A gateway in this loop, whose contract tests rewrite."""

    def __init__(self, config: Path, gateway: Gateway, data: str, lines: MemoryLines) -> None:
        self.config = config
        self.gateway = gateway
        self.lines = lines
        self.url = f"{data}/servers/desk/mcp"

    @contextlib.asynccontextmanager
    async def wire(self, modern: bool, said: Mapping[str, str] | None = None) -> AsyncIterator[Wire]:
        headers = {} if said is None else {"X-TFY-METADATA": json.dumps(said)}
        async with httpx.AsyncClient(timeout=30, headers=headers) as http:
            wire = Wire(http, self.url, modern=modern)
            if not modern:
                await wire.initialize()
            yield wire

    async def contract(self, contract: object) -> bool:
        text = json.loads(self.config.read_text())
        self.config.write_text(json.dumps({**text, "metadata": contract}))
        return (await self.gateway.reload()).ok

    @property
    def last(self) -> dict[str, Any]:
        return next(line for line in reversed(self.lines.records) if line["event"] == "call")


@contextlib.asynccontextmanager
async def site(folder: Path, ledger: Server) -> AsyncIterator[Site]:
    (folder / "virtual_servers").mkdir()
    (folder / "policies").mkdir()
    (folder / "policies" / "main.cedar").write_text(POLICIES)
    (folder / "virtual_servers" / "desk.yaml").write_text(json.dumps(DESK))
    config = folder / "gateway.yaml"
    text = {
        "server": {"port": 0, "public_url": "http://127.0.0.1:8080", "admin": {"port": 0}},
        "upstreams": {"ledger": {"url": ledger.url}},
        "policies": {"path": "policies"},
        "metadata": CONTRACT,
    }
    config.write_text(json.dumps(text))
    lines = MemoryLines()
    async with running(load(config, os.environ), lambda: load(config, os.environ), records=lines, trace=False) as here:
        yield Site(config, here.gateway, here.data, lines)


@pytest.mark.parametrize("modern", [True, False])
async def test_policies_limits_and_arguments_read_what_was_said(tmp_path: Path, ledger: Server, modern: bool) -> None:
    async with site(tmp_path, ledger) as here:
        async with here.wire(modern, SAID) as wire:
            posted = (await wire.call("post_entry", ENTRY)).result
            assert posted["structuredContent"]["requester"] == "OPS-7"
            assert (here.last["metadata"], here.last["policies"]) == (SAID, ("ticketed",))
            assert not (await wire.call("query_balance", {"currency": "EUR"})).result["isError"]
            refused = await wire.call("query_balance", {"currency": "EUR"})
            assert (refused.code, here.last["limit"]) == (42900, "few")
        async with here.wire(modern, {**SAID, "team": "other", "environment": "production"}) as wire:
            assert (await wire.call("post_entry", ENTRY)).code == 40300
            assert "post_entry" in [tool["name"] for tool in (await wire.ask("tools/list", {})).result["tools"]]
        async with here.wire(modern) as wire:
            assert (await wire.call("query_balance", {"currency": "EUR"})).code == 40302
            meta = {META_KEY: {"team": "third"}}
            assert not (await wire.call("query_balance", {"currency": "EUR"}, meta)).result["isError"]
            stranger = {META_KEY: {"team": "third", "colour": "red"}}
            assert (await wire.call("query_balance", {"currency": "EUR"}, stranger)).code == 40302


async def test_a_reload_puts_another_contract_in_force_and_a_wrong_one_does_not(tmp_path: Path, ledger: Server) -> None:
    balance = ("query_balance", {"currency": "EUR"})
    async with site(tmp_path, ledger) as here, here.wire(True, {"team": "a"}) as wire:
        assert not (await wire.call(*balance)).result["isError"]
        assert await here.contract({**CONTRACT, "keys": {**CONTRACT["keys"], "project": {"required": True}}})
        assert "`project` is required" in (await wire.call(*balance)).message["error"]["message"]
        assert not await here.contract({"keys": {"team": {"pattern": "(?=x)"}}})
        without_ticket = {key: value for key, value in CONTRACT["keys"].items() if key != "ticket_id"}
        assert not await here.contract({**CONTRACT, "keys": without_ticket}), "an argument is bound to ticket_id"
        assert (await wire.call(*balance)).code == 40302
        assert await here.contract({**CONTRACT, "mode": "audit"})
        assert not (await wire.call(*balance)).result["isError"]
