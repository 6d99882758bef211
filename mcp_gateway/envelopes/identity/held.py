"""The stored credentials of people at one upstream: warm from memory, otherwise read once for all who wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NoReturn, Protocol

from mcp_gateway.core.errors import ConnectionRequired, IdentityUnavailable, Rejected
from mcp_gateway.core.flights import Flights
from mcp_gateway.envelopes.identity.hot import Fields, Hot, Warm
from mcp_gateway.envelopes.identity.stores import Grant, GrantKey, Vault

_REFUSED: Final = 50200
_CLOSING_SECONDS: Final = 5.0
_NEVER: Final = float("inf")
_JOINS: Final = 4
"""Flights that are joined for one credential: only the first few can be others', begun for another purpose."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """A person has to act. `scopes` are what the connection must grant."""

    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no credential now, or with `fatal` not as things are configured. The message is public."""

    message: str
    fatal: bool = False
    retry_after: float = 5.0


Outcome = Warm | Lacking | Failed


class Log(Protocol):
    """A structured logger: names and facts, never content or secrets."""

    def info(self, event: str, /, **facts: Any) -> Any: ...

    def warning(self, event: str, /, **facts: Any) -> Any: ...


class Reading(Protocol):
    """Makes something usable of what is stored."""

    async def __call__(self, key: GrantKey, *, refused: Fields | None, ahead: bool) -> Outcome:
        """The credential of `key` other than what was `refused`; with `ahead` the one in use still works.

        Raises `IdentityUnavailable`.
        """
        ...


class Held:
    """Keeps the memory (`hot`) true to the store and hides who else asks for the same at the same time."""

    __slots__ = ("_flights", "_hot", "_read", "_upstream", "_vault", "lacking")

    def __init__(self, upstream: str, *, vault: Vault, hot: Hot, read: Reading) -> None:
        self._upstream = upstream
        self._vault = vault
        self._hot = hot
        self._read = read
        self._flights: Flights[str, Outcome] = Flights()
        self.lacking = f"an account at {upstream} has to be connected first"

    def at_hand(self, principal: str) -> Fields | None:
        """What is in memory and good. Never waits; sets going in the background what a busy connection needs."""
        warm = self._hot.get(principal, self._upstream)
        if warm is None:
            return None
        now = self._hot.clock()
        if now >= warm.act_from:
            if now >= warm.until:
                return None
            warm.acting()
            self._flights.start(principal, partial(self._look, principal, warm))
        return warm.fields

    async def obtain(self, principal: str, deadline: float, *, refused: Fields | None = None) -> Fields:
        """A good one, other than what was `refused`.

        Raises `ConnectionRequired`, `IdentityUnavailable`, `Rejected` where the authorization server refuses for good.
        """
        warm = self._hot.get(principal, self._upstream)
        if refused is not None and warm is not None and warm.fields != refused and self._hot.clock() < warm.until:
            return warm.fields  # somebody has replaced it already
        try:
            async with asyncio.timeout_at(deadline):
                for _ in range(_JOINS):
                    outcome = await self._flights.join(principal, partial(self._load, principal, refused))
                    if not isinstance(outcome, Warm) or (
                        outcome.fields != refused and self._hot.clock() < outcome.until
                    ):
                        break
                    # Somebody else's flight, begun before the refusal was known or for what has just expired.
                else:
                    raise IdentityUnavailable("the credential for the upstream is being renewed", retry_after=1.0)
        except TimeoutError:
            raise IdentityUnavailable("the credential for the upstream was not had in time") from None
        if isinstance(outcome, Warm):
            return outcome.fields
        if isinstance(outcome, Lacking):
            self.lack(outcome.scopes)
        if outcome.fatal:
            raise Rejected(_REFUSED, outcome.message, upstream=self._upstream)
        raise IdentityUnavailable(outcome.message, retry_after=outcome.retry_after)

    def lack(self, scopes: tuple[str, ...] = ()) -> NoReturn:
        """Raises `ConnectionRequired`."""
        raise ConnectionRequired(self.lacking, upstream=self._upstream, scopes=scopes)

    def forget(self, principal: str) -> None:
        """What is in memory is of no use any more."""
        self._hot.forget(principal, self._upstream)

    def renewed(self, principal: str) -> bool:
        """Whether what is in memory came out of a refresh that a refusal had asked for."""
        warm = self._hot.get(principal, self._upstream)
        return warm is not None and warm.renewed

    async def close(self) -> None:
        """Let what is under way end: a refresh that is cut off costs its person a consent."""
        end = time.monotonic() + _CLOSING_SECONDS
        while len(self._flights) and time.monotonic() < end:
            await asyncio.sleep(0.02)
        await self._flights.close()

    async def _load(self, principal: str, refused: Fields | None, *, ahead: bool = False) -> Outcome:
        try:
            outcome = await self._read(GrantKey(principal, self._upstream), refused=refused, ahead=ahead)
        except IdentityUnavailable as error:
            return Failed(error.message, retry_after=error.retry_after)
        if isinstance(outcome, Warm):
            before = self._hot.get(principal, self._upstream)
            if before is not None and before.version == outcome.version:
                outcome.renewed = outcome.renewed or before.renewed
            return self._hot.put(principal, self._upstream, outcome)
        if isinstance(outcome, Lacking):
            self._hot.forget(principal, self._upstream)
        return outcome

    async def _look(self, principal: str, warm: Warm) -> Outcome:
        """In the background: is it still what the store holds, and is it time to refresh it?"""
        try:
            found = await self._vault.version(GrantKey(principal, self._upstream))
        except IdentityUnavailable:
            warm.later(self._hot.clock())  # it is used until it was not confirmed for too long
            return warm
        if found is not None and found == (warm.version, "active"):
            now = self._hot.clock()
            warm.confirmed(now)
            if now < warm.refresh_from:
                return warm
        elif found is None or found[1] != "active":
            self._hot.forget(principal, self._upstream)
            return Lacking()
        outcome = await self._load(principal, None, ahead=True)
        warm.later(self._hot.clock())
        return outcome


def warm_of(
    grant: Grant,
    fields: Mapping[str, str],
    *,
    now: float,
    wall: Callable[[], float] = time.time,
    renewed: bool = False,
    share: float = 1.0,
) -> Warm:
    """What is kept of `grant`. `now` is in the memory's clock; `share` (0 to 1) spreads refreshes over time.

    A token is not used in its last moments, since it has to arrive before it expires, and refreshed a while earlier.
    """
    expires = refresh_from = _NEVER
    if grant.tokens.expires_at is not None:
        left = grant.tokens.expires_at - wall()
        lifetime = max(grant.tokens.expires_at - (grant.updated_at or wall()), 1.0)
        expires = now + left - min(10.0, lifetime * 0.1)
        if grant.tokens.refresh_token is not None:
            refresh_from = expires - min(120.0, lifetime * 0.3) * (0.5 + share / 2)
    return Warm(fields, grant.version, now, expires=expires, refresh_from=refresh_from, renewed=renewed)
