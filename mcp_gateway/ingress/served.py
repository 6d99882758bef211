"""What the ingress knows of one virtual server: its handler and its name tag, of one snapshot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mcp_gateway.core.call import Call, Json
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.identity.protected import ProtectedResource
from mcp_gateway.ingress.dispatch import Result


@dataclass(frozen=True, slots=True)
class Served:
    """One virtual server as the ingress serves it.

    `handler` is the folded outer pipeline. `timeout` is the time a call may take, in seconds. `follow_lists`
    calls back with the method of each list-changed notification from now on, and returns how to end that.
    `resource` is the server as callers need a token for it. `acquaint` is there if some of its lists are shown to
    people only: it gives what has to be waited for before a principal's request is served, usually None.
    """

    name: str
    handler: Handler[Call, Result]
    timeout: float
    server_info: Json
    follow_lists: Callable[[Callable[[str], None]], Callable[[], None]]
    snapshot: str
    resource: ProtectedResource
    acquaint: Callable[[Principal], Awaitable[object] | None] | None = None
