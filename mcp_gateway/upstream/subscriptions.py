"""Follows resources for principals: each (principal, resource) is subscribed to once, however many listen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Protocol

from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import GatewayError, Rejected
from mcp_gateway.core.principal import Principal

OnUpdate = Callable[[Json], None]
"""Gets the params of ``notifications/resources/updated``. Must not wait or raise."""


class Following(Protocol):
    """The subscriptions of one principal at one upstream, in the upstream's era."""

    async def add(self, uri: str) -> None:
        """Subscribe. Raises `UpstreamError` where that is not possible, or what obtaining a credential raises."""
        ...

    def drop(self, uri: str) -> None:
        """Unsubscribe, sooner or later. What still comes is not delivered."""
        ...

    async def close(self) -> None:
        """End all of it."""
        ...


Begin = Callable[[Principal, OnUpdate], Awaitable[Following]]
"""Makes the `Following` for the era that the upstream speaks now."""


class _Followed:
    """What one principal follows."""

    __slots__ = ("following", "listeners", "lock", "principal")

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.following: Following | None = None
        self.listeners: dict[str, dict[int, OnUpdate]] = {}
        self.lock = asyncio.Lock()

    def deliver(self, params: Json) -> None:
        """To those who listen to this resource; where nobody does, to those who listen to one it is a part of."""
        uri = params.get("uri")
        if not isinstance(uri, str):
            return
        listeners = self.listeners.get(uri)
        if listeners is not None:
            for on_update in tuple(listeners.values()):
                on_update(params)
            return
        for whole, within in tuple(self.listeners.items()):
            if uri.startswith(whole):
                for on_update in tuple(within.values()):
                    on_update(params)


class Subscriptions:
    """All that is followed at one upstream.

    After an interruption each listener gets an update for its resource: it may have changed unheard.
    """

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._ids = count()
        self._followed: dict[str, _Followed] = {}
        self._background: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return sum(len(followed.listeners) for followed in self._followed.values())

    async def watch(self, uri: str, principal: Principal, on_update: OnUpdate) -> Callable[[], None]:
        """Follow `uri` for `principal`; returns the function that ends it (safe to call twice).

        Raises `UpstreamError` where the upstream does not offer it, or what obtaining a credential raises.
        """
        followed = self._followed.get(principal.binding)
        if followed is None:
            followed = self._followed[principal.binding] = _Followed(principal)
        number = next(self._ids)

        def release() -> None:
            self._release(followed, uri, number)

        followed.listeners.setdefault(uri, {})[number] = on_update
        try:
            async with followed.lock:
                if followed.following is None:
                    followed.following = await self._begin(principal, followed.deliver)
                await followed.following.add(uri)
        except BaseException:
            release()
            raise
        return release

    def renew(self) -> None:
        """The upstream was begun anew, perhaps in another era: subscribe again."""
        for followed in tuple(self._followed.values()):
            self._spawn(self._renew(followed))

    async def close(self) -> None:
        """End everything."""
        for task in tuple(self._background):
            task.cancel()
        for followed in tuple(self._followed.values()):
            following, followed.following = followed.following, None
            followed.listeners.clear()
            if following is not None:
                await following.close()
        self._followed.clear()

    def _release(self, followed: _Followed, uri: str, number: int) -> None:
        listeners = followed.listeners.get(uri)
        if listeners is None or listeners.pop(number, None) is None or listeners:
            return
        del followed.listeners[uri]
        if followed.following is not None:
            followed.following.drop(uri)
        if not followed.listeners:
            self._spawn(self._end(followed))

    async def _end(self, followed: _Followed) -> None:
        async with followed.lock:
            if followed.listeners:
                return  # somebody came meanwhile
            if self._followed.get(followed.principal.binding) is followed:
                del self._followed[followed.principal.binding]
            following, followed.following = followed.following, None
        if following is not None:
            await following.close()

    async def _renew(self, followed: _Followed) -> None:
        async with followed.lock:
            if not followed.listeners:
                return
            old, followed.following = followed.following, None
            if old is not None:
                await old.close()
            try:
                followed.following = following = await self._begin(followed.principal, followed.deliver)
                for uri in tuple(followed.listeners):
                    await self._add_again(following, uri)
            except GatewayError:
                return  # out of reach again, or no credential any more: the next beginning renews
        for uri in tuple(followed.listeners):
            followed.deliver({"uri": uri})

    async def _add_again(self, following: Following, uri: str) -> None:
        try:
            await following.add(uri)
        except Rejected:
            return  # no longer offered: the listener hears of that as of a change

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
