"""Shut down without cutting anybody off who would have finished in time.

Load balancers must see "not ready" before connections are refused, streams must end with an event instead of a reset,
and calls that already reached an upstream deserve their answer. So: not ready, pause, close streams and stop
accepting, wait, and only then cancel.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from mcp_gateway.core.asgi import respond
from mcp_gateway.core.asgi.types import REQUEST_ID, App, Headers, Receive, Scope, Send
from mcp_gateway.core.errors import Overloaded

_LAST_WORDS: Final = 1.0
"""Seconds for cancelled requests to send their last event."""

_BODY: Final = respond.error_body(50300, "The gateway is shutting down", Overloaded.reason)
_HEADERS: Final = (respond.JSON, (b"retry-after", b"1"), (b"connection", b"close"))


class Drain:
    """The state of shutting down, shared by everything that outlives one request.

    `ready` is what the readiness probe reports; `closing` is what long streams await to send their last event;
    `expired` tells whoever is cancelled that the deadline was the reason.
    """

    def __init__(self) -> None:
        self.ready = False
        self.expired = False
        self.closing = asyncio.Event()
        self._idle = asyncio.Event()
        self._tasks: set[asyncio.Task[object]] = set()
        # Found once: in CPython 3.11 finding the running loop costs a system call.
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def count(self) -> int:
        """Requests in work."""
        return len(self._tasks)

    async def run(self, stop_accepting: Callable[[], None], *, deadline: float, pre_stop: float = 0.0) -> bool:
        """Drain: unready for `pre_stop` seconds, then closed, at most `deadline` seconds more for what is in work.

        Returns False if requests had to be cancelled. `stop_accepting` is called once, when the pause is over.
        """
        self.ready = False
        if pre_stop > 0:
            await asyncio.sleep(pre_stop)
        self.closing.set()
        stop_accepting()
        if await self.wait_idle(deadline):
            return True
        self.expired = True
        doomed = tuple(self._tasks)
        for task in doomed:
            task.cancel()
        if doomed:
            await asyncio.wait(doomed, timeout=_LAST_WORDS)
        return False

    async def wait_idle(self, timeout: float) -> bool:
        """Whether nothing was in work any more within `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                while self._tasks:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def track(self, app: App) -> App:
        """The same app, its requests counted, and answered with 503 if draining cancels them unanswered."""

        async def tracked(scope: Scope, receive: Receive, send: Send) -> None:
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            task = asyncio.current_task(self._loop)
            assert task is not None
            self._tasks.add(task)
            try:
                await app(scope, receive, send)
            except asyncio.CancelledError:
                if not self.expired:
                    raise
                task.uncancel()
                with contextlib.suppress(RuntimeError):
                    # The server refuses a second response: then the first was begun, and is cut here.
                    await respond.respond(send, 503, _BODY, (*_HEADERS, *_accounted(scope)))
            finally:
                self._tasks.discard(task)
                if not self._tasks:
                    self._idle.set()

        return tracked


def _accounted(scope: Scope) -> Headers:
    """What every answer carries, where the app got as far as naming the request."""
    identifier = scope.get(REQUEST_ID)
    if identifier is None:
        return []
    return [(b"x-request-id", identifier.encode()), (b"server-timing", b"gateway;dur=0, upstream;dur=0")]
