"""Scopes that single tools need, besides those that the door asks of every request to the server."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.core.challenge import bearer
from mcp_gateway.core.errors import InsufficientScope, Unauthenticated
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.envelopes.identity.protected import insufficient_scope


class RequireScopes:
    """Refuses calls whose principal lacks scopes of the tool; the refusal names all that the call needs at once."""

    __slots__ = ("_metadata",)

    def __init__(self, metadata: Mapping[str, str]) -> None:
        """`metadata` has the URL of each virtual server's protected resource metadata, empty where there is none."""
        self._metadata = metadata

    def __call__(self, call: Invocation, call_next: Handler[Invocation, Result]) -> Awaitable[Result]:
        tool = call.tool
        if tool is not None and tool.scopes and not call.call.principal.scopes.issuperset(tool.scopes):
            self._refuse(call, tool.scopes)
        return call_next(call)

    def _refuse(self, call: Invocation, needed: tuple[str, ...]) -> None:
        metadata = self._metadata.get(call.call.server, "")
        if call.call.principal.kind == "anonymous":
            # Nothing was presented that could grant too little: who asks has to sign in first.
            challenge = bearer(scope=" ".join(needed), resource_metadata=metadata)
            raise Unauthenticated("an access token is needed for this tool", challenge=challenge)
        message = "the access token lacks scopes that this tool needs"
        raise InsufficientScope(message, challenge=insufficient_scope(needed, metadata))
