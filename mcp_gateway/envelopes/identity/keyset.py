"""Keys kept current: fetched once, refreshed by age, asked for again when an unknown one is named, trusted for so long.

Whatever comes, an issuer is asked at most once at a time; for unknown keys at most once in `COOLDOWN` seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from mcp_gateway.core.errors import IdentityUnavailable, UpstreamError
from mcp_gateway.core.flights import Flights, Interrupted
from mcp_gateway.envelopes.identity.keys import Keys, VerifyingKey

COOLDOWN: Final = 30.0
"""Seconds between two questions for unknown keys, and between attempts while known keys still serve."""

REFRESH: Final = 300.0
"""Age in seconds from which keys are refreshed in the background: so long a withdrawn key is still believed."""

RETRY: Final = 5.0
"""Seconds after a failure in which callers are answered without asking again."""


class Report(Protocol):
    """Told in a few words what went wrong with the keys; never holds content."""

    def __call__(self, problem: str) -> None: ...


class KeySet:
    """The keys of one issuer. Times are monotonic seconds.

    `version` changes with the keys. `due` is when `good` wants to be called next, in time for a refresh in the
    background, so that no caller waits for one while the issuer answers.
    """

    __slots__ = (
        "_clock",
        "_failing",
        "_flights",
        "_keys",
        "_load",
        "_max_stale",
        "_report",
        "_retry_at",
        "_sought",
        "_trusted_until",
        "due",
        "version",
    )

    def __init__(
        self,
        load: Callable[[], Coroutine[Any, Any, Keys]],
        *,
        max_stale: float,
        report: Report,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`load` fetches the keys and raises `UpstreamError`; fetched keys are trusted for `max_stale` seconds."""
        self._load = load
        self._max_stale = max_stale
        self._report = report
        self._clock = clock
        self._flights: Flights[None, None] = Flights()
        self._keys: Keys | None = None
        self._failing = False
        self._retry_at = self._sought = float("-inf")
        self._trusted_until = float("-inf")
        self.due = float("-inf")
        self.version = 0

    def good(self, now: float) -> bool:
        """Whether the keys may be relied on; begins a refresh when they are old enough. Never waits."""
        if now < self.due:
            return True
        if now >= self._trusted_until:
            return False
        self.due = min(now + COOLDOWN, self._trusted_until)
        self._flights.start(None, self._fetch)
        return True

    async def find(self, kid: str | None, algorithm: str) -> tuple[VerifyingKey, ...]:
        """The keys that may verify a token; none if the issuer has no such key.

        Raises `IdentityUnavailable` when that cannot be known: the issuer does not answer, and what it said is too old.
        """
        now = self._clock()
        fetched = not self.good(now)
        if fetched:
            await self._fetch_unless_hopeless(now)
        keys = self._held()
        if kid is None or keys.knows(kid):
            return keys.find(kid, algorithm)
        if fetched:
            self._sought = now
            return ()
        if None not in self._flights and now - self._sought < COOLDOWN:
            if self._failing:
                raise self._unavailable()
            return ()
        self._sought = now
        await self._join()
        return self._held().find(kid, algorithm)

    async def close(self) -> None:
        await self._flights.close()

    def _held(self) -> Keys:
        if self._keys is None:
            raise self._unavailable()
        return self._keys

    async def _fetch_unless_hopeless(self, now: float) -> None:
        if now < self._retry_at and None not in self._flights:
            raise self._unavailable()
        await self._join()

    async def _join(self) -> None:
        try:
            await self._flights.join(None, self._fetch)
        except Interrupted:
            raise self._unavailable() from None

    async def _fetch(self) -> None:
        try:
            keys = await self._load()
        except UpstreamError as error:
            self._failing = True
            self._retry_at = self._clock() + RETRY
            self._report(error.message)
            raise self._unavailable() from None
        now = self._clock()
        self._failing = False
        self._trusted_until = now + self._max_stale
        self.due = now + min(REFRESH, self._max_stale / 2)
        if self._keys is None or self._keys.digest != keys.digest:
            self._keys = keys
            self.version += 1

    def _unavailable(self) -> IdentityUnavailable:
        return IdentityUnavailable("the issuer of the token cannot be asked for its keys", retry_after=RETRY)
