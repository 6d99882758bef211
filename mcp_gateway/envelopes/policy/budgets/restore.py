"""What was spent before this process began, put back into accounts that only it remembers (those in memory)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.policy.budgets.budgets import Budgets
from mcp_gateway.envelopes.policy.budgets.rules import Amount, Spending


@dataclass(frozen=True, slots=True)
class Past:
    """What was spent at `second` (since 1970), or in the hour that began then."""

    second: int
    spending: Spending
    amount: Amount


class Spent(Protocol):
    """Remembers what was spent; the ledger does."""

    async def since(self, second: int) -> Sequence[Past]:
        """Everything that was spent at `second` or later."""
        ...


async def restore(budgets: Budgets, spent: Spent, now: int) -> int:
    """Charge what was spent in the windows that `now` is in; how many entries that were.

    Call it before anything is served, once, and only for accounts in memory: in Redis it is there already. Nobody is
    told of thresholds again. Raises what `spent` does.
    """
    past = await spent.since(budgets.earliest(now))
    for each in past:
        budgets.charge(each.spending, each.amount, each.second)
    return len(past)


def recorded(id: str, teams: Sequence[str]) -> Principal:
    """The principal that records call `id`. Its e-mail address is in none: budgets for one by it count from now on."""
    account = id.startswith("virtual_account:")
    subject = id if account else id.rpartition("|")[2]
    return Principal(id=id, subject=subject, teams=tuple(teams), kind="virtual_account" if account else "user")
