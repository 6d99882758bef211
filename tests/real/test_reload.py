"""Reloading and stopping a gateway that is in use."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client

from tests.real.processes import Gateway, Server, configuration, serving, until, whole
from tests.real.wire import Wire

pytestmark = pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")

ONE = "sources:\n  - {upstream: all, enabled_tools: [mark, hold]}\n"
TWO = "sources:\n  - {upstream: all, enabled_tools: [mark, hold, test_simple_text]}\n"
BROKEN = "server: [\n"


class Site:
    """A gateway with the composition `it`, which tests rewrite."""

    def __init__(self, folder: Path, upstream: Server, journal: Path, gateway: Gateway) -> None:
        self.folder = folder
        self.upstream = upstream
        self.gateway = gateway
        self._journal = journal

    @property
    def url(self) -> str:
        return self.gateway.url("it")

    def write(self, body: str) -> None:
        (self.folder / "virtual_servers" / "it.yaml").write_text(f"name: it\n{body}")

    def reloaded(self) -> None:
        """SIGHUP, and wait until the reload was taken."""
        count = len(self.gateway.log("reloaded"))
        self.gateway.send(signal.SIGHUP)
        self.gateway.wait_for("reloaded", count + 1)

    def has(self, *words: str) -> bool:
        return " ".join(words) in self._journal.read_text().splitlines()


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    journal = tmp_path_factory.mktemp("upstream") / "journal"
    journal.touch()
    return journal


@pytest.fixture(scope="module")
def upstream(journal: Path) -> Iterator[Server]:
    with serving("tests.real.upstream", "--journal", str(journal)) as server:
        yield server


@pytest.fixture
def make(upstream: Server, journal: Path, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Starts a gateway with options, ended after the test if it has not ended by itself."""
    started: list[Gateway] = []

    def begin(*options: str) -> Site:
        configuration(tmp_path, f"  all: {{url: {upstream.url}}}\n", {"it": ONE})
        running = Gateway(tmp_path, *options)
        started.append(running)
        running.start()
        return Site(tmp_path, upstream, journal, running)

    yield begin
    for running in started:
        if running.process is not None and running.process.poll() is None:
            running.end()


async def names(wire: Wire) -> set[str]:
    return {tool["name"] for tool in (await wire.ask("tools/list", {})).result["tools"]}


async def test_a_reload_is_seen_by_everybody_and_told_to_those_who_listen(make: Callable[..., Site]) -> None:
    site = make()
    heard: list[str] = []

    async def hear(message: Any) -> None:
        heard.append(getattr(message, "method", ""))

    async with (
        httpx.AsyncClient(timeout=30) as http,
        Client(site.url, mode="legacy", message_handler=hear) as old,
        Client(site.url, mode="2026-07-28") as new,
    ):
        wire = Wire(http, site.url, modern=True)
        assert await names(wire) == {"mark", "hold"}
        bodies = iter((TWO, ONE) * 100)

        async def told() -> bool:
            # The old client's stream opens on its own, some time after its handshake.
            site.write(next(bodies))
            await asyncio.to_thread(site.reloaded)
            return "notifications/tools/list_changed" in heard

        async with new.listen(tools_list_changed=True) as changes:
            await until("the old client to hear of it", told)
            assert type(await anext(changes)).__name__ == "ToolsListChanged"
            site.write(TWO)
            await asyncio.to_thread(site.reloaded)
            expected = {"mark", "hold", "test_simple_text"}
            assert await names(wire) == expected
            assert {tool.name for tool in (await old.list_tools()).tools} == expected
            assert {tool.name for tool in (await new.list_tools(cache_mode="refresh")).tools} == expected


async def test_a_bad_file_keeps_the_running_snapshot_and_says_why(make: Callable[..., Site]) -> None:
    site = make()
    async with httpx.AsyncClient(timeout=30) as http:
        wire = Wire(http, site.url, modern=True)
        before = (await http.get(site.gateway.control + "/api/snapshot")).json()
        bad = site.folder / "virtual_servers" / "bad.yaml"
        bad.write_text("name: bad\nsorces: []\n")
        site.gateway.send(signal.SIGHUP)
        logged = await asyncio.to_thread(site.gateway.wait_for, "reload refused")
        answer = await http.post(site.gateway.control + "/reload")
        assert any(problem.startswith(f"{bad}:2:1: unknown key `sorces`") for problem in logged["problems"])
        assert answer.status_code == 422
        assert answer.json() == {"ok": False, "snapshot": before["version"], "problems": logged["problems"]}
        assert (await http.get(site.gateway.control + "/api/snapshot")).json() == before
        assert await names(wire) == {"mark", "hold"}
        bad.write_text(f"name: good\n{TWO}")
        after = await http.post(site.gateway.control + "/reload")
        assert (after.status_code, after.json()["ok"], after.json()["problems"]) == (200, True, [])
        assert after.json()["snapshot"] != before["version"]
        assert len(await names(Wire(http, site.gateway.url("good"), modern=True))) == 3
        (site.folder / "gateway.yaml").write_text(BROKEN)
        assert (await http.post(site.gateway.control + "/reload")).status_code == 422
        assert (await http.get(site.gateway.control + "/readyz")).status_code == 200


