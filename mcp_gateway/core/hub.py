"""Publish and subscribe inside the process: list changes and resource updates find their listeners."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Generic, TypeVar

E = TypeVar("E")


class Hub(Generic[E]):
    """Delivers each event to every listener, synchronously and in order. Listeners must not raise or wait."""

    __slots__ = ("_ids", "_listeners")

    def __init__(self) -> None:
        self._ids = count()
        self._listeners: dict[int, Callable[[E], None]] = {}

    def publish(self, event: E) -> None:
        """Hand `event` to the listeners of this moment."""
        for listener in tuple(self._listeners.values()):
            listener(event)

    def listen(self, listener: Callable[[E], None]) -> Callable[[], None]:
        """Start listening; returns the function that ends it (safe to call twice)."""
        key = next(self._ids)
        self._listeners[key] = listener

        def end() -> None:
            self._listeners.pop(key, None)

        return end

    def __len__(self) -> int:
        return len(self._listeners)
