"""What comes back to the client while an upstream serves its request."""

from __future__ import annotations

from typing import Final

from mcp_gateway.core.call import Json, Link
from mcp_gateway.core.errors import Rejected
from mcp_gateway.upstream.capabilities import FAMILIES

PROGRESS: Final = "notifications/progress"
_METHOD_NOT_FOUND: Final = -32601


class Relay:
    """The hooks of one exchange. Progress carries the client's own token again."""

    __slots__ = ("_capabilities", "_link", "_token")

    def __init__(self, link: Link, token: str | int | None, capabilities: Json) -> None:
        """`capabilities` are those that were declared to the upstream: it may ask for nothing else."""
        self._link = link
        self._token = token
        self._capabilities = capabilities

    def notify(self, method: str, params: Json) -> None:
        if method == PROGRESS:
            params = {**params, "progressToken": self._token}
        self._link.notify(method, params)

    async def ask(self, method: str, params: Json) -> Json:
        """Put a question of the upstream to the client. Raises `Rejected` for what was not declared."""
        if FAMILIES.get(method) not in self._capabilities:
            raise Rejected(_METHOD_NOT_FOUND, "the client did not declare this capability")
        return await self._link.ask(method, params)
