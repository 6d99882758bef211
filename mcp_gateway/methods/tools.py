"""tools/call."""

from __future__ import annotations

from collections.abc import Awaitable

from mcp_gateway.calls.kinds import Invocation, Kind, Result
from mcp_gateway.core.call import Call
from mcp_gateway.core.errors import HeaderMismatch, ToolQuarantined, UnknownName
from mcp_gateway.core.mcp_headers import validate_param_headers
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.methods.invocation import make, text
from mcp_gateway.methods.offer import Offer


class CallTool:
    """Finds the tool by its exposed name and hands the call to the inner pipeline."""

    __slots__ = ("_inner", "_offer")

    def __init__(self, offer: Offer, inner: Handler[Invocation, Result]) -> None:
        self._offer = offer
        self._inner = inner

    def __call__(self, call: Call) -> Awaitable[Result]:
        name = text(call.params, "name")
        tool = self._offer.tool(name, call)
        if tool is None:
            if self._offer.quarantined(name, call):
                raise ToolQuarantined(f"The tool {name[:64]} is quarantined: it is not the one that was accepted")
            raise UnknownName(f"Unknown tool: {name[:64]}", pointer="/params/name")
        if tool.headers and call.client.modern:
            given = call.params.get("arguments")
            arguments = given if isinstance(given, dict) else {}
            problem = validate_param_headers(tool.headers, arguments, call.headers)
            if problem is not None:
                raise HeaderMismatch(problem)
        return self._inner(
            make(
                call,
                Kind.TOOL,
                upstream=tool.upstream,
                target=tool.upstream_name,
                changes={"name": tool.upstream_name},
                tool=tool,
            )
        )
