"""One compiled value that is swapped whole when configuration or the outside world changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Live(Generic[T]):
    """Holds the current snapshot. Readers take `current` once and keep it to the end of their call.

    Watchers run synchronously after each swap, in the order they came; they must not raise.
    """

    __slots__ = ("_watchers", "current")

    def __init__(self, value: T) -> None:
        self.current = value
        self._watchers: list[Callable[[T, T], None]] = []

    def swap(self, value: T) -> T:
        """Replace the snapshot and return the old one."""
        old, self.current = self.current, value
        for watcher in tuple(self._watchers):
            watcher(old, value)
        return old

    def watch(self, watcher: Callable[[T, T], None]) -> Callable[[], None]:
        """Call `watcher(old, new)` after each swap; returns the function that ends it."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher) if watcher in self._watchers else None
