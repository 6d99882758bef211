"""Calls and invocations for the tests of the inner pipeline and of the envelopes."""

from __future__ import annotations

from typing import Any

from mcp_gateway.calls.kinds import Invocation, Kind, ToolBinding
from mcp_gateway.core.call import Call, Client, Json, Trail
from mcp_gateway.core.errors import MissingCapability
from mcp_gateway.core.principal import ANONYMOUS, Principal


class Mute:
    """A `Link` that goes nowhere."""

    def notify(self, method: str, params: Json) -> None:
        return

    async def ask(self, method: str, params: Json) -> Json:
        raise MissingCapability("nobody there", required={})


def call(**changes: Any) -> Call:
    given: dict[str, Any] = {
        "id": 1,
        "request_id": "r-1",
        "server": "desk",
        "method": "tools/call",
        "params": {},
        "principal": ANONYMOUS,
        "client": Client("2026-07-28", True, {}),
        "link": Mute(),
        "deadline": float("inf"),
        "snapshot": "s-1",
        "trail": Trail(),
    }
    return Call(**{**given, **changes})


def fits_all(arguments: Json) -> tuple[str, str] | None:
    return None


def binding(**changes: Any) -> ToolBinding:
    given: dict[str, Any] = {
        "name": "say",
        "upstream": "up",
        "upstream_name": "echo",
        "definition": {},
        "check": fits_all,
    }
    return ToolBinding(**{**given, **changes})


def invocation(params: Json | None = None, *, user: str = "alice", server: str = "desk", **changes: Any) -> Invocation:
    principal = Principal(id=user, subject=user)
    given: dict[str, Any] = {
        "call": call(principal=principal, server=server),
        "kind": Kind.TOOL,
        "upstream": "up",
        "target": "echo",
        "params": {"name": "echo", "arguments": {}} if params is None else params,
        "meta": {},
        "tool": binding(),
    }
    return Invocation(**{**given, **changes})
