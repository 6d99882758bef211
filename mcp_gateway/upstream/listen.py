"""One `subscriptions/listen` stream to a modern upstream."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import ProtocolViolation, TimedOut, UpstreamError
from mcp_gateway.upstream.wire import Conversation, Exchange, NotifyHook

LISTEN: Final = "subscriptions/listen"
ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"
_FOREVER: Final = float("inf")


class Listening:
    """An acknowledged stream. `honoured` is the part of the filter that the upstream accepted."""

    __slots__ = ("_acknowledged", "_deliver", "_task", "honoured")

    def __init__(self, deliver: NotifyHook) -> None:
        self._deliver = deliver
        self._acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[UpstreamError | None] | None = None
        self.honoured: Json = {}

    @classmethod
    async def open(
        cls, conversation: Conversation, wanted: Json, deliver: NotifyHook, headers: Mapping[str, str], deadline: float
    ) -> Listening:
        """Open a stream with the filter `wanted`; returns once it is acknowledged before `deadline`.

        `deliver` gets every notification after that. Raises `UpstreamError`; nothing is left open then.
        """
        self = cls(deliver)
        self._task = asyncio.create_task(self._run(conversation, wanted, headers))
        try:
            async with asyncio.timeout_at(deadline):
                await asyncio.wait((self._task, self._acknowledged), return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            self.close()
            raise TimedOut("the upstream did not acknowledge the subscription in time") from None
        except asyncio.CancelledError:
            self.close()
            raise
        if not self._acknowledged.done():
            raise self._task.result() or ProtocolViolation("the upstream ended the subscription without accepting it")
        return self

    async def ended(self) -> UpstreamError | None:
        """Wait for the end of the stream; None if the upstream ended it gracefully."""
        assert self._task is not None
        return await asyncio.shield(self._task)

    def close(self) -> None:
        """Close the stream: nothing is delivered from now on."""
        self._deliver = _nowhere
        if self._task is not None:
            self._task.cancel()

    async def _run(self, conversation: Conversation, wanted: Json, headers: Mapping[str, str]) -> UpstreamError | None:
        exchange = Exchange(deadline=_FOREVER, notify=self._take, headers=headers)
        try:
            await conversation.request(LISTEN, {"notifications": wanted}, exchange)
        except UpstreamError as error:
            return error
        return None

    def _take(self, method: str, params: Json) -> None:
        if self._acknowledged.done():
            self._deliver(method, params)
        elif method == ACKNOWLEDGED:
            honoured = params.get("notifications")
            self.honoured = honoured if isinstance(honoured, dict) else {}
            self._acknowledged.set_result(None)


def _nowhere(method: str, params: Json) -> None:
    return None
