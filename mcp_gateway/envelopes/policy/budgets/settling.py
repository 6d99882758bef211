"""Settlements on their way to the store: beside requests, never before them, and again where it did not answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from mcp_gateway.envelopes.policy.budgets.rules import Budget, Limit
from mcp_gateway.envelopes.policy.budgets.store import Change, Store

RETRY_SECONDS: Final = 1.0
"""Between two attempts to tell the store."""

MOST_UNSETTLED: Final = 10_000
"""Settlements that wait for a store that is down. What comes beyond stays as it was held back."""

UNDONE_ATTEMPTS: Final = 5
"""For what was perhaps held back, and that for nobody. What remains of it counts until its window ends."""

CLOSE_SECONDS: Final = 3.0
"""How long closing waits for a store that is down."""


@dataclass(frozen=True, slots=True)
class BudgetTallies:
    """What budgets did, by id."""

    nominated: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    would_refuse: Counter[str] = field(default_factory=Counter)
    failed_open: Counter[str] = field(default_factory=Counter)
    failed_closed: Counter[str] = field(default_factory=Counter)
    unsettled: Counter[str] = field(default_factory=Counter)
    """Settlements that were given up: what was held back for them stays."""


@dataclass(frozen=True, slots=True)
class Crossed:
    """An alert: what is spent of a limit has come to `percent` of it. Amounts are nano-dollars or tokens.

    `number` is that of the window, `account` tells the accounts of one limit apart and nobody who they are of.
    """

    budget: Budget
    limit: Limit
    percent: float
    spent: int
    number: int
    account: str


class Held(NamedTuple):
    """One account of one limit in which something is held back."""

    budget: Budget
    limit: Limit
    key: bytes
    amount: int
    number: int


class Settling:
    """Outlives every snapshot. `alert` is told what was crossed; it never waits and never raises."""

    __slots__ = ("_alert", "_tasks", "store", "tallies")

    def __init__(
        self,
        store: Store,
        tallies: BudgetTallies | None = None,
        alert: Callable[[Crossed], None] = lambda crossed: None,
    ) -> None:
        self.store = store
        self.tallies = tallies or BudgetTallies()
        self._alert = alert
        self._tasks: set[asyncio.Task[None]] = set()

    def settle(self, token: bytes, held: Sequence[Held], changes: Sequence[Change], attempts: int = 0) -> None:
        """Carry out `changes`, one for each of `held`. Never waits. With `attempts` it is given up after so many."""
        answer = self.store.settle(token, changes)
        if type(answer) is list or not isinstance(answer, Awaitable):
            self._crossed(held, changes, answer)
            return
        task = asyncio.get_running_loop().create_task(self._told(token, held, changes, attempts, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Wait until the store knows all that was settled, or it is given up."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Tell the store what it does not know yet, for some seconds; then close it."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self.store.close()

    async def _told(
        self,
        token: bytes,
        held: Sequence[Held],
        changes: Sequence[Change],
        attempts: int,
        answer: Awaitable[Sequence[int] | None],
    ) -> None:
        told = False
        try:
            spent = await answer
            while spent is None:
                attempts -= 1
                if attempts == 0 or len(self._tasks) > MOST_UNSETTLED:
                    return
                await asyncio.sleep(RETRY_SECONDS)
                again = self.store.settle(token, changes)
                spent = await again if isinstance(again, Awaitable) else again
            told = True
            self._crossed(held, changes, spent)
        finally:
            if not told:
                self.tallies.unsettled.update({each.budget.id for each in held})

    def _crossed(self, held: Sequence[Held], changes: Sequence[Change], spent: Sequence[int]) -> None:
        """Tell what was crossed. Sums only grow, so that each threshold is crossed by one settlement alone."""
        for each, change, after in zip(held, changes, spent, strict=True):
            before = after - change.spent
            for amount, percent in each.limit.alerts:
                if before < amount <= after:
                    self._alert(Crossed(each.budget, each.limit, percent, after, change.number, each.key.hex()[:16]))
