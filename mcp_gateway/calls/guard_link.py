"""Guardrails over what passes while a call is under way: notifications, questions of the upstream and their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from mcp_gateway.calls.guarding import Guarding
from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.core.call import Json, Link
from mcp_gateway.core.errors import Blocked
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.envelopes.safety.rules import Chosen

MOST_PENDING: Final = 64
"""Notifications of one call that wait for guardrails. What comes on top is dropped, as links drop what is too much."""


class GuardLink:
    """Puts guardrails between a call and the way back to its client.

    It stands before the door, since what was permitted is not touched behind it.
    """

    __slots__ = ("_guarding",)

    def __init__(self, guarding: Guarding) -> None:
        self._guarding = guarding

    async def __call__(self, call: Invocation, call_next: Handler[Invocation, Result]) -> Result:
        if not self._guarding.concerns(call):
            return await call_next(call)
        before, after = self._guarding.chosen(call)
        if not before and not after:
            return await call_next(call)
        link = GuardedLink(call.call.link, self._guarding, call, before, after)
        link.carried_by = guarded = call._replace(call=call.call._replace(link=link))
        try:
            result = await call_next(guarded)
            await link.settled()
        finally:
            link.close()
        return result


class GuardedLink:
    """A `Link` on which nothing passes that guardrails have not seen. Notifications keep their order.

    `chosen` are the guardrails of the call that is `carried_by` it, before and after: whoever meets that very call
    again does not have to choose anew.
    """

    __slots__ = ("_after", "_before", "_call", "_guarding", "_last", "_link", "_pending", "carried_by")

    def __init__(
        self, link: Link, guarding: Guarding, call: Invocation, before: Sequence[Chosen], after: Sequence[Chosen]
    ) -> None:
        self._link = link
        self._guarding = guarding
        self._call = call
        self._before = before
        self._after = after
        self._pending: set[asyncio.Task[None]] = set()
        self._last: asyncio.Task[None] | None = None
        self.carried_by: Invocation | None = None

    @property
    def chosen(self) -> tuple[Sequence[Chosen], Sequence[Chosen]]:
        return self._before, self._after

    def notify(self, method: str, params: Json) -> None:
        if not self._after:
            self._link.notify(method, params)
        elif len(self._pending) < MOST_PENDING:
            task = asyncio.get_running_loop().create_task(self._told(self._last, method, params))
            self._last = task
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)

    async def ask(self, method: str, params: Json) -> Json:
        await self.settled()
        if self._after:
            params, _ = await self._guarding.came(self._call, self._after, params)
        answer = await self._link.ask(method, params)
        return await self._guarding.answer(self._call, self._before, answer) if self._before else answer

    async def settled(self) -> None:
        """Wait until everything that was to be told has been, or was withheld."""
        if self._pending:
            await asyncio.wait(tuple(self._pending))

    def close(self) -> None:
        """Tell nothing more."""
        for task in tuple(self._pending):
            task.cancel()

    async def _told(self, previous: asyncio.Task[None] | None, method: str, params: Json) -> None:
        try:
            left, _ = await self._guarding.came(self._call, self._after, params)
        except Blocked:
            return  # withheld, and noted; the call itself goes on
        finally:
            if previous is not None and not previous.done():
                await asyncio.wait([previous])
        self._link.notify(method, left)
