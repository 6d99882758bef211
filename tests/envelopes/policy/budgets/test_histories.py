"""Long random histories, written down and replayed by a checker that knows nothing of the stores."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal

import pytest

from mcp_gateway.core.call import Trail
from mcp_gateway.core.errors import BudgetExhausted
from mcp_gateway.envelopes.policy.budgets.budgets import Budgets, Reservation
from mcp_gateway.envelopes.policy.budgets.redis_store import RedisAccounts
from mcp_gateway.envelopes.policy.budgets.rules import NANO, Amount
from mcp_gateway.envelopes.policy.budgets.settling import Settling
from mcp_gateway.envelopes.policy.budgets.store import MemoryStore, Store
from tests.envelopes.policy.budgets.making import budget, spending
from tests.support_redis import redis_server

OPERATIONS: Final = 10_000
DAY: Final = 86_400
PROJECTS: Final = ("a", "b", "c")
TOTAL: Final = 900
OF_EACH: Final = 400


@dataclass(frozen=True)
class Event:
    """`day` is when it was held back; `id` is the reservation's."""

    what: Literal["admitted", "refused", "settled"]
    id: int
    day: int
    project: str
    amount: int


def violations(history: list[Event]) -> list[str]:
    """Everything in which `history` is not that of budgets of `TOTAL` a day for all and `OF_EACH` for each project."""
    used: dict[tuple[int, str], int] = defaultdict(int)
    held: dict[int, int] = {}
    found = []
    for number, event in enumerate(history):
        accounts = [(event.day, ""), (event.day, event.project)]
        fits = not event.amount or (
            used[accounts[0]] + event.amount <= TOTAL and used[accounts[1]] + event.amount <= OF_EACH
        )
        if event.what == "settled":
            if event.id not in held:
                found.append(f"{number}: settled twice")
            change = event.amount - held.pop(event.id, 0)
        else:
            if fits is not (event.what == "admitted"):
                found.append(f"{number}: {event.what}, with {[used[each] for each in accounts]} used")
            change = event.amount if event.what == "admitted" else 0
            held[event.id] = event.amount
        for account in accounts:
            used[account] += change
    return found


class Recorder:
    """Carries out a random history and writes it down."""

    def __init__(self, store: Store, seed: int, word: str) -> None:
        self.settling = Settling(store)
        limits = {word: Decimal(TOTAL) / NANO}
        each = {word: Decimal(OF_EACH) / NANO}
        self.budgets = Budgets(
            [budget(id="all", limits=limits), budget(id="each", limits=each, per=["metadata.project_id"])],
            self.settling,
        )
        self.random = random.Random(seed)
        self.history: list[Event] = []
        self.open: list[tuple[int, int, str, Reservation]] = []

    async def reserve(self, number: int, day: int) -> None:
        project, amount = self.random.choice(PROJECTS), self.random.choice([0, 1, 20, 100, 401])
        what: Literal["admitted", "refused"] = "admitted"
        try:
            one = spending(metadata={"project_id": project})
            reservation = await self.budgets.reserve(one, Amount(amount), Trail())
            day = reservation.held[0].number
            self.open.append((number, day, project, reservation))
        except BudgetExhausted:
            what = "refused"
        self.history.append(Event(what, number, day, project, amount))

    async def settle(self) -> None:
        id_, day, project, reservation = self.open.pop(self.random.randrange(len(self.open)))
        if self.random.random() < 0.1:
            return  # its process was killed: nobody settles it
        spent = self.random.choice([0, 0, 0, 1, 30])
        for _ in range(self.random.choice([1, 1, 2])):
            if spent:
                self.budgets.settle(reservation, Amount(spent))
            else:
                self.budgets.release(reservation)
        await self.settling.settled()
        self.history.append(Event("settled", id_, day, project, spent))


@asynccontextmanager
async def redis_store(folder: Path) -> AsyncIterator[RedisAccounts]:
    with redis_server(folder) as server:
        store = RedisAccounts(server.url, tenant="t", seconds=30.0)
        yield store
        await store.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_long_history_in_memory_over_many_days_has_no_violation(seed: int) -> None:
    now = 1_700_000_000
    recorder = Recorder(MemoryStore(now=lambda: now), seed, "cost_per_day")
    for number in range(OPERATIONS):
        if recorder.random.random() < 0.01:
            now += recorder.random.choice([60, DAY // 2, DAY])
        if recorder.open and recorder.random.random() < 0.5:
            await recorder.settle()
        else:
            await recorder.reserve(number, now // DAY)
    assert violations(recorder.history) == []
    told = [event.what for event in recorder.history]
    assert min(told.count(each) for each in ("admitted", "refused", "settled")) > 500


async def test_a_long_history_in_redis_has_no_violation(tmp_path: Path) -> None:
    async with redis_store(tmp_path) as store:
        recorder = Recorder(store, 4, "cost_per_lifetime")
        for number in range(OPERATIONS):
            if recorder.open and recorder.random.random() < 0.6:
                await recorder.settle()
            else:
                await recorder.reserve(number, 0)
    assert violations(recorder.history) == []


def test_the_checker_sees_what_is_wrong() -> None:
    def event(what: Literal["admitted", "refused", "settled"], id: int, amount: int) -> Event:
        return Event(what, id, 0, "a", amount)

    fine = [event("admitted", 1, 300), event("refused", 2, 200), event("settled", 1, 100), event("admitted", 3, 300)]
    assert violations(fine) == []
    assert violations([event("admitted", 1, 300), event("admitted", 2, 200)])
    assert violations([event("refused", 1, 300)])
    assert violations([*fine, event("settled", 1, 100)])
    assert violations([event("admitted", 1, 300), event("settled", 1, 100), event("refused", 2, 300)])
