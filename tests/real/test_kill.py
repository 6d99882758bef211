"""Every process is killed without warning while calls run: upstreams of each kind, then the gateway itself.

`pytest -s tests/real/test_kill.py` prints the figures.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from tests.real.processes import STEP, Gateway, Server, configuration, free_port, gateway, serving, until, whole
from tests.real.wire import Wire
from tests.support import ROOT

TYPED = {50200, 50201, 50300, 50400}
"""What a caller may be told: unavailable, protocol error, overloaded, timeout."""

VICTIMS = ("new", "old", "child")
CALLERS = 4
"""For each upstream; half of them of either era."""

WARM = 10
"""Answers each caller of an upstream gets before and after that upstream is killed."""


@dataclass(slots=True)
class Tally:
    """What the callers of one upstream saw."""

    answered: list[str] = field(default_factory=list)
    refused: Counter[int] = field(default_factory=Counter)
    wrong: list[object] = field(default_factory=list)
    each: Counter[int] = field(default_factory=Counter)
    processes: list[int] = field(default_factory=list)

    def since(self, before: Counter[int]) -> int:
        """The fewest answers that a caller has got since then."""
        return min(self.each[caller] - before[caller] for caller in range(CALLERS))


@dataclass(frozen=True, slots=True)
class Site:
    gateway: Gateway
    servers: dict[str, Server]
    journal: Path
    folder: Path

    def marks(self) -> Counter[str]:
        """How often each token was executed."""
        lines = (line.split(" ", 1) for line in self.journal.read_text().splitlines())
        return Counter(token for word, token in lines if word == "mark")

    def has(self, *words: str) -> bool:
        return " ".join(words) in self.journal.read_text().splitlines()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("kill")
    journal = folder / "journal"
    journal.touch()
    module = ("tests.real.upstream", "--journal", str(journal))
    with (
        serving(*module, "--era", "modern") as new,
        serving(*module, "--era", "legacy") as old,
        serving(*module, "--json") as steady,
    ):
        command = [sys.executable, "-m", *module, "--transport", "stdio"]
        upstreams = f"  child: {{command: {command}, env: {{PYTHONPATH: {ROOT}}}}}\n"
        for name, server in (("new", new), ("old", old), ("steady", steady)):
            # The breaker lets a call try again every second, not every ten: recovery is what is waited for here.
            upstreams += f"  {name}: {{url: {server.url}, breaker: {{cooldown: 1s}}}}\n"
        names = (*VICTIMS, "steady")
        configuration(folder, upstreams, {name: whole(name) for name in names}, port=str(free_port()))
        with gateway(folder) as running:
            yield Site(running, {"new": new, "old": old, "steady": steady}, journal, folder)


@contextlib.asynccontextmanager
async def client(site: Site, upstream: str, *, modern: bool) -> AsyncIterator[Wire]:
    async with httpx.AsyncClient(timeout=30) as http:
        wire = Wire(http, site.gateway.url(upstream), modern=modern)
        if not modern:
            await wire.initialize()
        yield wire


async def ask_on(wire: Wire, caller: int, tally: Tally, stop: asyncio.Event) -> None:
    """One caller in a closed loop: the next question follows the answer to the last."""
    for number in itertools.count():
        if stop.is_set():
            return
        token = f"{wire.url}-{caller}-{number}"
        answer = await wire.call("mark", {"token": token, "milliseconds": 20})
        if answer.code is None and answer.result.get("structuredContent", {}).get("token") == token:
            tally.answered.append(token)
            tally.each[caller] += 1
            tally.processes.append(answer.result["structuredContent"]["process"])
        elif answer.code in TYPED:
            tally.refused[answer.code or 0] += 1
            await asyncio.sleep(STEP)
        else:
            tally.wrong.append(answer.message)


async def caller(site: Site, upstream: str, number: int, tally: Tally, stop: asyncio.Event) -> None:
    async with client(site, upstream, modern=number % 2 == 0) as wire:
        await ask_on(wire, number, tally, stop)


async def kill_and_restart(site: Site, victim: str, tallies: dict[str, Tally]) -> None:
    mine, others = tallies[victim], [tally for name, tally in tallies.items() if name != victim]
    if victim == "child":
        process = mine.processes[-1]
        os.kill(process, signal.SIGKILL)
        await until("another process", lambda: mine.processes[-1] != process)
    else:
        before = [tally.each.copy() for tally in others]
        refused = mine.refused.total()
        site.servers[victim].kill()
        await until("typed errors", lambda: mine.refused.total() >= refused + CALLERS)
        # Nobody else is affected while it is away.
        await until(
            "the others' answers",
            lambda: all(tally.since(then) >= WARM for tally, then in zip(others, before, strict=True)),
        )
        site.servers[victim].start()
    after = mine.each.copy()
    await until(f"{victim} to answer again", lambda: mine.since(after) >= WARM)


async def test_upstreams_are_killed_under_load(site: Site) -> None:
    tallies = {name: Tally() for name in (*VICTIMS, "steady")}
    stop = asyncio.Event()
    callers = [
        asyncio.create_task(caller(site, name, number, tally, stop))
        for name, tally in tallies.items()
        for number in range(CALLERS)
    ]
    try:
        for victim in (*VICTIMS, *VICTIMS):
            before = {name: tally.each.copy() for name, tally in tallies.items()}
            await until("a warm start", lambda: all(t.since(before[n]) >= WARM for n, t in tallies.items()))  # noqa: B023 -- awaited at once
            await kill_and_restart(site, victim, tallies)
    finally:
        stop.set()
        done = await asyncio.gather(*callers, return_exceptions=True)
    marks = site.marks()
    print("\nupstream  answered  refused")
    for name, tally in tallies.items():
        print(f"{name:8}  {len(tally.answered):8}  {dict(tally.refused)}")
    print(f"executed {marks.total()}, twice {sum(1 for count in marks.values() if count > 1)}")
    assert done == [None] * len(callers)
    assert [tally.wrong for tally in tallies.values()] == [[], [], [], []]
    assert set(marks.values()) == {1}, "a call was carried out twice"
    assert all(token in marks for tally in tallies.values() for token in tally.answered)
    assert not tallies["steady"].refused
    assert all(tallies[name].refused for name in ("new", "old"))


@pytest.mark.parametrize("modern", [True, False], ids=["modern-client", "legacy-client"])
@pytest.mark.parametrize("victim", VICTIMS)
async def test_a_call_in_flight_ends_with_its_upstream(site: Site, victim: str, modern: bool) -> None:
    """The caller is told that the upstream is gone, before the deadline of the call, and nothing is sent again."""
    token = f"flight-{victim}-{modern}"
    async with client(site, victim, modern=modern) as wire:
        process = (await wire.call("mark", {"token": f"before-{token}"})).result["structuredContent"]["process"]
        call = asyncio.create_task(wire.call("hold", {"token": token}))
        await until("the call to begin", lambda: site.has("begun", token))
        if victim == "child":
            os.kill(process, signal.SIGKILL)
        else:
            site.servers[victim].kill()
        answer = await call
        if victim != "child":
            site.servers[victim].start()

        async def back() -> bool:
            return (await wire.call("test_simple_text", {})).code is None

        await until("it to be back", back)
    assert answer.code in (50200, 50201)
    assert answer.message["error"]["data"]["reason"].startswith("upstream_")
    assert site.journal.read_text().split("\n").count(f"begun {token}") == 1


async def test_a_stopped_upstream_keeps_its_own_callers_waiting_only(site: Site) -> None:
    """A process that neither answers nor ends costs its own callers only."""
    async with client(site, "child", modern=True) as wire, client(site, "steady", modern=True) as other:
        process = (await wire.call("mark", {"token": "before the stop"})).result["structuredContent"]["process"]
        os.kill(process, signal.SIGSTOP)
        try:
            stuck = asyncio.create_task(wire.call("mark", {"token": "while stopped"}))
            for number in range(WARM):
                assert (await other.call("mark", {"token": f"meanwhile {number}"})).code is None
            assert not stuck.done()
        finally:
            os.kill(process, signal.SIGCONT)
        assert (await stuck).result["structuredContent"]["token"] == "while stopped"


async def test_sessions_outlive_the_gateway(site: Site) -> None:
    """Killed and started again with the same key, it knows the sessions that it has given out; children are gone."""
    async with client(site, "old", modern=False) as wire, client(site, "child", modern=False) as piped:
        await wire.call("test_simple_text", {})
        process = (await piped.call("mark", {"token": "of the first"})).result["structuredContent"]["process"]
        session = wire.session
        site.gateway.end(signal.SIGKILL)
        await until("its child to end", lambda: not psutil.pid_exists(process))
        site.gateway.start()
        answers = [await one.call("mark", {"token": f"{n}, of the second"}) for n, one in enumerate((wire, piped))]
        listed = await wire.ask("tools/list", {})
        forged = Wire(
            wire.http, wire.url, modern=False, session=session[:-2] + ("AA" if session[-2:] != "AA" else "BB")
        )
        refused = await forged.ask("tools/list", {})
    assert [answer.code for answer in answers] == [None, None]
    assert any(tool["name"] == "mark" for tool in listed.result["tools"])
    assert (refused.status, refused.code) == (404, -32600)
    assert site.marks()["0, of the second"] == 1
