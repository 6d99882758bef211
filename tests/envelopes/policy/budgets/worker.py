"""A process that reserves at once, says how many were admitted, and keeps them, settles them or waits to be killed.

Arguments: the URL of Redis, how many reservations of 1.00, what becomes of them (`keep`, `settle`, `hang`).
"""

from __future__ import annotations

import asyncio
import sys
from decimal import Decimal

from mcp_gateway.core.errors import BudgetExhausted
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.policy.budgets.budgets import Budgets, Reservation
from mcp_gateway.envelopes.policy.budgets.redis_store import RedisAccounts
from mcp_gateway.envelopes.policy.budgets.settling import Settling
from tests.envelopes.policy.budgets.making import budget, reserve, usd


async def attempt(budgets: Budgets) -> Reservation | None:
    try:
        return await reserve(budgets, 1.0)
    except BudgetExhausted:
        return None


async def work(url: str, many: int, then: str) -> None:
    settling = Settling(RedisAccounts(Secret(url), tenant="t", seconds=60.0))
    ten = budget(limits={"cost_per_lifetime": Decimal(10)}, on_store_error="deny")
    budgets = Budgets([ten], settling)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    admitted = [each for each in await asyncio.gather(*(attempt(budgets) for _ in range(many))) if each]
    if then == "settle":
        for each in admitted:
            budgets.settle(each, usd(0.5))
        await settling.settled()
    print(len(admitted), flush=True)
    if then == "hang":
        await asyncio.to_thread(sys.stdin.readline)
    await settling.close()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
