"""What was used, in the figures that the control plane and the command line tell alike. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcp_gateway.envelopes.observability.ledger.usage import Group, Sums
from mcp_gateway.envelopes.policy.budgets.rules import NANO


def figures(sums: Sums) -> dict[str, Any]:
    """The sums of a group; `cost_usd` in dollars."""
    return {
        "requests": sums.requests,
        "attempts": sums.attempts,
        "input_tokens": sums.input,
        "output_tokens": sums.output,
        "cost_usd": sums.cost / NANO,
        "unpriced": sums.unpriced,
    }


def shown(keys: Sequence[str], group: Group) -> dict[str, Any]:
    """One group: the value of each key that was grouped by, and its figures."""
    return {"keys": dict(zip(keys, group.keys, strict=True)), **figures(group.sums)}


def total(groups: Sequence[Group]) -> Sums:
    """All groups together."""
    return sum((group.sums for group in groups), Sums())
