"""Budgets in memory, filled again from a real ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_gateway.core.call import Trail
from mcp_gateway.core.errors import BudgetExhausted, IdentityUnavailable
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.database import Database
from mcp_gateway.envelopes.observability.ledger.entry import write_entry
from mcp_gateway.envelopes.observability.ledger.rows import Rows
from mcp_gateway.envelopes.policy.budgets.budgets import Budgets
from mcp_gateway.envelopes.policy.budgets.restore import recorded, restore
from mcp_gateway.envelopes.policy.budgets.rules import NANO, Amount, Spending
from mcp_gateway.envelopes.policy.budgets.settling import Settling
from mcp_gateway.envelopes.policy.budgets.spent import SpentInDatabase
from mcp_gateway.envelopes.policy.budgets.store import MemoryStore
from tests.envelopes.observability.ledger.support import TENANT, entry
from tests.envelopes.policy.budgets.making import When, budget
from tests.support_state import KINDS, fresh

DAY = 86_400
NOW = 20_000 * DAY + 5 * 3_600


@pytest.fixture(params=KINDS)
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Secret]:
    with fresh(request.param, tmp_path) as url:
        yield url


async def test_a_process_that_starts_goes_on_where_the_last_one_was(state_url: Secret) -> None:
    database = Database(state_url)
    entries = [
        entry(at=float(NOW - DAY), cost=9 * NANO),
        entry(at=float(NOW - 60), cost=NANO, input=100, output=20, metadata={"p": "x"}, server="chat"),
        entry(at=float(NOW - 60), cost=NANO, input=1, output=0, metadata={"p": "x"}, server="responses"),
        entry(at=float(NOW - 60), plane="mcp", target="crm/find", provider="crm", cost=2 * NANO, input=0, output=0),
        entry(at=float(NOW - 60), cost=None, input=0, output=0),
    ]
    await Rows(database, tenant=TENANT).put([write_entry(each) for each in entries])
    await Rows(database, tenant="other").put([write_entry(entry(at=float(NOW), cost=50 * NANO))])
    budgets = Budgets(
        [
            budget(id="all", limits={"cost_per_day": 10, "tokens_per_day": 200}),
            budget(id="tools", when=When(tools=["crm/*"]), limits={"cost_per_day": 3}, per=["team"]),
            budget(id="project", limits={"cost_per_lifetime": 5}, per=["metadata.p"], when=When(metadata={"p": "x"})),
        ],
        Settling(MemoryStore(now=lambda: NOW)),
    )
    assert await restore(budgets, SpentInDatabase(database, tenant=TENANT), NOW) == 4
    await database.close()

    alice = recorded("corp|alice", ["payments"])
    cases = [
        (Spending(alice, model="m", target="p/m"), Amount(6 * NANO, 79)),
        (Spending(alice, tool="crm/find"), Amount(NANO)),
        (Spending(alice, model="m", target="p/m", metadata={"p": "x"}), Amount(3 * NANO)),
    ]
    for spending, most in cases:
        budgets.release(await budgets.reserve(spending, most, Trail()))
        with pytest.raises(BudgetExhausted):
            await budgets.reserve(spending, Amount(most.cost + 1, most.tokens), Trail())
    with pytest.raises(BudgetExhausted, match="tokens"):
        await budgets.reserve(cases[0][0], Amount(0, 80), Trail())


async def test_a_ledger_that_cannot_be_read_is_no_empty_one(tmp_path: Path) -> None:
    database = Database(Secret(f"sqlite:///{tmp_path}/nothing.db"))
    budgets = Budgets([budget()], Settling(MemoryStore()))
    with pytest.raises(IdentityUnavailable):
        await restore(budgets, SpentInDatabase(database, tenant=TENANT), NOW)
    await database.close()
