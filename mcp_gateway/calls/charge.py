"""The stage that has calls of tools paid for out of budgets."""

from __future__ import annotations

from mcp_gateway.calls.kinds import Invocation, Kind, Result
from mcp_gateway.core.errors import (
    ConnectionRequired,
    GatewayError,
    IdentityUnavailable,
    Overloaded,
    TimedOut,
    Unreachable,
)
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.envelopes.policy.authorize import Permitted
from mcp_gateway.envelopes.policy.budgets.budgets import Budgets
from mcp_gateway.envelopes.policy.budgets.rules import Amount, Spending


class ChargeCalls:
    """Holds back what a call costs before it is made, and charges it unless the upstream provably never saw it.

    Every round of a call that asks back is one. A call that fails, times out or is given up is charged: the upstream
    has it, and charges it too. Tools without a cost pass. Raises what `Budgets.reserve` does.
    """

    __slots__ = ("_budgets",)

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets

    async def __call__(self, call: Permitted[Invocation], call_next: Handler[Permitted[Invocation], Result]) -> Result:
        invocation = call.call
        tool = invocation.tool
        if invocation.kind is not Kind.TOOL or tool is None or not tool.cost:
            return await call_next(call)
        asked = invocation.call
        tool_name = f"{invocation.upstream}/{invocation.target}"
        spending = Spending(asked.principal, tool=tool_name, metadata=asked.metadata)
        amount = Amount(tool.cost)
        reservation = await self._budgets.reserve(spending, amount, asked.trail)
        spent = amount
        try:
            return await call_next(call)
        except GatewayError as error:
            spent = Amount() if never_sent(error) else amount
            raise
        finally:
            self._budgets.settle(reservation, spent)


def never_sent(error: GatewayError) -> bool:
    """Whether the upstream provably saw nothing of a call that ended so: there was no way to it, or no credential."""
    if isinstance(error, Unreachable | TimedOut):
        return not error.sent
    return isinstance(error, ConnectionRequired | IdentityUnavailable | Overloaded)
