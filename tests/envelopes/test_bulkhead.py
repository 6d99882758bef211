"""Places of an upstream: so many at once, so many waiting, first come first served, none lost."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.errors import Overloaded
from mcp_gateway.envelopes.policy.bulkhead import Places, fit


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_places_are_taken_and_given_back() -> None:
    places = Places(2)
    assert places.try_take() and places.try_take() and not places.try_take()
    places.leave()
    assert places.try_take() and not places.try_take()


async def test_who_waits_longest_is_first() -> None:
    places = Places(1)
    assert places.try_take()
    order: list[int] = []

    async def call(number: int) -> None:
        await places.wait()
        order.append(number)
        await asyncio.sleep(0)
        places.leave()

    tasks = []
    for number in range(4):
        tasks.append(asyncio.ensure_future(call(number)))
        await settle()
    assert places.waiting == 4
    places.leave()
    assert not places.try_take()  # nobody overtakes those who wait
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3] and places.waiting == 0
    assert places.try_take()


async def test_a_full_queue_refuses() -> None:
    places = Places(1)
    assert places.try_take()
    waiting = [asyncio.ensure_future(places.wait()) for _ in range(4)]
    await settle()
    with pytest.raises(Overloaded):
        await places.wait()
    for task in waiting:
        places.leave()
        await task


async def test_without_a_queue_nobody_waits() -> None:
    places = Places(1, queue=0)
    assert places.try_take()
    with pytest.raises(Overloaded):
        await places.wait()


async def test_who_gives_up_leaves_the_queue() -> None:
    places = Places(1)
    assert places.try_take()
    first, second = (asyncio.ensure_future(places.wait()) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    assert places.waiting == 1
    places.leave()
    await second


async def test_a_place_handed_to_who_gives_up_at_that_moment_is_not_lost() -> None:
    places = Places(1)
    assert places.try_take()
    first, second = (asyncio.ensure_future(places.wait()) for _ in range(2))
    await settle()
    places.leave()
    first.cancel()
    await settle()
    assert first.cancelled() and second.done() and not second.cancelled()
    places.leave()
    assert places.try_take()


async def test_more_places_let_in_those_who_wait() -> None:
    places = Places(1)
    assert places.try_take()
    waiting = [asyncio.ensure_future(places.wait()) for _ in range(3)]
    await settle()
    places.resize(3)
    await settle()
    assert [task.done() for task in waiting] == [True, True, False] and (places.in_use, places.waiting) == (3, 1)
    places.leave()
    await waiting[2]


async def test_fewer_places_keep_what_is_in_use_counted() -> None:
    places = Places(3)
    assert all(places.try_take() for _ in range(3))
    waiting = asyncio.ensure_future(places.wait())
    await settle()
    places.resize(1)
    for in_use in (2, 1):
        places.leave()
        await settle()
        assert places.in_use == in_use and not waiting.done()
    places.leave()
    await waiting
    assert places.in_use == 1


async def test_places_stay_with_their_owner_and_go_with_its_limit() -> None:
    held: dict[str, Places] = {}
    fit(held, {"desk": 1, "free": None}, "the virtual server `{}`")
    assert held.keys() == {"desk"}
    desk = held["desk"]
    assert desk.try_take()
    fit(held, {"desk": 2, "new": 1})
    assert held["desk"] is desk and desk.in_use == 1 and held.keys() == {"desk", "new"}
    fit(held, {"desk": None})
    assert held == {}


async def test_a_refusal_names_whose_places_are_full() -> None:
    held: dict[str, Places] = {}
    fit(held, {"desk": 1}, "the virtual server `{}`")
    assert held["desk"].try_take()
    waiting = [asyncio.ensure_future(held["desk"].wait()) for _ in range(4)]
    await settle()
    with pytest.raises(Overloaded, match="the virtual server `desk`"):
        await held["desk"].wait()
    for task in waiting:
        task.cancel()


@given(limit=st.integers(1, 3), steps=st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=40))
def test_whatever_happens_no_place_is_lost_or_made(limit: int, steps: list[tuple[bool, int]]) -> None:
    asyncio.run(_check(limit, steps))


async def _check(limit: int, steps: list[tuple[bool, int]]) -> None:
    places = Places(limit, queue=100)
    holding = 0
    waiting: list[asyncio.Task[None]] = []
    for come, which in steps:
        if come:
            if places.try_take():
                holding += 1
            else:
                waiting.append(asyncio.ensure_future(places.wait()))
        elif which < 5 and holding:
            places.leave()
            holding -= 1
        elif waiting:
            waiting[which % len(waiting)].cancel()
        if which % 2:
            await settle()
            holding += sum(1 for task in waiting if task.done() and not task.cancelled())
            waiting = [task for task in waiting if not task.done()]
            assert holding <= limit and places.waiting == len(waiting)
    for task in waiting:
        task.cancel()
    await settle()
    holding += sum(1 for task in waiting if not task.cancelled())
    for _ in range(holding):
        places.leave()
    assert [places.try_take() for _ in range(limit + 1)] == [True] * limit + [False]
