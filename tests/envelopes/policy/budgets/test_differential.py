"""The two ways of keeping accounts, in Python and in Redis, held against each other and against a plain model."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any, Final, cast, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from mcp_gateway.envelopes.policy.budgets.redis_store import RESERVE, SETTLE, packed_changes, packed_entries
from mcp_gateway.envelopes.policy.budgets.store import Change, Entry, MemoryStore, Room
from mcp_gateway.envelopes.policy.budgets.window import Window, end_of, number_of
from tests.support_redis import redis_server

START: Final = 1_700_000_000
WINDOWS: Final[list[Window]] = list(get_args(Window))


def timed(script: str) -> str:
    assert script.count('redis.call("TIME")[1]') == 1, "the script has no clock any more"
    return script.replace('redis.call("TIME")[1]', "ARGV[#ARGV]")


TIMED: Final = timed(RESERVE)
"""The script with the time given to it; nothing else about it differs."""


class RedisAccounting:
    """The scripts at a real server. Every history has keys of its own."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._histories = count()
        self.prefix = ""

    def begin(self) -> None:
        self.prefix = f"history-{next(self._histories)}:"

    def reserve(self, token: bytes, entries: list[Entry], now: int) -> list[Room]:
        keys, numbers = packed_entries(self.prefix, token, entries)
        answer = self.run(TIMED, [*keys], [*numbers, str(now)])
        return [Room(int(answer[at]), bool(answer[at + 1])) for at in range(0, len(answer), 2)]

    def settle(self, token: bytes, changes: list[Change]) -> list[int]:
        keys, numbers = packed_changes(self.prefix, token, changes)
        return [int(each) for each in self.run(SETTLE, keys, numbers)]

    def run(self, script: str, keys: list[str], numbers: list[str]) -> list[Any]:
        parts = ("EVAL", script, str(len(keys)), *keys, *numbers)
        return cast(list[Any], self.redis.execute_command(*parts))  # type: ignore[no-untyped-call]  # untyped there


@pytest.fixture(scope="module")
def accounting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisAccounting]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server, Redis.from_url(server.url.reveal()) as redis:
        yield RedisAccounting(redis)


ENTRIES: Final = st.lists(
    st.builds(
        Entry,
        key=st.sampled_from([b"a", b"b", b"c"]),
        window=st.sampled_from(WINDOWS),
        most=st.sampled_from([1, 10, 100, 10**12]),
        amount=st.sampled_from([0, 0, 1, 3, 9, 10**11]),
        enforced=st.booleans() | st.just(True),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda entry: (entry.key, entry.window),
)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_redis_and_python_give_the_same_answers(accounting: RedisAccounting, data: Any) -> None:
    now = START
    memory = MemoryStore(now=lambda: now)
    accounting.begin()
    held: list[tuple[bytes, list[Entry], list[Room]]] = []
    for step in range(data.draw(st.integers(1, 25))):
        now += data.draw(st.sampled_from([0, 0, 1, 59, 3_600, 86_400, 2_700_000, 8_000_000]))
        if held and data.draw(st.booleans()):
            token, entries, rooms = held.pop(data.draw(st.integers(0, len(held) - 1)))
            spent = data.draw(st.sampled_from([0, 1, 5, 10**11]))
            changes = [Change(e.key, e.window, r.number, e.amount, spent) for e, r in zip(entries, rooms, strict=True)]
            assert accounting.settle(token, changes) == list(memory.settle(token, changes))
            assert accounting.settle(token, changes) == [0] * len(changes), "it is carried out once"
            continue
        token, entries = b"%d" % step, data.draw(ENTRIES)
        rooms = list(memory.reserve(token, entries))
        assert accounting.reserve(token, entries, now) == rooms
        if all(room.fits or not entry.enforced for entry, room in zip(entries, rooms, strict=True)):
            held.append((token, entries, rooms))


@settings(max_examples=300, deadline=None)
@given(second=st.integers(0, 7_258_118_400), window=st.sampled_from(WINDOWS))
def test_redis_and_python_know_the_same_calendar(accounting: RedisAccounting, second: int, window: Window) -> None:
    accounting.begin()
    rooms = accounting.reserve(b"t", [Entry(b"k", window, 1, 1, True)], second)
    assert rooms == [Room(number_of(window, second), True)]


@pytest.mark.parametrize("window", WINDOWS)
def test_an_account_lasts_longer_than_its_window_and_not_for_ever(accounting: RedisAccounting, window: Window) -> None:
    accounting.begin()
    now = int(accounting.redis.time()[0])
    (room,) = accounting.reserve(b"t", [Entry(b"k", window, 1, 1, True)], now)
    expires = accounting.redis.expiretime(f"{accounting.prefix}{b'k'.hex()}:{room.number}")
    end = end_of(window, room.number)
    if end is None:
        assert expires == -1
    else:
        assert end < expires <= end + 2 * 95 * 86_400
    assert now < accounting.redis.expiretime(f"{accounting.prefix}token:{b't'.hex()}") <= now + 200_000


def test_what_a_flushed_server_forgot_is_charged_and_not_given_back(accounting: RedisAccounting) -> None:
    accounting.begin()
    entry = Entry(b"k", "day", 10, 8, True)
    (room,) = accounting.reserve(b"t", [entry], START)
    accounting.redis.flushall()
    assert accounting.settle(b"t", [Change(b"k", "day", room.number, 8, 6)]) == [6]
    assert accounting.reserve(b"u", [entry], START) == [Room(room.number, False)]
    assert accounting.reserve(b"v", [entry._replace(amount=4)], START) == [Room(room.number, True)]


def test_what_was_perhaps_held_back_can_be_given_up_before_and_after(accounting: RedisAccounting) -> None:
    """The windows that a store has on record count, not those that whoever gives up takes for true."""
    accounting.begin()
    entry = Entry(b"k", "day", 10, 10, True)
    undo = Change(b"k", "day", 1, 10, 0)
    (room,) = accounting.reserve(b"t", [entry], START)
    accounting.settle(b"t", [undo])
    assert accounting.reserve(b"u", [entry], START) == [Room(room.number, True)], "given up after it was held back"
    accounting.settle(b"u", [undo])
    accounting.settle(b"v", [undo])
    accounting.reserve(b"v", [entry], START)
    assert accounting.reserve(b"w", [entry], START) == [Room(room.number, True)], "given up before it arrived"


def test_a_sum_that_fits_no_number_stays_where_it_is(accounting: RedisAccounting) -> None:
    accounting.begin()
    entry = Entry(b"k", "lifetime", 10, 1, True)
    accounting.redis.hset(f"{accounting.prefix}{b'k'.hex()}:0", "spent", 9 * 10**18)
    assert accounting.settle(b"t", [Change(b"k", "lifetime", 0, 0, 10**15)]) == [9 * 10**18]
    assert accounting.reserve(b"u", [entry], START) == [Room(0, False)]
