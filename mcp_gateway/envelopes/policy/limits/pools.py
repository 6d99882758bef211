"""Where calls are counted: what a stage asks of a store, and the store in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Sequence
from time import monotonic_ns
from typing import Final, NamedTuple, Protocol

from mcp_gateway.envelopes.policy.limits.rules import Rule

KEYS: Final = 100_000
"""The most pools of one rule that are kept, some 20 MB. Later ones share a pool while none of these is full again."""

_SWEEP: Final = 8
"""Pools that are looked at to make room for one: enough to shrink faster than new ones come, and soon done."""

_OVERFLOW: Final = b""


class Asked(NamedTuple):
    """One pool of one rule that must have room for a call."""

    rule: Rule
    key: bytes


class Pools(Protocol):
    """Counts calls. Everything asked in one go is decided at one moment."""

    @property
    def failures(self) -> int:
        """How often the store could not be asked."""
        ...

    @property
    def overflows(self) -> int:
        """How often a call was counted in a pool that it shares only for want of room."""
        ...

    def admit(self, asked: Sequence[Asked]) -> Sequence[int] | Awaitable[Sequence[int] | None] | None:
        """The microseconds to wait for each of `asked`, 0 where there is room; None if the store cannot be asked.

        A call is counted if no enforced rule refuses it; then in each pool that has room.
        """
        ...

    def keep(self, names: Collection[str]) -> None:
        """Forget the pools of all rules but those of these names."""
        ...

    async def close(self) -> None: ...


class MemoryPools:
    """Implements `Pools` for one process. `now` is in microseconds and never goes back."""

    __slots__ = ("_keys", "_now", "_rooms", "overflows")

    failures: Final = 0

    def __init__(self, *, keys: int = KEYS, now: Callable[[], int] = lambda: monotonic_ns() // 1_000) -> None:
        self._keys = keys
        self._now = now
        self._rooms: dict[str, OrderedDict[bytes, int]] = {}
        self.overflows = 0

    def __len__(self) -> int:
        return sum(map(len, self._rooms.values()))

    def admit(self, asked: Sequence[Asked]) -> Sequence[int]:
        now = self._now()
        waits: list[int] = []
        counted: list[tuple[OrderedDict[bytes, int], bytes, int]] = []
        refused = False
        for each in asked:
            room = self._rooms.get(each.rule.name)
            if room is None:
                room = self._rooms[each.rule.name] = OrderedDict()
            key = each.key if each.key in room else self._place(room, each, now)
            wait, full_at = each.rule.rate.ask(room.get(key, 0), now)
            waits.append(wait)
            if not wait:
                counted.append((room, key, full_at))
            elif each.rule.enforced:
                refused = True
        if not refused:
            for room, key, full_at in counted:
                room[key] = full_at
                room.move_to_end(key)
        return waits

    def keep(self, names: Collection[str]) -> None:
        for name in self._rooms.keys() - set(names):
            del self._rooms[name]

    async def close(self) -> None:
        self._rooms.clear()

    def _place(self, room: OrderedDict[bytes, int], asked: Asked, now: int) -> bytes:
        """The key to count under, one that is not known: its own if there is room for it."""
        if len(room) < self._keys:
            return asked.key
        for _ in range(min(_SWEEP, len(room))):
            oldest, full_at = next(iter(room.items()))
            if asked.rule.rate.full(full_at, now):
                del room[oldest]
            else:
                room.move_to_end(oldest)
        if len(room) < self._keys:
            return asked.key
        self.overflows += 1
        return _OVERFLOW
