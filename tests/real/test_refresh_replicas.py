"""A refresh token is redeemed once, by whichever of three gateways, whatever happens to them.

The authorization server takes a second use for theft and revokes all that the person had consented to.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from tests.real.processes import until
from tests.real.replicas import CONNECTION_REQUIRED, SECONDS, Replicas, at_all, link_in, replicas
from tests.support_redis import redis_server

ALL = (0, 1, 2)
KEEN = 9
"""Callers that never rest, three at each gateway."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with replicas(tmp_path_factory.mktemp("replicas")) as started:
        yield started


async def connect(running: Replicas) -> None:
    """Alice consents once, at one gateway, and all of them act for her."""
    answer = await running.call(0, tool=(await running.tools(0))[0])
    await running.consent(link_in(answer))
    for which in ALL:
        await running.ready(which)


async def busy(running: Replicas, enough: Awaitable[None]) -> int:
    """Call at all gateways without a break until it is `enough`; the number of calls, each answered properly."""
    answered = 0

    async def keep_calling(which: int) -> None:
        nonlocal answered
        async with running.caller(which) as wire:
            while not stop.is_set():
                answer = await wire.call("whoami", {})
                assert answer.result["structuredContent"]["sub"] == "alice"
                answered += 1

    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(KEEN):
            group.create_task(keep_calling(number % len(ALL)))
        await enough
        stop.set()
    return answered


async def expired() -> None:
    """Wait until every access token that was given before has run out."""
    end = time.time() + SECONDS
    await until("the tokens to expire", lambda: time.time() > end)


def check_each_once(running: Replicas) -> None:
    """Every refresh token was sent once and taken, and it was the one that had been given last."""
    assert set(running.tickets.redemptions().values()) == {1}
    journal = running.tickets.journal("/token")
    assert {entry["status"] for entry in journal} == {200}
    for earlier, later in pairwise(journal):
        assert later["grant_type"] == "authorization_code" or later["refresh_token"] == earlier["issued_refresh_token"]


@pytest.mark.timeout(300)
async def test_three_gateways_redeem_each_refresh_token_once(running: Replicas) -> None:
    await connect(running)
    answered = await busy(running, running.refreshed(3))
    before = running.refreshes()
    for _ in range(2):
        await expired()
        for answer in await at_all(running, 8, *ALL):
            assert answer.result["structuredContent"]["sub"] == "alice"
    check_each_once(running)
    assert running.refreshes() >= before + 2
    assert all(gateway.records() for gateway in running.gateways)

    def shares() -> list[int]:
        return [len(gateway.log("token refreshed")) for gateway in running.gateways]

    await until("every refresh to be stored", lambda: sum(shares()) == running.refreshes())
    tokens = {call["token"] for call in running.upstream.calls("whoami")}
    print(f"{answered} + 48 calls, {len(tokens)} access tokens, refreshes by gateway {shares()}, each token once")


@pytest.mark.timeout(300)
async def test_what_a_killed_gateway_was_redeeming_is_not_redeemed_again(running: Replicas) -> None:
    if not running.refreshes():
        await connect(running)
    await expired()
    before = running.refreshes()
    running.tickets.hold()
    doomed = asyncio.create_task(running.call(2))
    await running.refreshed(before + 1)
    waiting = asyncio.create_task(at_all(running, 4, 0, 1))
    running.gateways[2].end(signal.SIGKILL)
    running.tickets.hold(False)
    with pytest.raises(httpx.TransportError):
        await doomed
    links = {link_in(answer) for answer in await waiting}
    assert any(gateway.log("refresh lost") for gateway in running.gateways[:2])
    assert {answer.code for answer in await at_all(running, 4, 0, 1)} == {CONNECTION_REQUIRED}
    assert running.refreshes() == before + 1
    check_each_once(running)
    await running.consent(links.pop())
    running.gateways[2].start()
    await running.ready(2)
    answered = await busy(running, running.refreshed(before + 3))
    check_each_once(running)
    print(f"killed at refresh {before + 1}: 40100 at the others, {answered} calls after a new consent, each token once")


@pytest.mark.timeout(300)
async def test_refresh_tokens_are_redeemed_once_while_redis_goes_away_and_comes_back(tmp_path: Path) -> None:
    with redis_server(tmp_path) as redis, replicas(tmp_path, redis=redis.url.reveal()) as running:

        async def leased() -> bool:
            async with Redis.from_url(redis.url.reveal()) as asked:
                return "cmdstat_set" in await asked.info("commandstats")

        await connect(running)
        answered = await busy(running, running.refreshed(1))
        assert await leased()
        assert not any(gateway.log("lease store failed") for gateway in running.gateways)
        redis.stop()
        answered += await busy(running, running.refreshed(running.refreshes() + 2))
        assert any(gateway.log("lease store failed") for gateway in running.gateways)
        redis.start()
        answered += await busy(running, until("a lease in Redis again", leased))
        check_each_once(running)
        print(f"{answered} calls, {running.refreshes()} refreshes, each token once")
