"""All upstreams together: real servers of both eras, over every transport, killed and restarted."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

import psutil
import pytest

from mcp_gateway.calls.inventory import Change, InventoryChanged
from mcp_gateway.core.errors import Unreachable, UpstreamError
from mcp_gateway.settings.upstreams import HttpUpstream
from mcp_gateway.upstream.fleet import Fleet
from tests.upstream.doubles import (
    ALICE,
    ROOT,
    RecordingLink,
    carry_out,
    fleet_of,
    http_server,
    log,
    stdio,
    stdio_module,
    text_of,
    tool_call,
    until,
)
from tests.upstreams.evil import EvilMCP

PLAIN = "tests.upstreams.plain"
BOTH_ERAS = pytest.mark.parametrize("era", ["modern", "legacy"])


async def test_servers_of_both_eras_and_all_transports_serve_side_by_side() -> None:
    everything = "tests.upstreams.everything"
    async with (
        http_server(everything, "--era", "modern") as modern,
        http_server(everything, "--era", "legacy", "--json") as legacy,
        fleet_of(modern=modern, legacy=legacy, child=stdio_module(everything)) as fleet,
    ):
        healths = fleet.health()
        assert {name: (each.available, each.kind) for name, each in healths.items()} == {
            "modern": (True, "http"), "legacy": (True, "http"), "child": (True, "stdio"),
        }  # fmt: skip
        assert healths["modern"].version == "2026-07-28" and healths["legacy"].version == "2025-11-25"
        offers = [fleet.inventory(name) for name in healths]
        assert [tool["name"] for tool in offers[0].tools] == [tool["name"] for tool in offers[1].tools]
        assert all(offer.prompts and offer.resources and offer.templates for offer in offers)
        for name in healths:
            result = await carry_out(fleet, tool_call(name, "test_simple_text"))
            assert result["resultType"] == "complete" and text_of(result)
            with pytest.raises(UpstreamError) as caught:
                await carry_out(fleet, tool_call(name, "no such tool"))
            assert caught.value.upstream == name


async def test_the_real_reference_servers() -> None:
    spec = stdio("mcp-server-git", "--repository", str(ROOT))
    async with fleet_of(time=stdio("mcp-server-time"), git=spec) as fleet:
        assert {tool["name"] for tool in fleet.inventory("time").tools} >= {"get_current_time", "convert_time"}
        assert len(fleet.inventory("git").tools) > 5
        calls = [tool_call("time", "get_current_time", {"timezone": "Europe/Berlin"}) for _ in range(20)]
        assert all(
            "Europe/Berlin" in text_of(each) for each in await asyncio.gather(*(carry_out(fleet, c) for c in calls))
        )


@pytest.mark.parametrize("transport", ["modern", "legacy", "stdio"])
async def test_a_list_that_changes_is_read_again(transport: str) -> None:
    heard: list[InventoryChanged] = []

    async def close_a_period(fleet: Fleet) -> None:
        fleet.changes.listen(heard.append)
        assert (await carry_out(fleet, tool_call("ledger", "close_period", {"period": "2026-01"})))["resultType"]
        await until(lambda: any(tool["name"] == "report_2026-01" for tool in fleet.inventory("ledger").tools))
        assert {change for each in heard for change in each.announced} == {Change.TOOLS, Change.RESOURCES}
        assert text_of(await carry_out(fleet, tool_call("ledger", "report_2026-01")))

    if transport == "stdio":
        async with fleet_of(ledger=stdio_module(PLAIN)) as fleet:
            await close_a_period(fleet)
    else:
        async with http_server(PLAIN, "--era", transport) as spec, fleet_of(ledger=spec) as fleet:
            # The stream of announcements is opened after the first reading; what it missed is read again.
            await close_a_period(fleet)


@BOTH_ERAS
async def test_an_http_server_that_restarts_under_load_gives_no_wrong_answer(era: Any) -> None:
    async with EvilMCP(era=era) as evil, fleet_of(evil=HttpUpstream(url=evil.url)) as fleet:
        recovered: list[str] = []
        heard: list[InventoryChanged] = []
        fleet.recovered.listen(recovered.append)
        fleet.changes.listen(heard.append)
        right = failed = 0
        stop = False

        async def load(number: int) -> None:
            nonlocal right, failed
            while not stop:
                try:
                    result = await carry_out(fleet, tool_call("evil", "ok", {"n": number}))
                except Unreachable as error:
                    failed += 1
                    assert error.upstream == "evil"
                    await asyncio.sleep(0.01)
                else:
                    assert result["structuredContent"] == {"echo": {"n": number}}
                    right += 1

        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(load(number))
            await until(lambda: right > 50)
            await evil.refuse()
            await until(lambda: not fleet.health()["evil"].available)
            assert fleet.inventory("evil").tools and fleet.inventory("evil").error
            evil.forget_sessions()
            await evil.accept()
            served = right
            await until(lambda: fleet.health()["evil"].available and right > served + 50)
            stop = True
        assert failed
        assert recovered == ["evil"]
        assert [each.inventory.available for each in heard] == [False, True]


async def test_a_child_process_that_is_killed_fails_its_calls_and_is_started_again() -> None:
    def children() -> list[psutil.Process]:
        mine = psutil.Process().children(recursive=True)
        return [child for child in mine if child.status() != psutil.STATUS_ZOMBIE and PLAIN in child.cmdline()]

    async with fleet_of(ledger=stdio_module(PLAIN)) as fleet:
        (child,) = children()
        link = RecordingLink()
        call = tool_call("ledger", "reconcile", {"steps": 1000}, link=link, meta={"progressToken": 1})
        slow = asyncio.create_task(carry_out(fleet, call))
        await until(lambda: bool(link.notes))
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(Unreachable) as caught:
            await slow
        assert caught.value.upstream == "ledger"
        assert (
            text_of(await carry_out(fleet, tool_call("ledger", "reconcile", {"steps": 2}))) == "Reconciled 2 accounts"
        )
        await until(lambda: fleet.health()["ledger"].restarts == 1)
        # The handshake era would give a principal a process; this server is modern and needs one only.
        await carry_out(fleet, tool_call("ledger", "query_balance", principal=ALICE))
        assert len(children()) == 1
    assert not children()


async def test_a_server_that_is_down_at_the_start_is_found_when_it_comes() -> None:
    evil = EvilMCP()
    await evil.accept()
    await evil.refuse()
    async with fleet_of(evil=HttpUpstream(url=evil.url), broken=stdio("no-such-command")) as fleet:
        offer = fleet.inventory("evil")
        assert not offer.available and offer.error and offer.tools == () and offer.version == ""
        assert "no-such-command" in str(fleet.inventory("broken").error)
        with pytest.raises(Unreachable) as caught:
            await carry_out(fleet, tool_call("broken", "x"))
        assert not caught.value.sent
        async with evil:
            await until(lambda: fleet.inventory("evil").available, 30)
            assert text_of(await carry_out(fleet, tool_call("evil", "ok"))) == "{}"


async def test_what_changes_is_replaced_and_what_does_not_stays() -> None:
    async with EvilMCP() as one, EvilMCP() as two, EvilMCP() as three:
        fleet = Fleet(log, base_dir=ROOT)
        await fleet.apply({"a": HttpUpstream(url=one.url), "b": HttpUpstream(url=two.url)})
        await fleet.settled(10)
        held = asyncio.create_task(carry_out(fleet, tool_call("a", "gate")))
        await until(lambda: one.calls("gate"))
        before = len(two.requests)
        await fleet.apply({"a": HttpUpstream(url=three.url), "b": HttpUpstream(url=two.url)})
        assert fleet.inventory("a").available
        await carry_out(fleet, tool_call("a", "ok"))
        assert three.calls("ok") == 1 and one.calls("ok") == 0
        assert len(two.requests) == before
        one.gate.set()
        assert text_of(await held) == "through the gate"
        await fleet.apply({"b": HttpUpstream(url=two.url, enabled=False)})
        assert fleet.inventory("b").error == "the upstream is disabled"
        assert fleet.inventory("a").error == "there is no such upstream"
        assert fleet.health() == {}
        with pytest.raises(Unreachable):
            await carry_out(fleet, tool_call("a", "ok"))
        await fleet.close()


async def test_closing_leaves_no_task_and_no_process() -> None:
    async with EvilMCP() as evil, fleet_of(evil=HttpUpstream(url=evil.url), time=stdio("mcp-server-time")) as fleet:
        await carry_out(fleet, tool_call("evil", "ok"))
        await fleet.close()
        ours = [task for task in asyncio.all_tasks() if "mcp_gateway" in repr(task.get_coro())]
        assert ours == []
        assert not [child for child in psutil.Process().children() if child.name() == os.path.basename(sys.executable)]
