"""Leases in Redis: one holder at a time while Redis is there, and nobody waits for it when it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.redis_lease import RedisLease
from tests.support_redis import RedisServer, redis_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as running:
        yield running


async def test_one_of_many_holds_a_lease(server: RedisServer) -> None:
    leases = [RedisLease(server.url, tenant="one") for _ in range(4)]
    taken = await asyncio.gather(*(lease.acquire("refresh:tickets:corp|alice", 60) for lease in leases))
    assert sorted(taken) == [False, False, False, True]
    holder = leases[taken.index(True)]
    for lease in leases:
        if lease is not holder:
            await lease.release("refresh:tickets:corp|alice")
    for lease in leases:
        assert not await lease.acquire("refresh:tickets:corp|alice", 60)
    assert await leases[0].acquire("refresh:tickets:corp|bob", 60)
    await holder.release("refresh:tickets:corp|alice")
    assert await leases[1].acquire("refresh:tickets:corp|alice", 60)
    assert all(lease.failures == 0 for lease in leases)
    for lease in leases:
        await lease.close()


async def test_tenants_have_leases_of_their_own(server: RedisServer) -> None:
    one, two = RedisLease(server.url, tenant="one"), RedisLease(server.url, tenant="two")
    assert await one.acquire("key", 60)
    assert await two.acquire("key", 60)
    await one.close()
    await two.close()


async def test_a_lease_that_ran_out_is_not_given_back_for_its_next_holder(server: RedisServer) -> None:
    slow, next_one = RedisLease(server.url, tenant="one"), RedisLease(server.url, tenant="one")
    assert await slow.acquire("key", 0.001)
    async with asyncio.timeout(10):
        while not await next_one.acquire("key", 60):
            await asyncio.sleep(0)
    await slow.release("key")
    assert not await slow.acquire("key", 60)
    await slow.close()
    await next_one.close()


async def test_names_in_redis_show_nobody(server: RedisServer) -> None:
    lease, redis = RedisLease(server.url, tenant="one"), Redis.from_url(server.url.reveal())
    await lease.acquire("refresh:tickets:corp|alice", 60)
    (name,) = await redis.keys("*")
    assert "mcp-gateway:one:lease:" in str(name) and "alice" not in str(name)
    assert 0 < await redis.pttl(name) <= 60_000
    await redis.aclose()
    await lease.close()


async def test_without_redis_everybody_goes_on_to_the_claim(server: RedisServer) -> None:
    lease = RedisLease(server.url, tenant="one")
    assert await lease.acquire("held", 60)
    server.stop()
    with capture_logs() as logs:
        assert await lease.acquire("key", 60)
        assert await lease.acquire("another key", 60)
        await lease.release("key")
        await lease.release("held")
    assert lease.failures == 1  # after a failure it is left alone for a while
    assert [log["event"] for log in logs] == ["lease store failed"]
    assert "canary-redis" not in str(logs)
    await lease.close()


async def test_redis_is_used_again_after_a_pause(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_gateway.core.state.redis_lease.PAUSE", 0.0)
    one, two = RedisLease(server.url, tenant="one"), RedisLease(server.url, tenant="one")
    server.stop()
    assert await one.acquire("key", 60)
    assert await two.acquire("key", 60)
    server.start()
    assert await one.acquire("other", 60)
    assert not await two.acquire("other", 60)
    assert (one.failures, two.failures) == (1, 1)
    await one.close()
    await two.close()


async def test_a_silent_redis_is_not_waited_for_long() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    lease = RedisLease(Secret(f"redis://127.0.0.1:{port}/0"), tenant="one")
    assert await lease.acquire("key", 60)
    assert lease.failures == 1
    await lease.close()
    silent.close()
    await silent.wait_closed()


async def test_a_wrong_address_is_refused_without_quoting_it() -> None:
    with pytest.raises(ConfigurationError, match="no URL of a Redis server") as refusal:
        RedisLease(Secret("http://:canary-redis@127.0.0.1/0"), tenant="one")
    assert "canary-redis" not in str(refusal.value)
    assert refusal.value.__context__ is None