@pytest.mark.parametrize("change", ["tool", "upstream", "server"])
async def test_calls_in_flight_finish_on_the_snapshot_they_began_with(make: Callable[..., Site], change: str) -> None:
    """Whether their tool, their upstream or their whole virtual server is gone meanwhile."""
    site = make()
    token = f"in flight {change} {os.getpid()}"
    async with httpx.AsyncClient(timeout=30) as http:
        wire = Wire(http, site.url, modern=True)
        call = asyncio.create_task(wire.call("hold", {"token": token, "milliseconds": 1000}))
        await until("the call to begin", lambda: site.has("begun", token))
        if change == "tool":
            site.write("sources:\n  - {upstream: all, enabled_tools: [mark]}\n")
        elif change == "server":
            (site.folder / "virtual_servers" / "it.yaml").rename(site.folder / "virtual_servers" / "it.yaml.off")
        else:
            configuration(site.folder, f"  more: {{url: {site.upstream.url}}}\n", {"it": ONE.replace("all", "more")})
        await asyncio.to_thread(site.reloaded)
        answer = await call
        gone = (await http.post(site.url)).status_code == 404
        offered = set() if gone else await names(wire)
    assert answer.result["content"][0]["text"] == token
    assert gone is (change == "server")
    assert offered == {"tool": {"mark"}, "upstream": {"mark", "hold"}, "server": set()}[change]


async def test_watching_reloads_by_itself(make: Callable[..., Site]) -> None:
    site = make("--watch")
    async with httpx.AsyncClient(timeout=30) as http:
        wire = Wire(http, site.url, modern=True)
        site.write(TWO)

        async def seen() -> bool:
            return "test_simple_text" in await names(wire)

        await until("the change of a file", seen)
        draft = site.folder / "draft"
        draft.write_text((site.folder / "gateway.yaml").read_text().replace("  all: ", "  all2: "))
        os.replace(draft, site.folder / "gateway.yaml")  # as editors save
        await asyncio.to_thread(site.gateway.wait_for, "reload refused")
        site.write(ONE.replace("all", "all2"))

        async def back() -> bool:
            return await names(wire) == {"mark", "hold"}

        await until("the next change of both files", back)
        (site.folder / "virtual_servers" / "more.yaml").write_text(f"name: more\n{TWO.replace('all', 'all2')}")

        async def served() -> bool:
            return (await http.get(site.gateway.url("more"))).status_code != 404

        await until("a new file", served)


# ---------------------------------------------------------------- stopping


async def test_stopping_answers_what_is_in_flight_and_ends_streams_in_order(make: Callable[..., Site]) -> None:
    site = make()
    assert site.gateway.process is not None
    token = f"while stopping {os.getpid()}"
    async with httpx.AsyncClient(timeout=30) as http:
        wire = Wire(http, site.url, modern=True)
        old = Wire(http, site.url, modern=False)
        await old.initialize()
        call = asyncio.create_task(wire.call("hold", {"token": token, "milliseconds": 1000}))
        async with (
            Client(site.url, mode="2026-07-28") as new,
            new.listen(tools_list_changed=True) as changes,
            http.stream("GET", site.url, headers=standing(old)) as stream,
        ):
            assert stream.status_code == 200
            await until("the call to begin", lambda: site.has("begun", token))
            site.gateway.send(signal.SIGTERM)
            await asyncio.to_thread(site.gateway.wait_for, "stopping")
            assert [event async for event in changes] == []  # a lost stream would raise
            answer = await call
            await stream.aread()  # it ends, as an event stream does
        assert await asyncio.to_thread(site.gateway.process.wait, 30) == 0
        with pytest.raises(httpx.ConnectError):
            await http.get(site.url)
    assert answer.result["content"][0]["text"] == token
    records = [record for record in site.gateway.records() if record["target"] == "hold"]
    assert [record["outcome"] for record in records] == ["ok"]
    assert "Traceback" not in (site.folder / "err").read_text()


def standing(wire: Wire) -> dict[str, str]:
    return {"accept": "text/event-stream", "mcp-session-id": wire.session, "mcp-protocol-version": "2025-11-25"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_it_at_once(make: Callable[..., Site], number: int) -> None:
    site = make()
    assert site.gateway.process is not None
    token = f"second {number} {os.getpid()}"
    async with httpx.AsyncClient(timeout=30) as http:
        wire = Wire(http, site.url, modern=True)
        call = asyncio.create_task(wire.call("hold", {"token": token}))
        await until("the call to begin", lambda: site.has("begun", token))
        site.gateway.send(number)
        await asyncio.to_thread(site.gateway.wait_for, "stopping")
        site.gateway.send(number)
        code = await asyncio.to_thread(site.gateway.process.wait, 15)
        with pytest.raises(httpx.HTTPError):
            await call
    assert code == -number


def test_asking_to_reload_while_it_starts_does_not_end_it(upstream: Server, tmp_path: Path) -> None:
    # The first upstream keeps it starting: it reads all that it is sent and never says anything.
    slow = "  slow: {command: [sh, -c, 'while read line; do :; done'], connect_timeout: 500ms}\n"
    servers = {"it": ONE, "none": whole("slow")}
    configuration(tmp_path, f"{slow}  all: {{url: {upstream.url}}}\n", servers)
    starting = Gateway(tmp_path)
    process = starting.launch()
    try:
        starting.wait_for("upstream_available")
        process.send_signal(signal.SIGHUP)
        starting.wait_for("ready")
        starting.wait_for("reloaded")
    finally:
        assert starting.end() == 0


def test_either_signal_is_a_clean_end_and_the_next_start_finds_everything(make: Callable[..., Site]) -> None:
    site = make()
    assert site.gateway.end(signal.SIGINT) == 0
    site.gateway.start()
    assert site.gateway.end(signal.SIGTERM) == 0
