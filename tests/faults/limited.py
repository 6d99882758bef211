"""A gateway with limits that are counted in a real Redis, and a relay before it that may stall or talk nonsense."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp_gateway.cli.run import running
from mcp_gateway.envelopes.observability.lines import MemoryLines
from mcp_gateway.settings.load import load
from tests.faults.agents import Agent, agent
from tests.faults.listening import Listening
from tests.faults.site import Site, write
from tests.faults.wire import exchange
from tests.upstreams.evil import EvilMCP

OPEN, CLOSED, BOTH = "open", "closed", "both"
"""Virtual servers: with a limit that lets calls pass while the store is away, with one that does not, with both."""

LIMIT = 3

_RULES: Mapping[str, Sequence[str]] = {OPEN: ["allow"], CLOSED: ["deny"], BOTH: ["allow", "deny"]}


@dataclass(slots=True)
class Limited:
    """The gateway and its upstream. Each virtual server has one agent."""

    site: Site
    evil: EvilMCP
    agents: Mapping[str, Agent]

    async def call(self, server: str) -> str:
        """How a call ended: `ok`, or the reason of the refusal."""
        here = self.agents[server]
        answer = await exchange(here.url, here.packed(here.calling("ok", {})))
        assert answer.status == 200
        error = answer.message.get("error")
        if error is None:
            return "ok"
        assert error["data"]["retryAfterMs"] >= 1
        return str(error["data"]["reason"])

    async def calls(self, server: str, count: int) -> list[str]:
        """So many calls at once, how they ended."""
        return await asyncio.gather(*(self.call(server) for _ in range(count)))

    def tally(self, server: str, limit: str, outcome: str) -> int:
        """What /metrics says of a rule."""
        labels = re.escape(f'server="{server}",limit="{limit}",outcome="{outcome}"')
        found = re.search(
            rf"^mcp_gateway_limited_calls_total{{{labels}}} (\d+)$", self.site.gateway.control.metrics(), re.M
        )
        return 0 if found is None else int(found[1])

    def failures(self) -> int:
        """How often the store could not be asked, as /metrics says."""
        found = re.search(r"^mcp_gateway_limit_store_failures_total (\d+)$", self.site.gateway.control.metrics(), re.M)
        assert found is not None
        return int(found[1])

    def records(self, server: str) -> list[dict[str, Any]]:
        """What is on record of the calls of one virtual server."""
        return [dict(line) for line in self.site.lines.records if line.get("server") == server and line["target"]]

    async def away(self) -> None:
        """Assert that the store is away, and that everything behaves as it is configured for that.

        Nothing has been counted before, and nothing is afterwards.
        """
        start = {server: len(self.records(server)) for server in self.agents}
        assert await self.calls(OPEN, LIMIT * 2) == ["ok"] * LIMIT * 2
        for server in (CLOSED, BOTH):
            assert await self.calls(server, LIMIT) == ["overloaded"] * LIMIT
        assert self.tally(OPEN, "allow", "failed_open") == len(self.records(OPEN)[start[OPEN] :]) == LIMIT * 2
        assert self.tally(CLOSED, "deny", "failed_closed") == self.tally(BOTH, "deny", "failed_closed") == LIMIT
        assert self.tally(BOTH, "allow", "failed_open") == 0, "who is refused was not let pass"
        assert self.evil.calls("ok") == LIMIT * 2
        for record in self.records(OPEN)[start[OPEN] :]:
            assert (record["outcome"], record["uncounted_limits"]) == ("ok", ("allow",))
        for server in (CLOSED, BOTH):
            for record in self.records(server)[start[server] :]:
                assert (record["outcome"], record["reason"], record["limit"]) == ("refused", "overloaded", "deny")
        assert 1 <= self.failures() <= LIMIT * 4

    async def back(self) -> None:
        """Wait until the store is asked again, and assert that calls are counted exactly from then on."""
        ended = ""

        async def asked() -> None:
            nonlocal ended
            while (ended := await self.call(CLOSED)) == "overloaded":
                await asyncio.sleep(0.05)

        async with asyncio.timeout(20):
            await asked()
        assert ended == "ok"
        await self.exact(CLOSED, LIMIT - 1)
        await self.exact(OPEN, LIMIT)
        await self.exact(BOTH, LIMIT)

    async def exact(self, server: str, left: int) -> None:
        """Assert that exactly `left` more calls are admitted."""
        ended = await self.calls(server, left + 3)
        assert sorted(ended) == ["ok"] * left + ["rate_limited"] * 3


@contextlib.asynccontextmanager
async def limited(folder: Path, redis: str) -> AsyncIterator[Limited]:
    """A gateway in this loop with the store at `redis`, which need not be there."""
    async with EvilMCP() as evil:
        servers = {
            name: {
                "sources": [{"upstream": "evil"}],
                "rate_limits": [
                    {"id": way, "limit": LIMIT, "unit": "calls_per_day", "on_store_error": way} for way in ways
                ],
            }
            for name, ways in _RULES.items()
        }
        config = write(folder, {"evil": {"url": evil.url}}, servers, {})
        config.write_text(json.dumps({**json.loads(config.read_text()), "state": {"redis": "env:REDIS"}}))
        environment = {**os.environ, "REDIS": redis}
        lines = MemoryLines()
        settings = load(config, environment)
        async with running(settings, lambda: load(config, environment), records=lines, trace=False) as here:
            site = Site(here.gateway, here.data, here.control, lines)
            yield Limited(site, evil, {name: await agent(site.url(name), "modern") for name in servers})


class Relay(Listening):
    """A TCP relay to a server at `port`: passes everything on, or nothing in either direction, or answers nonsense.

    `held` counts what came while it passed nothing on.
    """

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = 0
        self.held = 0
        self.nonsense = b""
        self._target = port
        self._flowing = asyncio.Event()
        self._flowing.set()

    def stall(self) -> None:
        self._flowing.clear()

    def flow(self) -> None:
        self._flowing.set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            await asyncio.gather(self._pass(reader, back, writer), self._pass(there, writer, None))
        except OSError:
            pass
        finally:
            writer.close()
            back.close()

    async def _pass(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, instead: asyncio.StreamWriter | None
    ) -> None:
        """With `instead` this is the way of the questions, which nonsense answers there."""
        while data := await source.read(65536):
            self.held += not self._flowing.is_set()
            await self._flowing.wait()
            if instead is not None and self.nonsense:
                instead.write(self.nonsense)
                continue
            target.write(data)
            await target.drain()
        target.close()
