"""Credentials of people in memory, so that a warm call asks no database. Bounded; nothing here shows a token."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

MOST: Final = 50_000
"""Entries; beyond them the one unused for longest makes room."""

TRUSTED_SECONDS: Final = 60.0
"""A revocation anywhere is effective here within this time: an entry is used so long after the store confirmed it."""

CHECK_SECONDS: Final = 15.0
"""From this age on a use has the store asked in the background, so that a busy connection never waits for it."""

Fields = Mapping[str, str]
"""Header fields, names in lower case."""


class Warm:
    """One credential. Times are in the monotonic clock.

    `until` is when it must not be used any more: it expires, or was not confirmed. From `act_from` on a use should set
    something going in the background: a look at the store, or from `refresh_from` on a refresh. `renewed` tells that it
    came out of a refresh which a refusal had asked for. `act_from` is never later than `until`: one comparison tells
    that there is nothing to think about.
    """

    __slots__ = ("act_from", "expires", "fields", "refresh_from", "renewed", "until", "version")

    def __init__(
        self, fields: Fields, version: int, now: float, *, expires: float, refresh_from: float, renewed: bool
    ) -> None:
        self.fields = fields
        self.version = version
        self.expires = expires
        self.refresh_from = refresh_from
        self.renewed = renewed
        self.until = 0.0
        self.act_from = 0.0
        self.confirmed(now)

    def confirmed(self, now: float) -> None:
        """The store holds this very version."""
        self.until = min(self.expires, now + TRUSTED_SECONDS)
        self.act_from = min(self.refresh_from, now + CHECK_SECONDS, self.until)

    def later(self, now: float) -> None:
        """What was set going did not work out: not again before a while."""
        self.act_from = min(now + CHECK_SECONDS, self.until)

    def acting(self) -> None:
        """Something is going on in the background: not another before it has ended, or the time is up."""
        self.act_from = self.until

    def __repr__(self) -> str:
        return f"Warm({', '.join(self.fields)}, version={self.version})"


class Hot:
    """By principal and upstream. One for all upstreams of a process."""

    __slots__ = ("_entries", "_most", "clock")

    def __init__(self, *, most: int = MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._entries: OrderedDict[tuple[str, str], Warm] = OrderedDict()
        self.clock = clock

    def get(self, principal: str, upstream: str) -> Warm | None:
        """What is kept, good or not."""
        key = (principal, upstream)
        warm = self._entries.get(key)
        if warm is not None:
            self._entries.move_to_end(key)
        return warm

    def put(self, principal: str, upstream: str, warm: Warm) -> Warm:
        """Keep `warm` in the place of what was there."""
        self._entries[principal, upstream] = warm
        self._entries.move_to_end((principal, upstream))
        if len(self._entries) > self._most:
            self._entries.popitem(last=False)
        return warm

    def forget(self, principal: str, upstream: str) -> None:
        """The connection was replaced or ended: the next use reads the store."""
        self._entries.pop((principal, upstream), None)

    def forget_upstream(self, upstream: str) -> None:
        """The upstream was configured anew."""
        for key in [key for key in self._entries if key[1] == upstream]:
            del self._entries[key]

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Hot({len(self._entries)})"
