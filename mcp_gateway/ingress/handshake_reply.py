"""The answer to a handshake-era request: its stream can be resumed, and can carry questions to the client."""

from __future__ import annotations

import asyncio
from typing import Final

from mcp_gateway.core.asgi.types import Send
from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import MissingCapability, Rejected
from mcp_gateway.ingress.reply import FAMILY, Reply
from mcp_gateway.ingress.sessions import HandshakeSession
from mcp_gateway.ingress.stream import EventStream

_PRIMES: Final = "2025-11-25"


class HandshakeReply(Reply):
    """One response of a session; the `Link` of a handshake-era call."""

    __slots__ = ("_session",)

    def __init__(self, send: Send, request_id: str, session: HandshakeSession) -> None:
        super().__init__(send, request_id)
        self._session = session

    def _make_stream(self) -> EventStream:
        return self._session.new_stream()

    async def _run(self, stream: EventStream) -> None:
        await stream.pump(self._send, self.headers(), prime=self._session.version >= _PRIMES)

    async def ask(self, method: str, params: Json) -> Json:
        """Send a request on this response's stream and wait for the client to post its answer."""
        session = self._session
        family = FAMILY.get(method)
        if family is None or family not in session.capabilities:
            raise MissingCapability("the client did not declare this", required={family or method: {}})
        identifier = session.next_ask()
        answered: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        session.asked[identifier] = answered
        try:
            message = {"jsonrpc": "2.0", "id": identifier, "method": method, "params": params}
            self.open().push(message, droppable=False)
            return await answered
        finally:
            session.asked.pop(identifier, None)


def settle(session: HandshakeSession, identifier: str | int, result: Json | None, error: Json | None) -> None:
    """Hand a client's response to who asked. Answers that nobody waits for are ignored."""
    answered = session.asked.get(identifier)
    if answered is None or answered.done():
        return
    if error is None:
        answered.set_result(result or {})
        return
    code, message = error.get("code"), error.get("message")
    answered.set_exception(
        Rejected(
            code if isinstance(code, int) else -32603,
            message if isinstance(message, str) else "the client answered with an error",
            error.get("data"),
            has_data="data" in error,
        )
    )
