"""Where a configuration has no guardrails, a request that asks for some is refused and not served without them."""

from __future__ import annotations

from collections.abc import Awaitable

from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.core.errors import Invalid
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.envelopes.safety.header import HEADER, HEADERS


class RefuseGuardrails:
    """Refuses calls with the header that names guardrails. Raises `Invalid`."""

    __slots__ = ()

    def __call__(self, call: Invocation, call_next: Handler[Invocation, Result]) -> Awaitable[Result]:
        headers = call.call.headers
        if headers and any(name in headers for name in HEADERS):
            raise Invalid(f"{HEADER} asks for guardrails, and this gateway has none configured")
        return call_next(call)
