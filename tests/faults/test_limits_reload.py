"""Limits across reloads of a gateway on real sockets: what was used stays used, what was changed holds at once."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.cli.run import running
from mcp_gateway.envelopes.observability.lines import MemoryLines
from mcp_gateway.envelopes.policy.limits.pools import MemoryPools
from mcp_gateway.settings.load import load
from tests.faults.agents import ERAS, Agent, Era, agent
from tests.faults.site import Site, write
from tests.support_redis import redis_server
from tests.upstreams.evil import EvilMCP

STORES = pytest.mark.parametrize("store", ["memory", "redis"])


@dataclass(slots=True)
class Desk:
    """One virtual server whose limits are rewritten, and an agent whose session lives through it."""

    site: Site
    folder: Path
    upstream: str
    agent: Agent

    async def limited(self, *rules: dict[str, Any]) -> None:
        """Have these limits from now on."""
        _write(self.folder, self.upstream, rules)
        done = await self.site.gateway.reload()
        assert done.ok, done.problems

    async def room(self, most: int = 9) -> int:
        """How many calls are admitted until one is refused, `most` where none is."""
        for admitted in range(most):
            answer = await self.agent.call("ok")
            if "error" in answer:
                assert answer["error"]["code"] == 42900
                return admitted
        return most

    @property
    def pools(self) -> MemoryPools:
        pools = self.site.gateway._standing.pools
        assert isinstance(pools, MemoryPools)
        return pools


def rule(limit: int, **more: Any) -> dict[str, Any]:
    return {"id": "a", "limit": limit, "unit": "calls_per_day", "on_store_error": "deny", **more}


def _write(folder: Path, upstream: str, rules: tuple[dict[str, Any], ...]) -> Path:
    server = {"sources": [{"upstream": "evil"}], "rate_limits": rules}
    return write(folder, {"evil": {"url": upstream}}, {"main": server}, {})


@contextlib.asynccontextmanager
async def desk(folder: Path, store: str, era: Era, *rules: dict[str, Any]) -> AsyncIterator[Desk]:
    async with contextlib.AsyncExitStack() as stack:
        evil = await stack.enter_async_context(EvilMCP())
        redis = stack.enter_context(redis_server(folder)).url.reveal() if store == "redis" else None
        config = _write(folder, evil.url, rules)

        def read() -> Any:
            if redis is not None:
                with_store = {**json.loads(config.read_text()), "state": {"redis": "env:REDIS"}}
                config.write_text(json.dumps(with_store))
            return load(config, {**os.environ, "REDIS": redis or ""})

        here = await stack.enter_async_context(running(read(), read, records=MemoryLines(), trace=False))
        site = Site(here.gateway, here.data, here.control, MemoryLines())
        yield Desk(site, folder, evil.url, await agent(site.url(), era))


@STORES
@pytest.mark.parametrize("era", ERAS)
async def test_what_was_used_stays_used_where_the_limit_is_the_same(tmp_path: Path, store: str, era: Era) -> None:
    async with desk(tmp_path, store, era, rule(5)) as here:
        assert await here.room(most=3) == 3
        await here.limited(rule(5))
        await here.limited({**rule(7), "id": "wider"}, rule(5))
        assert await here.room() == 2
        await here.limited(rule(5, mode="audit"))
        assert await here.room() == 9, "audit mode refuses nothing, at once"
        await here.limited(rule(5))
        assert await here.room() == 0


@STORES
@pytest.mark.parametrize("era", ERAS)
async def test_a_changed_limit_holds_at_once(tmp_path: Path, store: str, era: Era) -> None:
    async with desk(tmp_path, store, era, rule(2)) as here:
        assert await here.room() == 2
        await here.limited(rule(4))
        assert await here.room() == 4
        await here.limited(rule(1))
        assert await here.room() == 1
        await here.limited(rule(1, when={"tools": ["evil/tool_error"]}))
        assert await here.room() == 9
        await here.limited()
        assert await here.room() == 9


async def test_a_rule_that_is_gone_frees_its_pools_and_no_other(tmp_path: Path) -> None:
    async with desk(tmp_path, "memory", "modern", rule(2), {**rule(3), "id": "b"}) as here:
        assert await here.room() == 2 and len(here.pools) == 2
        await here.limited({**rule(3), "id": "b"})
        assert len(here.pools) == 1
        assert await here.room() == 1
        await here.limited()
        assert len(here.pools) == 0


async def test_a_reload_that_is_refused_changes_no_limit_and_forgets_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path, "memory", "modern", rule(3)) as here:
        assert await here.room(most=1) == 1
        _write(tmp_path, here.upstream, (rule(3), rule(3)))
        assert not (await here.site.gateway.reload()).ok
        assert await here.room() == 2
