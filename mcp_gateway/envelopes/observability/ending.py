"""How a request ended, in the words that records, measures and the ledger share. Pure but for asyncio's exception."""

from __future__ import annotations

import asyncio

from mcp_gateway.core.errors import GatewayError, Refusal


def ended(error: BaseException) -> tuple[str, str]:
    """The outcome (`refused`, `failed` or `cancelled`) and the reason of a request that ended with `error`."""
    if isinstance(error, asyncio.CancelledError):
        return "cancelled", "cancelled"
    if isinstance(error, GatewayError):
        return "refused" if isinstance(error, Refusal) else "failed", error.reason
    return "failed", "internal_error"
