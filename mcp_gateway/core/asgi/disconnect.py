"""Learn that a client went away while its request is in work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from mcp_gateway.core.asgi.types import Receive, Scope

EXTENSION: Final = "mcp_gateway.disconnect"
"""Key in `scope["extensions"]`: a callable that takes the callback (or None to take it back), called by the edge
the moment the connection is lost. Where a server does not offer it, a task reads `receive`."""


class Watch:
    """Calls `on_disconnect` at most once, and not after `stop`. Also a context manager that stops at its end."""

    __slots__ = ("_callback", "_handle", "_receive", "_register", "_task")

    def __init__(self, on_disconnect: Callable[[], object], receive: Receive) -> None:
        self._callback: Callable[[], object] | None = on_disconnect
        self._receive = receive
        self._handle: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._register: Callable[[Callable[[], object] | None], None] | None = None

    def stop(self) -> None:
        """The request is over: do not call back any more."""
        self._callback = None
        if self._register is not None:
            self._register(None)
        if self._handle is not None:
            self._handle.cancel()
        if self._task is not None:
            self._task.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _fire(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()

    def _start(self) -> None:
        self._handle = None
        self._task = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._fire()


def watch(
    receive: Receive, on_disconnect: Callable[[], object], *, scope: Scope | None = None, after: float = 0.05
) -> Watch:
    """Watch for the client's going away, once the whole body has been read.

    With a `scope` that offers `EXTENSION` this costs two assignments. Otherwise a task that reads `receive` is started,
    but only `after` seconds from now: most requests are over by then, and a task each would cost more than they do.
    """
    watcher = Watch(on_disconnect, receive)
    register = scope.get("extensions", {}).get(EXTENSION) if scope is not None else None
    if register is not None:
        watcher._register = register
        register(watcher._fire)
    else:
        watcher._handle = asyncio.get_running_loop().call_later(after, watcher._start)
    return watcher
