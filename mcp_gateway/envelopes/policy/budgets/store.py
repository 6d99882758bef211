"""Where budgets are kept: what is asked of a store, and the store in memory.

An account holds two sums for each window: what is `held` back for what is under way, and what is `spent`. A process
that dies leaves what it held where it is: whether the money went is unknown then, so it counts until the window ends,
as if it had been spent. A settlement that comes late, however late, puts that right, and does so once.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, Protocol

from mcp_gateway.envelopes.policy.budgets.window import Window, number_of

ACCOUNTS: Final = 200_000
"""Most accounts in memory, some 60 MB. Beyond, those of windows that are over are forgotten."""


class Entry(NamedTuple):
    """One account that must have room for `amount`. `key` is the account's, of one limit of one budget."""

    key: bytes
    window: Window
    most: int
    amount: int
    enforced: bool


class Room(NamedTuple):
    """The window that an entry fell into, and whether there was room."""

    number: int
    fits: bool


class Change(NamedTuple):
    """What becomes of an entry: `held` is no longer held back, `spent` was spent.

    `number` is the window that it fell into; a store that remembers better than who asks goes by what it remembers.
    """

    key: bytes
    window: Window
    number: int
    held: int
    spent: int


class Store(Protocol):
    """Keeps accounts. Everything asked in one go is decided at one moment."""

    @property
    def failures(self) -> int:
        """How often the store could not be asked."""
        ...

    @property
    def overflows(self) -> int:
        """How often an account was forgotten for want of room."""
        ...

    def reserve(self, token: bytes, entries: Sequence[Entry]) -> Sequence[Room] | Awaitable[Sequence[Room] | None]:
        """Hold back all amounts under `token`, unless an enforced entry has no room.

        An entry that is not enforced is held back whether there is room or not; for nothing there always is room.
        None if the store cannot be asked, or did not answer: then something may be held back nevertheless.
        """
        ...

    def settle(self, token: bytes, changes: Sequence[Change]) -> Sequence[int] | Awaitable[Sequence[int] | None]:
        """Carry out `changes`, once for each `token`; what is spent in all then, for each of them.

        What is not held back under `token`, as the store knows, does not become less. None if the store cannot be
        asked; asking again changes nothing twice.
        """
        ...

    async def close(self) -> None: ...


class Sums:
    """Of one account in one window."""

    __slots__ = ("held", "spent")

    def __init__(self) -> None:
        self.held = 0
        self.spent = 0


_Place = tuple[bytes, Window, int]
"""An account, and the window of which kind and number: a plain tuple, because it is hashed for every request."""


class MemoryStore:
    """Implements `Store` for one process. `now` is in whole seconds since 1970."""

    __slots__ = ("_accounts", "_most", "_now", "_numbers", "_second", "overflows")

    failures: Final = 0

    def __init__(self, *, most: int = ACCOUNTS, now: Callable[[], int] = lambda: int(time.time())) -> None:
        self._most = most
        self._now = now
        self._accounts: dict[_Place, Sums] = {}
        self._second = 0
        self._numbers: dict[Window, int] = {}
        self.overflows = 0

    def __len__(self) -> int:
        return len(self._accounts)

    def reserve(self, token: bytes, entries: Sequence[Entry]) -> Sequence[Room]:
        now = self._now()
        if len(self._accounts) + len(entries) > self._most:  # not on the way: what was found would be forgotten
            self._forget()
        rooms: list[Room] = []
        found: list[tuple[Sums, int]] = []
        refused = False
        numbers = self._numbers
        if now != self._second:
            self._second = now
            numbers.clear()
        for key, window, most, amount, enforced in entries:
            number = numbers.get(window)
            if number is None:
                number = numbers[window] = number_of(window, now)
            sums = self._sums((key, window, number))
            fits = not amount or sums.held + sums.spent + amount <= most
            rooms.append(Room(number, fits))
            found.append((sums, amount))
            refused = refused or (enforced and not fits)
        if not refused:
            for sums, amount in found:
                sums.held += amount
        return rooms

    def settle(self, token: bytes, changes: Sequence[Change]) -> Sequence[int]:
        spent = []
        if len(self._accounts) + len(changes) > self._most:
            self._forget()
        for key, window, number, held, more in changes:
            sums = self._sums((key, window, number))
            sums.held -= held
            sums.spent += more
            spent.append(sums.spent)
        return spent

    async def close(self) -> None:
        self._accounts.clear()

    def _sums(self, place: _Place) -> Sums:
        sums = self._accounts.get(place)
        if sums is None:
            sums = self._accounts[place] = Sums()
        return sums

    def _forget(self) -> None:
        """Make room: what is over goes first, then the longest known of what nothing is held back of."""
        now = self._now()
        over = [place for place in self._accounts if place[2] < number_of(place[1], now)]
        for place in over:
            del self._accounts[place]
        excess = len(self._accounts) - self._most * 3 // 4
        if excess > 0:
            for place in [place for place, sums in self._accounts.items() if not sums.held][:excess]:
                del self._accounts[place]
                self.overflows += 1
