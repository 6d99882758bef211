"""The two ways of counting, in Python and in Redis, held against each other: the same history, the same answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, Final, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from mcp_gateway.envelopes.policy.limits.gcra import MOST, Rate, Unit
from mcp_gateway.envelopes.policy.limits.pools import Asked, MemoryPools
from mcp_gateway.envelopes.policy.limits.redis_pools import SCRIPT, packed
from mcp_gateway.envelopes.policy.limits.rules import Rule
from tests.envelopes.policy.limits.test_pools import rule
from tests.support_redis import redis_server

START: Final = 1_700_000_000_123_456
UNITS: Final[Sequence[Unit]] = ("calls_per_second", "calls_per_minute", "calls_per_hour", "calls_per_day")
LASTING: Final = 600_000
"""Milliseconds by which pools last longer here: the script is told the time, Redis forgets by its own clock."""


def replaced(text: str, old: str, new: str, times: int) -> str:
    assert text.count(old) == times, f"the script has no {old} any more"
    return text.replace(old, new)


TIMED: Final = replaced(
    replaced(SCRIPT, 'redis.call("TIME")', "{ARGV[#ARGV - 1], ARGV[#ARGV]}", 1), "1000) + 1", f"1000) + {LASTING}", 2
)
"""The script with the time given to it; nothing else about it differs."""


class RedisCounting:
    """The script at a real server. Every history has keys of its own."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._histories = count()
        self.prefix = ""

    def begin(self) -> None:
        self.prefix = f"history-{next(self._histories)}:"

    def admit(self, asked: Sequence[Asked], now: int) -> list[int]:
        seconds, microseconds = divmod(now, 1_000_000)
        given = (*packed(self.prefix, asked), str(seconds), str(microseconds))
        return cast(list[int], self.command("EVAL", TIMED, *given))

    def command(self, *parts: str) -> Any:
        return self.redis.execute_command(*parts)  # type: ignore[no-untyped-call]  # the client leaves this one untyped

    def owe(self, asked: Asked, now: int, parts: int) -> None:
        """Put a pool into a state that takes too many calls to reach."""
        key = packed(self.prefix, [asked])[1]
        self.redis.set(key, f"{now // asked.rule.rate.tick}:{parts}")


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCounting]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server, Redis.from_url(server.url.reveal()) as redis:
        yield RedisCounting(redis)


@st.composite
def rules(draw: st.DrawFn) -> list[Rule]:
    """One to four rules, half of them in audit mode, mostly narrow ones: refusals are what stands to be compared."""
    return [
        rule(
            id=f"r{number}",
            limit=draw(st.sampled_from([1, 1, 1, 2, 3, 5, 60, 999_983, MOST])),
            unit=draw(st.sampled_from(UNITS)),
            mode=draw(st.sampled_from(["enforce", "audit"])),
        )
        for number in range(draw(st.integers(1, 4)))
    ]


def gaps(given: Sequence[Rule]) -> st.SearchStrategy[int]:
    """Microseconds between calls: none, some, and just before, at and after the moments that matter to a rule."""
    single = [each.rate.period * each.rate.tick // each.rate.limit for each in given]
    whole = [each.rate.period * each.rate.tick for each in given]
    edges = {max(0, each + off) for each in (*single, *whole) for off in (-1_000, -1, 0, 1, 1_000)}
    return st.just(0) | st.just(0) | st.integers(0, 2_000_000) | st.sampled_from(sorted(edges))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_redis_and_python_give_the_same_answers(counting: RedisCounting, data: Any) -> None:
    given_rules = data.draw(rules())
    now = START
    pools = MemoryPools(now=lambda: now)
    counting.begin()
    steps = st.tuples(
        gaps(given_rules),
        st.lists(st.sampled_from(given_rules), min_size=1, max_size=4, unique_by=lambda each: each.id),
        st.sampled_from([b"one", b"two"]),
    )
    for gap, which, key in data.draw(st.lists(steps, min_size=5, max_size=30)):
        now += gap
        asked = [Asked(each, each.name.encode() + key) for each in which]
        assert counting.admit(asked, now) == pools.admit(asked)


@settings(max_examples=500, deadline=None)
@given(
    limit=st.integers(1, MOST) | st.sampled_from([MOST, MOST - 1]),
    unit=st.sampled_from(UNITS),
    share=st.fractions(0, 1),
    offset=st.integers(-3, 3),
    gap=st.integers(0, 100_000_000),
)
def test_they_agree_to_the_last_part_however_much_is_owed(
    counting: RedisCounting, limit: int, unit: Unit, share: Any, offset: int, gap: int
) -> None:
    """Full and nearly full pools of the largest limits, where a double holds every part just so."""
    one, rate = rule(limit=limit, unit=unit), Rate.of(limit, unit)
    owed = min(limit * rate.period, max(0, int((limit * rate.period) * share) + offset))
    asked = Asked(one, b"k")
    counting.begin()
    counting.owe(asked, START, owed)
    wait, _ = rate.ask(START // rate.tick * limit + owed, START + gap)
    assert counting.admit([asked], START + gap) == [wait]
    if wait:
        assert counting.admit([asked], START + gap + wait - rate.tick)[0] > 0, "told to wait longer than needed"
        assert counting.admit([asked], START + gap + wait) == [0], "told to come too early"


@given(limit=st.integers(1, 1000) | st.just(MOST), unit=st.sampled_from(UNITS))
@settings(max_examples=40, deadline=None)
def test_a_pool_lasts_until_it_is_full_again_and_not_for_ever(counting: RedisCounting, limit: int, unit: Unit) -> None:
    one = rule(limit=limit, unit=unit)
    counting.begin()
    given_parts = packed(counting.prefix, [Asked(one, b"k")])
    seconds, microseconds = counting.redis.time()
    assert counting.command("EVAL", SCRIPT, *given_parts) == [0]
    forgotten = cast(int, counting.command("PEXPIRETIME", given_parts[1]))
    full = seconds * 1_000 + microseconds // 1_000 + one.rate.period * one.rate.tick / limit / 1_000
    assert forgotten == -2 or forgotten >= full
    assert forgotten - full < 60_000, "it would be kept much longer than it is of use"


def test_a_clock_that_is_set_back_neither_refills_a_pool_nor_stops_it(counting: RedisCounting) -> None:
    one = rule(limit=2, unit="calls_per_minute")
    asked = [Asked(one, b"k")]
    counting.begin()
    assert [counting.admit(asked, START) for _ in range(2)] == [[0], [0]]
    back = START - 3_600_000_000
    assert counting.admit(asked, back)[0] > 0
    assert counting.admit(asked, back + 29_000_000)[0] > 0
    assert counting.admit(asked, back + 30_000_000) == [0]
    assert counting.admit(asked, back + 30_000_000)[0] > 0
