"""Arguments are checked and bound before anything else looks at them.

Policy must never meet a wrong-typed argument, since an engine skips a policy that errors.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.core.errors import Invalid, InvalidArguments
from mcp_gateway.core.pipeline import Handler


class ValidateArguments:
    """Checks a tool call against the exposed input schema, then rewrites its arguments to the upstream's."""

    __slots__ = ()

    def __call__(self, call: Invocation, call_next: Handler[Invocation, Result]) -> Awaitable[Result]:
        tool = call.tool
        if tool is None:
            return call_next(call)
        params = call.params
        arguments: Any = params.get("arguments")
        if arguments is None and "arguments" not in params:
            arguments = {}
        if not isinstance(arguments, dict):
            raise Invalid("arguments must be an object", pointer="/params/arguments")
        problem = tool.check(arguments)
        if problem is not None:
            pointer, message = problem
            raise InvalidArguments(message, pointer=pointer)
        if tool.bind is not None:
            bound = tool.bind(arguments, call.call.principal, call.call.metadata)
            call = call._replace(params={**params, "arguments": bound})
        return call_next(call)
