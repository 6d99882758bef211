"""A refresh token is redeemed once, by whichever of three gateways, whatever happens to them.

The authorization server takes a second use for theft and revokes all that the person had consented to.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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


async def busy(running: Replicas, enough: Callable[[], bool]) -> int:
    """Call at all gateways without a break until there is `enough`; how many calls were answered, each properly."""
    answered = 0

    async def keep_calling(which: int) -> None:
        nonlocal answered
        while not stop.is_set():
            answer = await running.call(which)
            assert answer.result["structuredContent"]["sub"] == "alice"
            answered += 1

    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(KEEN):
            group.create_task(keep_calling(number % len(ALL)))
        await until("enough refreshes", enough)
        stop.set()
    return answered


async def expired() -> None:
    """Wait until every access token that was given before has run out."""
    end = time.time() + SECONDS
    await until("the tokens to expire", lambda: time.time() > end)


def check_each_once(running: Replicas) -> None:
    """Every refresh token was sent once and taken: and each is the one that was given for the one before."""
    redeemed = running.refreshes()
    assert set(running.tickets.redemptions().values()) == {1}
    assert {entry["status"] for entry in redeemed} == {200}


@pytest.mark.timeout(180)
async def test_three_gateways_redeem_each_refresh_token_once(running: Replicas) -> None:
    await connect(running)
    answered = await busy(running, lambda: len(running.refreshes()) >= 3)
    before = len(running.refreshes())
    for _ in range(2):
        await expired()
        for answer in await at_all(running, 8, *ALL):
            assert answer.result["structuredContent"]["sub"] == "alice"
    check_each_once(running)
    assert len(running.refreshes()) >= before + 2
    given = running.tickets.journal("/token")
    for earlier, later in zip(given, given[1:], strict=False):
        assert later["refresh_token"] == earlier["issued_refresh_token"]
    tokens = {call["token"] for call in running.upstream.calls("whoami")}
    print(f"{answered} + 48 calls over {len(tokens)} access tokens, {len(running.refreshes())} refreshes, each once")


@pytest.mark.timeout(240)
async def test_what_a_killed_gateway_was_redeeming_is_not_redeemed_again(running: Replicas) -> None:
    if not running.refreshes():
        await connect(running)
    await expired()
    before = len(running.refreshes())
    running.tickets.hold()
    doomed = asyncio.create_task(running.call(2))
    await until("the token to be sent", lambda: len(running.refreshes()) == before + 1)
    waiting = asyncio.create_task(at_all(running, 4, 0, 1))
    running.gateways[2].end(signal.SIGKILL)
    running.tickets.hold(False)
    with pytest.raises(Exception, match=r".*"):
        await doomed
    links = {link_in(answer) for answer in await waiting}
    assert {answer.code for answer in await at_all(running, 4, 0, 1)} == {CONNECTION_REQUIRED}
    assert len(running.refreshes()) == before + 1
    check_each_once(running)
    await running.consent(links.pop())
    running.gateways[2].start()
    await running.ready(2)
    calls = await busy(running, lambda: len(running.refreshes()) >= before + 3)
    check_each_once(running)
    print(f"killed at refresh {before + 1}: not sent again, 40100 at the others; {calls} calls after a new consent")


@pytest.mark.timeout(180)
async def test_refresh_tokens_are_redeemed_once_while_redis_goes_away_and_comes_back(tmp_path: Path) -> None:
    with redis_server(tmp_path) as redis, replicas(tmp_path, redis=redis.url.reveal()) as running:
        await connect(running)
        await busy(running, lambda: len(running.refreshes()) >= 1)
        redis.stop()
        counted = len(running.refreshes())
        await busy(running, lambda: len(running.refreshes()) >= counted + 2)
        assert any(gateway.log("lease store failed") for gateway in running.gateways)
        redis.start()
        await busy(running, lambda: len(running.refreshes()) >= counted + 3)
        check_each_once(running)
        print(f"{len(running.refreshes())} refreshes, each once")
