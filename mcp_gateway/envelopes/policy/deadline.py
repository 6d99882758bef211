"""No call waits longer than it was given."""

from __future__ import annotations

import asyncio
from typing import Any

from mcp_gateway.core.call import Call
from mcp_gateway.core.errors import TimedOut
from mcp_gateway.core.pipeline import Handler

_FOREVER = float("inf")


class Deadline:
    """Ends a call at `call.deadline` with `TimedOut`. Streams that live as long as their client have none."""

    __slots__ = ()

    async def __call__(self, call: Call, call_next: Handler[Call, dict[str, Any]]) -> dict[str, Any]:
        if call.deadline == _FOREVER:
            return await call_next(call)
        try:
            async with asyncio.timeout_at(call.deadline):
                return await call_next(call)
        except TimeoutError as error:
            raise TimedOut("the call did not finish within its deadline") from error
