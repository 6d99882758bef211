"""What the ledger knows of the past, as budgets count it: for accounts in memory, when the gateway starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import func, select

from mcp_gateway.core.state.database import Database
from mcp_gateway.core.state.tables import SPEND
from mcp_gateway.envelopes.policy.budgets.restore import Past, recorded
from mcp_gateway.envelopes.policy.budgets.rules import Amount, Spending

_HOUR: Final = 3_600

_BY: Final = (
    SPEND.c.hour,
    SPEND.c.plane,
    SPEND.c.principal,
    SPEND.c.teams,
    SPEND.c.asked,
    SPEND.c.target,
    SPEND.c.metadata,
)


class SpentInDatabase:
    """Implements `Spent` over the sums of hours."""

    __slots__ = ("_database", "_tenant")

    def __init__(self, database: Database, *, tenant: str) -> None:
        self._database = database
        self._tenant = tenant

    async def since(self, second: int) -> Sequence[Past]:
        """The sums of all hours from that of `second` on. Raises `IdentityUnavailable`."""
        sums = (func.sum(SPEND.c[name]).label(name) for name in ("input", "output", "cost"))
        query = select(*_BY, *sums).where(SPEND.c.tenant == self._tenant, SPEND.c.hour >= second // _HOUR)
        query = query.group_by(*_BY)
        found = await self._database.read(lambda on: on.execute(query))
        return [_past(row) for row in found.mappings()]


def _past(row: Mapping[Any, Any]) -> Past:
    of_tool = row["plane"] == "mcp"
    spending = Spending(
        recorded(row["principal"], orjson.loads(row["teams"])),
        model="" if of_tool else row["asked"],
        target="" if of_tool else row["target"],
        tool=row["target"] if of_tool else "",
        metadata=row["metadata"],
    )
    return Past(row["hour"] * _HOUR, spending, Amount(int(row["cost"]), int(row["input"]) + int(row["output"])))
