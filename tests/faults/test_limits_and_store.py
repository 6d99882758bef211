"""Limits counted in a real Redis that is away, slow, read-only, full or forgetful: as configured, then back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from mcp_gateway.core.state.redis_store import command
from tests.faults.limited import BOTH, CLOSED, LIMIT, OPEN, Relay, limited
from tests.support_redis import RedisServer, redis_server


@asynccontextmanager
async def asking(server: RedisServer) -> AsyncIterator[Redis]:
    """An administrator of the server."""
    async with Redis.from_url(server.url.reveal()) as redis:
        yield redis


async def test_a_store_that_is_down_at_boot_is_used_once_it_is_there(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        server.stop()
        async with limited(tmp_path, server.url.reveal()) as here:
            assert here.site.gateway.control.ready() == (True, "ready")
            await here.away()
            server.start()
            await here.back()


async def test_a_store_that_dies_while_calls_are_counted_is_used_again_when_it_is_back(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        async with limited(tmp_path, server.url.reveal()) as here:
            assert await here.calls(OPEN, LIMIT) == ["ok"] * LIMIT
            assert await here.call(OPEN) == "rate_limited"
            here.evil.requests.clear()
            server.stop()
            await here.away()
            server.start()
            await here.back()


async def test_a_store_that_says_nothing_holds_up_no_call_for_long(tmp_path: Path) -> None:
    """The relay passes nothing on until all calls have ended: were they to wait for it, none would end."""
    with redis_server(tmp_path) as server:
        async with Relay(server.port) as relay:
            url = server.url.reveal().replace(f":{server.port}", f":{relay.port}")
            async with limited(tmp_path, url) as here:
                relay.stall()
                await here.away()
                asked = relay.held
                assert asked >= 1
                relay.flow()
                async with asking(server) as redis:
                    # What was said too late may have been counted all the same.
                    await _quiet(redis)
                    await redis.flushall()
                await here.back()


async def _quiet(redis: Redis) -> None:
    """Wait until nobody but this client has anything to say to the server."""
    seen = -1
    while True:
        stats: dict[str, Any] = await redis.info("stats")
        if stats["total_commands_processed"] == seen + 1:
            return
        seen = stats["total_commands_processed"]
        await asyncio.sleep(0.05)


async def test_a_store_that_pauses_is_left_alone_meanwhile(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        async with limited(tmp_path, server.url.reveal()) as here, asking(server) as redis:
            await command(redis, "CLIENT", "PAUSE", "60000", "ALL")
            await here.away()
            # A server that pauses hears nobody, not even who would end it.
            server.stop()
            server.start()
            await here.back()


@pytest.mark.parametrize("nonsense", [b"+OK\r\n", b"*1\r\n$1\r\nx\r\n", b"\x00\xff nonsense\r\n", b"*9\r\n", b":1\r\n"])
@pytest.mark.parametrize("known", [True, False], ids=["on old connections", "on new connections"])
async def test_a_store_that_talks_nonsense_counts_as_away(tmp_path: Path, nonsense: bytes, known: bool) -> None:
    with redis_server(tmp_path) as server:
        async with Relay(server.port) as relay, asking(server) as redis:
            url = server.url.reveal().replace(f":{server.port}", f":{relay.port}")
            async with limited(tmp_path, url) as here:
                if known:
                    await here.exact(OPEN, LIMIT)
                    here.evil.requests.clear()
                relay.nonsense = nonsense
                await here.away()
                relay.nonsense = b""
                await redis.flushall()
                await here.back()


async def test_a_store_that_takes_no_writes_counts_as_away(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        async with limited(tmp_path, server.url.reveal()) as here, asking(server) as redis:
            await redis.config_set("min-replicas-to-write", 1)
            await here.away()
            await redis.config_set("min-replicas-to-write", 0)
            assert await redis.dbsize() == 0, "what was not counted is not counted in part"
            await here.back()


async def test_a_store_that_became_a_replica_counts_as_away(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        async with limited(tmp_path, server.url.reveal()) as here, asking(server) as redis:
            await redis.replicaof("127.0.0.1", "1")
            await here.away()
            await redis.replicaof("NO", "ONE")
            assert await redis.dbsize() == 0
            await here.back()


async def test_a_full_store_counts_as_away(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        async with limited(tmp_path, server.url.reveal()) as here, asking(server) as redis:
            await redis.config_set("maxmemory-policy", "noeviction")
            await redis.config_set("maxmemory", 1)
            await here.away()
            await redis.config_set("maxmemory", 0)
            assert await redis.dbsize() == 0
            await here.back()


async def test_a_store_that_wants_another_password_counts_as_away(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        async with limited(tmp_path, server.url.reveal()) as here, asking(server) as redis:
            await redis.config_set("requirepass", "another")
            await command(redis, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await here.away()
            await redis.config_set("requirepass", server.password)
            await here.back()
        assert server.password not in str(here.site.lines.records) + here.site.gateway.control.metrics()


@pytest.mark.parametrize("gone", ["data", "scripts"])
async def test_a_store_that_forgot_goes_on_counting_without_a_failure(tmp_path: Path, gone: str) -> None:
    """Pools that are gone are full ones; a script that is gone is sent again."""
    with redis_server(tmp_path) as server:
        async with limited(tmp_path, server.url.reveal()) as here, asking(server) as redis:
            for server_ in (OPEN, CLOSED, BOTH):
                await here.exact(server_, LIMIT)
            await (redis.flushall() if gone == "data" else redis.script_flush())
            for server_ in (OPEN, CLOSED, BOTH):
                await here.exact(server_, LIMIT if gone == "data" else 0)
            assert here.failures() == 0


async def test_a_pool_that_somebody_else_wrote_into_is_a_full_one_or_counts_as_away(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        async with limited(tmp_path, server.url.reveal()) as here, asking(server) as redis:
            await here.exact(OPEN, LIMIT)
            (key,) = await redis.keys("*")
            for text in ("", "nonsense", "1:", "-1:-1", "1:1:1", "1e9:1e9"):
                await redis.set(key, text)
                await here.exact(OPEN, LIMIT)
            await redis.delete(key)
            await redis.rpush(key, "a list")
            assert await here.call(OPEN) == "ok"
            assert (here.tally(OPEN, "allow", "failed_open"), here.failures()) == (1, 1)
