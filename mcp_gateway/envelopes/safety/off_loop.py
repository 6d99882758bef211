"""An examiner that takes as long as the message is, kept from holding the event loop."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import Final, Protocol

from mcp_gateway.envelopes.safety.content import Content, Examined
from mcp_gateway.envelopes.safety.workers import Workers


class Examines(Protocol):
    """An examiner that never waits. It may be called from any thread."""

    def __call__(self, content: Content, *, rewrite: bool) -> Examined: ...


class OffLoop:
    """Examines on the spot what is small, and in a thread what is not. Raises `Busy` too, then.

    With `always`, nothing is small.
    """

    __slots__ = ("_always", "_workers", "examine")

    def __init__(self, examine: Examines, workers: Workers, *, always: bool = False) -> None:
        self.examine: Final = examine
        self._workers = workers
        self._always = always

    def waits(self, content: Content) -> bool:
        """Whether the event loop does something else meanwhile."""
        return self._always or not content.small

    def __call__(self, content: Content, *, rewrite: bool) -> Examined | Awaitable[Examined]:
        if self.waits(content):
            return self._workers.run(partial(self.examine, content, rewrite=rewrite))
        return self.examine(content, rewrite=rewrite)
