"""The connector of an upstream whose settings cannot be used: it says why, to everybody who asks."""

from __future__ import annotations

from mcp_gateway.core.errors import Unreachable
from mcp_gateway.upstream.connect import Hello
from mcp_gateway.upstream.wire import Conversation


class UnusableConnector:
    """Never connects. The rest of the configuration works on."""

    def __init__(self, why: str) -> None:
        self._why = why

    @property
    def kind(self) -> str:
        return "http"

    async def connect(self, hello: Hello) -> Conversation:
        raise Unreachable(self._why, sent=False)

    def forget(self) -> None:
        """Nothing was remembered."""

    async def close(self) -> None:
        """Nothing was opened."""
