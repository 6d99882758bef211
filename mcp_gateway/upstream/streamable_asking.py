"""Answers the requests that an upstream makes while it serves one of ours (handshake era)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import GatewayError, Rejected, UpstreamError
from mcp_gateway.upstream.channel_incoming import ASKABLE
from mcp_gateway.upstream.streamable import INTERNAL_ERROR, METHOD_NOT_FOUND
from mcp_gateway.upstream.wire import AskHook

PING: Final = "ping"
MOST_ASKED: Final = 32
"""Requests of an upstream that may wait for an answer at one time, per request of ours."""

_log = structlog.get_logger("upstream.streamable")

Tell = Callable[[Json], Awaitable[None]]
"""Posts an answer. Raises `UpstreamError`."""


class Asking:
    """Each question is answered in a task of its own; all of them die with the request they belong to."""

    __slots__ = ("_ask", "_tasks", "_tell")

    def __init__(self, tell: Tell, ask: AskHook | None) -> None:
        self._tell = tell
        self._ask = ask
        self._tasks: dict[int | str, asyncio.Task[None]] = {}

    def take(self, message: Json) -> bool:
        """Begin to answer a well-formed request; False if it is dropped, as its id is open or too many are."""
        asked = message["id"]
        if asked in self._tasks or len(self._tasks) >= MOST_ASKED:
            return False
        task = asyncio.create_task(self._serve(asked, message["method"], message.get("params", {})))
        self._tasks[asked] = task
        task.add_done_callback(lambda _: self._tasks.pop(asked, None))
        return True

    def cancel(self, asked: object) -> bool:
        """The upstream no longer wants the answer to `asked`; False if that is not being worked on."""
        if not isinstance(asked, int | str) or asked not in self._tasks:
            return False
        return self._tasks[asked].cancel()

    def close(self) -> None:
        """Stop answering."""
        for task in tuple(self._tasks.values()):
            task.cancel()

    async def _serve(self, asked: int | str, method: str, params: Json) -> None:
        try:
            await self._tell({"jsonrpc": "2.0", "id": asked, **await self._answer(method, params)})
        except UpstreamError:
            return  # the answer cannot be delivered: the request that it belongs to will end one way or the other

    async def _answer(self, method: str, params: Json) -> Json:
        if method == PING:
            return {"result": {}}
        if self._ask is None or method not in ASKABLE:
            return {"error": {"code": METHOD_NOT_FOUND, "message": "the client does not answer this here"}}
        try:
            return {"result": await self._ask(method, params)}
        except Rejected as rejected:
            error: Json = {"code": rejected.code, "message": rejected.message}
            if rejected.has_data:
                error["data"] = rejected.data
            return {"error": error}
        except GatewayError as failure:
            return {"error": {"code": INTERNAL_ERROR, "message": failure.message}}
        except Exception as failure:  # the outer edge of this task: the upstream must not wait for ever
            _log.error("ask_failed", method=method, error=type(failure).__name__)
            return {"error": {"code": INTERNAL_ERROR, "message": "Internal error"}}
