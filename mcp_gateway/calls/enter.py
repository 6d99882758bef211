"""The stage that enters calls of tools into the ledger."""

from __future__ import annotations

import time

from mcp_gateway.calls.charge import never_sent
from mcp_gateway.calls.kinds import Invocation, Kind, Result
from mcp_gateway.core.errors import GatewayError
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.envelopes.observability.ending import ended
from mcp_gateway.envelopes.observability.ledger.entry import Entry, entry_id
from mcp_gateway.envelopes.observability.ledger.ledger import Ledger
from mcp_gateway.envelopes.policy.authorize import Permitted


class EnterCalls:
    """Writes one entry for each call of a tool that goes to an upstream, whatever comes of it.

    What is refused before costs nothing and is in the record alone.
    """

    __slots__ = ("_ledger",)

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def __call__(self, call: Permitted[Invocation], call_next: Handler[Permitted[Invocation], Result]) -> Result:
        invocation = call.call
        tool = invocation.tool
        if invocation.kind is not Kind.TOOL or tool is None:
            return await call_next(call)
        started, began = time.time(), time.perf_counter()
        status, cost = "ok", tool.cost
        try:
            result = await call_next(call)
            if result.get("isError") is True:
                status = "tool_error"
            return result
        except BaseException as error:
            status = ended(error)[1]
            if isinstance(error, GatewayError) and never_sent(error):
                cost = 0
            raise
        finally:
            asked = invocation.call
            self._ledger.write(
                Entry(
                    id=entry_id(),
                    at=started,
                    request_id=asked.request_id,
                    plane="mcp",
                    principal=asked.principal.id,
                    teams=asked.principal.teams,
                    server=asked.server,
                    asked=tool.name,
                    target=f"{invocation.upstream}/{invocation.target}",
                    provider=invocation.upstream,
                    status=status,
                    cost=cost,
                    seconds=time.perf_counter() - began,
                    snapshot=asked.snapshot,
                    metadata=asked.metadata,
                )
            )
