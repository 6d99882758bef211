"""Budgets at work: hold back before anything is spent, settle once it is known what was."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Sequence
from typing import Final, NamedTuple

from mcp_gateway.core.call import Trail
from mcp_gateway.core.errors import BudgetExhausted, LimitExceeded, Overloaded
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.policy.budgets.rules import Amount, Budget, Limit, Spending
from mcp_gateway.envelopes.policy.budgets.settling import UNDONE_ATTEMPTS, Held, Settling
from mcp_gateway.envelopes.policy.budgets.store import Change, Entry, Room
from mcp_gateway.envelopes.policy.budgets.window import end_of, number_of

UNCOUNTED_SECONDS: Final = 1.0
"""When something may be tried again that could not be counted: the store is asked again by then."""


KEPT: Final = 4096
"""Most callers and things to spend on whose accounts are kept ready."""


class _Accounts(NamedTuple):
    """The budgets that something counts in, and all that has to have room for it."""

    budgets: tuple[str, ...]
    limits: tuple[tuple[Budget, Limit, bytes], ...]


class Reservation:
    """What is held back for one thing. It is settled once, or never."""

    __slots__ = ("held", "settled", "token")

    def __init__(self, held: Sequence[Held], token: bytes = b"") -> None:
        self.held = held
        self.settled = False
        self.token = token


class Budgets:
    """The budgets of one snapshot over accounts that outlive it."""

    __slots__ = ("_budgets", "_kept", "_settling", "_tallies")

    def __init__(self, budgets: Sequence[Budget], settling: Settling) -> None:
        self._budgets = tuple(budgets)
        # By the identity of a principal, as the engine of the policies: a verified token keeps its own.
        self._kept: dict[tuple[int, str, str, str], tuple[Principal, _Accounts]] = {}
        self._settling = settling
        self._tallies = settling.tallies

    @property
    def any(self) -> bool:
        return bool(self._budgets)

    async def reserve(self, spending: Spending, amount: Amount, trail: Trail) -> Reservation:
        """Hold `amount` back in every budget that matches.

        Raises `BudgetExhausted` (`LimitExceeded` for a limit on the rate of tokens) where an enforced one has no room
        for it, `Overloaded` where the store cannot be asked and a budget says `deny`. Nothing is held back then.
        """
        matching, asked = self._accounts(spending)
        nominated = self._tallies.nominated
        for name in matching:
            nominated[name] += 1
        if not asked:
            return Reservation(())
        entries = [
            Entry(key, limit.window, limit.most, amount.of(limit.kind), budget.enforced) for budget, limit, key in asked
        ]
        # Told apart from all others, and nobody's secret: the system's dice would cost a call of it.
        token = random.randbytes(12)
        answer = self._settling.store.reserve(token, entries)
        try:
            # Asking for the one type that memory answers with is a tenth of asking whether something is awaitable.
            rooms = answer if type(answer) is list or not isinstance(answer, Awaitable) else await answer
        except BaseException:  # cancelled while the store was asked
            self._undo(token, _held(asked, entries))
            raise
        held = _held(asked, entries, rooms)
        if rooms is None:
            self._uncounted(token, held, trail)
        else:
            self._judge(held, rooms, trail)
        return Reservation(held, token)

    def settle(self, reservation: Reservation, amount: Amount) -> None:
        """Say what was spent; more than was held back is charged too. Never waits: a store is told afterwards."""
        if reservation.settled or not reservation.held:
            return
        reservation.settled = True
        changes = [
            Change(each.key, each.limit.window, each.number, each.amount, amount.of(each.limit.kind))
            for each in reservation.held
        ]
        self._settling.settle(reservation.token, reservation.held, changes)

    def release(self, reservation: Reservation) -> None:
        """Nothing was spent."""
        self.settle(reservation, Amount())

    def earliest(self, now: int) -> int:
        """The second at which the longest of the windows that `now` is in began; 0 for one that never ends."""
        windows = {limit.window for budget in self._budgets for limit in budget.limits}
        return min((end_of(each, number_of(each, now) - 1) or 0 for each in windows), default=now)

    def charge(self, spending: Spending, amount: Amount, second: int) -> None:
        """Count what was spent at `second`, before this process: only in a store that forgets (see `restore.py`)."""
        for budget in self._budgets:
            if not budget.matches(spending):
                continue
            changes = [
                Change(
                    key + limit.suffix,
                    limit.window,
                    number_of(limit.window, second),
                    0,
                    amount.of(limit.kind),
                )
                for key in budget.accounts(spending)
                for limit in budget.limits
            ]
            self._settling.store.settle(b"", changes)  # not as a settlement: nobody is told of thresholds

    # ------------------------------------------------------------------ inside

    def _accounts(self, spending: Spending) -> _Accounts:
        """What `spending` counts in. It is kept, since callers come again, but where it hangs on what a caller says."""
        key = (id(spending.principal), spending.model, spending.target, spending.tool)
        kept = None if spending.metadata else self._kept.get(key)
        if kept is not None and kept[0] is spending.principal:
            return kept[1]
        matching = [budget for budget in self._budgets if budget.matches(spending)]
        found = _Accounts(
            tuple(budget.id for budget in matching),
            tuple(
                (budget, limit, account + limit.suffix)
                for budget in matching
                for account in budget.accounts(spending)
                for limit in budget.limits
            ),
        )
        if not spending.metadata:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[key] = spending.principal, found
        return found

    def _judge(self, held: Sequence[Held], rooms: Sequence[Room], trail: Trail) -> None:
        for room in rooms:
            if not room.fits:
                break
        else:
            return
        full = [each for each, room in zip(held, rooms, strict=True) if not room.fits]
        would = tuple(dict.fromkeys(each.budget.id for each in full if not each.budget.enforced))
        if would:
            trail.notes["would_exhaust"] = would
            self._tallies.would_refuse.update(would)
        enforced = [each for each in full if each.budget.enforced]
        if not enforced:
            return
        longest = max(enforced, key=lambda each: end_of(each.limit.window, each.number) or float("inf"))
        budget, limit = longest.budget, longest.limit
        trail.notes["limit"] = budget.id
        self._tallies.refused.update([budget.id])
        over = end_of(limit.window, longest.number)
        wait = None if over is None else max(1.0, over - time.time())
        if budget.rate:
            raise LimitExceeded(f"the limit `{budget.id}` is used up", limit=budget.id, retry_after=wait)
        raise BudgetExhausted(
            f"the budget `{budget.id}` has no room for this request ({limit.word})", limit=budget.id, retry_after=wait
        )

    def _uncounted(self, token: bytes, held: Sequence[Held], trail: Trail) -> None:
        """The store did not answer: refused, or let through and charged once the store is back."""
        asked = tuple(dict.fromkeys(each.budget for each in held))
        closed = next((budget for budget in asked if budget.enforced and not budget.fails_open), None)
        if closed is not None:
            self._undo(token, held)
            trail.notes["limit"] = closed.id
            self._tallies.failed_closed.update([closed.id])
            raise Overloaded(f"the budget `{closed.id}` cannot be counted now", retry_after=UNCOUNTED_SECONDS)
        ids = tuple(budget.id for budget in asked)
        trail.notes["uncounted_budgets"] = ids
        self._tallies.failed_open.update(ids)

    def _undo(self, token: bytes, held: Sequence[Held]) -> None:
        """Nobody knows whether the store holds it back: see to it that it does not."""
        changes = [Change(each.key, each.limit.window, each.number, each.amount, 0) for each in held]
        self._settling.settle(token, held, changes, UNDONE_ATTEMPTS)


def _held(
    asked: Sequence[tuple[Budget, Limit, bytes]], entries: Sequence[Entry], rooms: Sequence[Room] | None = None
) -> Sequence[Held]:
    """What is held back. Where the store does not say in which windows, this machine's clock does."""
    if rooms is None:
        now = int(time.time())
        rooms = [Room(number_of(entry.window, now), True) for entry in entries]
    return [
        Held(budget, limit, key, entry.amount, room.number)
        for (budget, limit, key), entry, room in zip(asked, entries, rooms, strict=True)
    ]
