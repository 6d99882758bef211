"""Methods that exist only in handshake-era sessions: ping and logging/setLevel."""

from __future__ import annotations

from typing import Final

from mcp_gateway.calls.kinds import Result
from mcp_gateway.core.call import Call
from mcp_gateway.core.errors import Invalid
from mcp_gateway.methods.invocation import text

LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""Log levels of MCP (RFC 5424), least severe first."""


async def ping(call: Call) -> Result:
    """Answered here: it asks whether this end of the connection lives."""
    return {}


async def set_level(call: Call) -> Result:
    """Remembers the level for the session; each of its requests carries it from then on."""
    level = text(call.params, "level")
    if level not in LEVELS:
        raise Invalid("level must be one of " + ", ".join(LEVELS), pointer="/params/level")
    if call.session is not None:
        call.session.log_level = level
    return {}
