"""What limits see of an invocation."""

from __future__ import annotations

from mcp_gateway.calls.kinds import Invocation, Kind
from mcp_gateway.core.call import Trail
from mcp_gateway.envelopes.policy.limits.rules import Counted


def counted(call: Invocation) -> tuple[Counted, Trail] | None:
    """Calls of tools are counted, every round of one that asks back too. The gateway's own tool calls nobody."""
    if call.kind is not Kind.TOOL or call.tool is None or call.tool.connects:
        return None
    told = call.call
    of = Counted(told.server, told.principal, call.upstream, call.target, call.tool.name, told.metadata)
    return of, told.trail
