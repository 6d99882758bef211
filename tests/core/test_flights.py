"""Single flight: one piece of work for all who ask meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from mcp_gateway.core.flights import Flights, Interrupted


class Work:
    """Work that waits until a test lets it end; counts how often it began."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun = 0
        self.end = asyncio.Event()
        self._error = error

    async def __call__(self) -> int:
        self.begun += 1
        await self.end.wait()
        if self._error is not None:
            raise self._error
        return self.begun


async def test_who_comes_meanwhile_gets_the_same_and_who_comes_later_anew() -> None:
    flights: Flights[str, int] = Flights()
    work = Work()
    waiting = [asyncio.ensure_future(flights.join("a", work)) for _ in range(5)]
    await asyncio.sleep(0)
    assert "a" in flights and "b" not in flights and len(flights) == 1
    work.end.set()
    assert await asyncio.gather(*waiting) == [1] * 5 and len(flights) == 0
    assert await flights.join("a", work) == 2


async def test_a_failure_is_everybodys_and_is_not_kept() -> None:
    flights: Flights[str, int] = Flights()
    work = Work(ValueError("no"))
    work.end.set()
    outcomes = await asyncio.gather(*(flights.join("a", work) for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ValueError] * 3 and len(flights) == 0 and work.begun == 1


async def test_a_caller_that_leaves_ends_nothing() -> None:
    flights: Flights[str, int] = Flights()
    work = Work()
    first = asyncio.ensure_future(flights.join("a", work))
    second = asyncio.ensure_future(flights.join("a", work))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    work.end.set()
    assert await second == 1 and work.begun == 1


async def test_closing_lets_what_runs_come_to_its_end() -> None:
    flights: Flights[str, int] = Flights()
    work = Work()
    waiting = asyncio.ensure_future(flights.join("a", work))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(flights.close())
    work.end.set()
    assert await waiting == 1
    await closing


async def test_closing_waits_for_ever_for_nothing() -> None:
    flights: Flights[str, int] = Flights()
    waiting = asyncio.ensure_future(flights.join("a", Work()))
    await asyncio.sleep(0)
    await flights.close()
    with pytest.raises(Interrupted):
        await waiting
    assert len(flights) == 0
