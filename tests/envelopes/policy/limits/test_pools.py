"""Counting, in memory and in a real Redis: exact, all or nothing, bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.call import Trail
from mcp_gateway.core.errors import LimitExceeded, Overloaded
from mcp_gateway.core.principal import ANONYMOUS, Principal
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.policy.limits.gcra import Rate, Unit
from mcp_gateway.envelopes.policy.limits.limit import LimitCalls, LimitTallies
from mcp_gateway.envelopes.policy.limits.pools import Asked, MemoryPools, Pools
from mcp_gateway.envelopes.policy.limits.redis_pools import RedisPools
from mcp_gateway.envelopes.policy.limits.rules import Counted, Rule
from tests.support_redis import redis_server


@dataclass(frozen=True)
class When:
    subjects: Sequence[str] = ()
    tools: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Spec:
    id: str = "a"
    limit: int = 2
    unit: Unit = "calls_per_day"
    per: Sequence[str] = ()
    when: When = field(default_factory=When)
    mode: Literal["enforce", "audit"] = "enforce"
    on_store_error: Literal["allow", "deny"] = "allow"


def rule(**changes: Any) -> Rule:
    return Rule.of("desk", Spec(**changes))


@pytest.mark.parametrize(
    ("when", "metadata", "matches"),
    [
        ({}, {}, True),
        ({"team": "a"}, {}, False),
        ({"team": "a"}, {"team": "a", "x": "y"}, True),
        ({"team": "a"}, {"team": "A"}, False),
        ({"team": "a", "x": "y"}, {"team": "a"}, False),
        ({"team": ""}, {}, False),
    ],
)
def test_a_rule_may_be_about_what_is_said_of_a_request(
    when: dict[str, str], metadata: dict[str, str], matches: bool
) -> None:
    call = Counted("desk", ANONYMOUS, "up", "echo", "echo", metadata)
    assert rule(when=When(metadata=when)).matches(call) is matches


def test_a_pool_for_each_value_of_a_key_and_one_for_those_without() -> None:
    by_team = rule(per=["metadata.team", "metadata.x"])

    def pool(**metadata: str) -> bytes:
        (key,) = by_team.pools(Counted("desk", ANONYMOUS, "up", "echo", "echo", metadata))
        return key

    said = [{}, {"team": "a"}, {"x": "a"}, {"team": "a", "x": "a"}, {"team": "b"}]
    assert len({pool(**each) for each in said}) == len(said)
    assert pool(team="a", other="z") == pool(team="a") and pool(team="") == pool()


def asked(*rules: Rule, key: bytes = b"k") -> list[Asked]:
    return [Asked(each, each.name.encode() + key) for each in rules]


@given(st.integers(1, 7), st.lists(st.integers(0, 400_000), max_size=60))
def test_a_pool_agrees_with_a_bucket_counted_in_fractions(limit: int, gaps: list[int]) -> None:
    rate, full_at, now = Rate.of(limit, "calls_per_second"), 0, 10**15
    tokens = Fraction(limit)
    for gap in gaps:
        now += gap
        tokens = min(Fraction(limit), tokens + Fraction(gap * limit, 1_000_000))
        wait, full_at = rate.ask(full_at, now)
        assert (wait == 0) == (tokens >= 1)
        if wait == 0:
            tokens -= 1
        else:
            assert rate.ask(full_at, now + wait)[0] == 0 and rate.ask(full_at, now + wait - 1)[0] > 0


def test_what_one_rule_refuses_no_other_counts() -> None:
    pools, wide, narrow = MemoryPools(now=lambda: 10**12), rule(id="wide", limit=3), rule(id="narrow", limit=1)
    assert pools.admit(asked(wide, narrow)) == [0, 0]
    assert pools.admit(asked(wide, narrow))[1] > 0
    assert [pools.admit(asked(wide)) for _ in range(2)] == [[0], [0]]
    assert pools.admit(asked(wide))[0] > 0


def test_a_flood_of_keys_is_bounded_and_shares_a_pool() -> None:
    pools, one = MemoryPools(keys=4, now=lambda: 10**12), rule(limit=1)
    admitted = sum(pools.admit(asked(one, key=b"%d" % n)) == [0] for n in range(100))
    assert (admitted, len(pools), pools.overflows) == (5, 5, 96)


def limiter(pools: Pools, *rules: Rule) -> tuple[LimitCalls[Counted, str], LimitTallies, Trail]:
    tallies, trail = LimitTallies(), Trail()
    return LimitCalls({"desk": rules}, pools, tallies, lambda call: (call, trail)), tallies, trail


async def done(call: Counted) -> str:
    return "done"


CALL = Counted("desk", ANONYMOUS, "up", "echo", "say")


async def test_audit_mode_records_and_never_refuses() -> None:
    stage, tallies, trail = limiter(MemoryPools(now=lambda: 10**12), rule(limit=1, mode="audit"))
    assert [await stage(CALL, done) for _ in range(3)] == ["done"] * 3
    assert tallies.would_refuse[("desk", "a")] == 2 and trail.notes["would_limit"] == ("a",)


async def test_a_refusal_names_the_limit_and_the_wait() -> None:
    stage, _, _ = limiter(MemoryPools(now=lambda: 10**12), rule(limit=1, unit="calls_per_second"))
    await stage(CALL, done)
    with pytest.raises(LimitExceeded) as caught:
        await stage(CALL, done)
    assert (caught.value.limit, caught.value.retry_after) == ("a", 1.0)


def test_what_a_call_lacks_shares_a_pool_and_each_team_has_its_own() -> None:
    per_user, per_team = rule(per=("user",)), rule(per=("team",))
    account = Counted("desk", Principal(id="virtual_account:x", subject="x", kind="virtual_account"), "u", "t", "t")
    assert per_user.pools(CALL) == per_user.pools(account)
    member = Counted("desk", Principal(id="i|a", subject="a", teams=("x", "y")), "u", "t", "t")
    assert len(set(per_team.pools(member))) == 2 and per_user.pools(member) != per_user.pools(CALL)


@pytest.mark.parametrize("glob", ["up/*", "echo", "sa?"])
def test_globs_match_every_name_of_a_tool(glob: str) -> None:
    assert rule(when=When(tools=(glob,))).matches(CALL) and not rule(when=When(tools=("other/*",))).matches(CALL)


async def test_redis_admits_exactly_the_limit_to_all_and_recovers(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        replicas = [RedisPools(server.url, tenant="one", seconds=20) for _ in range(3)]
        found = await asyncio.gather(*(replicas[n % 3].admit(asked(rule(limit=7))) for n in range(30)))
        assert sum(waits == [0] for waits in found) == 7 and None not in found
        server.stop()
        closed, tallies, _ = limiter(replicas[0], rule(on_store_error="deny"))
        with pytest.raises(Overloaded):
            await closed(CALL, done)
        opened, tallies, _ = limiter(replicas[1], rule())
        assert await opened(CALL, done) == "done" and tallies.failed_open[("desk", "a")] == 1
        server.start()
        async with asyncio.timeout(20):
            while await replicas[0].admit(asked(rule())) is None:
                await asyncio.sleep(0.02)
        for each in replicas:
            await each.close()


async def test_more_calls_than_connections_are_all_counted(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        pools = RedisPools(server.url, tenant="one", seconds=20)
        found = await asyncio.gather(*(pools.admit(asked(rule(limit=50))) for _ in range(200)))
        assert None not in found and sum(waits == [0] for waits in found) == 50
        await pools.close()


async def test_a_wrong_redis_is_not_waited_for_by_every_call() -> None:
    pools = RedisPools(Secret("redis://127.0.0.1:1/0"), tenant="one")
    assert [await pools.admit(asked(rule())) for _ in range(5)] == [None] * 5
    assert pools.failures == 1
    await pools.close()
