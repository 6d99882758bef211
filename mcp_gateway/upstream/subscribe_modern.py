"""A principal's resources at a modern upstream: one listen stream with the union of what is followed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import GatewayError, Rejected
from mcp_gateway.upstream.backoff import Backoff
from mcp_gateway.upstream.connect import until
from mcp_gateway.upstream.credentials import Fields
from mcp_gateway.upstream.events import UPDATED
from mcp_gateway.upstream.listen import Listening
from mcp_gateway.upstream.subscriptions import OnUpdate
from mcp_gateway.upstream.wire import Conversation

OPEN_SECONDS: Final = 10.0
_OVERLAP: Final = 0.05
"""How long after a stream replaced another the copies of one update may still come in."""

NOT_OFFERED: Final = -32601


def not_offered() -> Rejected:
    """The upstream has no subscriptions to resources, or none to this one."""
    return Rejected(NOT_OFFERED, "the upstream does not offer subscriptions to this resource")


class ModernFollowing:
    """A filter cannot be changed: for another resource a wider stream is opened before the old one is closed.

    While both are open an update may come twice; what comes in that time is delivered once, when it is over.
    Resources that are no longer followed stay in the stream until it is next replaced.
    """

    def __init__(
        self,
        ready: Callable[[Fields, float], Awaitable[Conversation]],
        fields: Callable[[float], Awaitable[Fields]],
        deliver: OnUpdate,
    ) -> None:
        """`ready` gives the conversation before a deadline, `fields` the credential of the moment."""
        self._ready = ready
        self._fields = fields
        self._deliver = deliver
        self._wanted: set[str] = set()
        self._honoured: frozenset[str] = frozenset()
        self._stream: Listening | None = None
        self._tending: asyncio.Task[None] | None = None
        self._merged: dict[str, Json] | None = None
        self._lock = asyncio.Lock()

    async def add(self, uri: str) -> None:
        async with self._lock:
            if self._stream is None or uri not in self._honoured:
                await self._replace(self._wanted | {uri})
                if uri not in self._honoured:
                    raise not_offered()
            self._wanted.add(uri)

    def drop(self, uri: str) -> None:
        self._wanted.discard(uri)

    async def close(self) -> None:
        self._wanted.clear()
        if self._tending is not None:
            self._tending.cancel()
        if self._stream is not None:
            self._stream.close()

    async def _replace(self, uris: set[str]) -> None:
        """Open a stream for `uris` and let go of the one before."""
        deadline = until(OPEN_SECONDS)
        fields = await self._fields(deadline)
        conversation = await self._ready(fields, deadline)
        self._merged = {} if self._merged is None and self._stream is not None else self._merged
        try:
            stream = await Listening.open(
                conversation, {"resourceSubscriptions": sorted(uris)}, self._heard, fields, deadline
            )
        except GatewayError:
            self._flush()
            raise
        old, self._stream = self._stream, stream
        honoured = stream.honoured.get("resourceSubscriptions")
        self._honoured = frozenset(honoured) & uris if isinstance(honoured, list) else frozenset()
        if old is not None:
            old.close()
            asyncio.get_running_loop().call_later(_OVERLAP, self._flush)
        if self._tending is not None and self._tending is not asyncio.current_task():
            self._tending.cancel()
        self._tending = asyncio.create_task(self._tend(stream))

    def _heard(self, method: str, params: Json) -> None:
        if method != UPDATED:
            return
        uri = params.get("uri")
        if self._merged is not None and isinstance(uri, str):
            self._merged[uri] = params
        else:
            self._deliver(params)

    def _flush(self) -> None:
        merged, self._merged = self._merged, None
        for params in (merged or {}).values():
            self._deliver(params)

    async def _tend(self, stream: Listening) -> None:
        """When the stream ends, open it again; what changed in between is taken as changed."""
        await stream.ended()
        backoff = Backoff()
        while self._wanted:
            await asyncio.sleep(backoff.next())
            async with self._lock:
                if self._stream is not stream:
                    return
                try:
                    await self._replace(set(self._wanted))
                except GatewayError:
                    continue
            for uri in tuple(self._wanted):
                self._deliver({"uri": uri})
            return
