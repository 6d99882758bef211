"""Access tokens that can be had without a person: kept while good, minted ahead of time and once for all who wait."""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, TypeVar

from mcp_gateway.core.errors import IdentityUnavailable
from mcp_gateway.core.flights import Flights
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.hot import Fields
from mcp_gateway.envelopes.identity.token_client import as_refusal
from mcp_gateway.envelopes.identity.token_wire import Issued, TokenError, bearer_fields

MOST: Final = 10_000
DEFAULT_SECONDS: Final = 300.0
"""How long a token is used whose server does not say how long it is good: it can be had again."""
YOUNG_SECONDS: Final = 5.0
"""A token that is refused so soon after it was minted is not replaced: another would be refused as well."""

_FATAL_SECONDS: Final = 10.0
_TRANSIENT_SECONDS: Final = 1.0

A = TypeVar("A")
Mint = Callable[[A], Coroutine[Any, Any, Issued]]
"""Gets a token for something. Raises `TokenError`."""


class Token:
    """One minted token. Times are in the monotonic clock; nothing of it is shown."""

    __slots__ = ("fields", "minted_at", "renew_from", "secret", "until")

    def __init__(self, secret: Secret, now: float, seconds: float) -> None:
        self.secret = secret
        self.fields: Fields = bearer_fields(secret)
        self.minted_at = now
        self.until = now + seconds - min(10.0, seconds * 0.1)
        self.renew_from = self.until - min(60.0, seconds * 0.25) * random.uniform(0.5, 1.0)

    def __repr__(self) -> str:
        return "Token()"


class Minted:
    """Tokens by key. A key holds everything that a token depends on."""

    def __init__(
        self,
        *,
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._most = most
        self._clock = clock
        self._wall = wall
        self._tokens: OrderedDict[bytes, Token] = OrderedDict()
        self._refusals: OrderedDict[bytes, tuple[float, TokenError]] = OrderedDict()
        self._flights: Flights[bytes, Token | TokenError] = Flights()

    def __len__(self) -> int:
        return len(self._tokens)

    def at_hand(self, key: bytes, mint: Mint[A], about: A) -> Token | None:
        """The token of `key` if it is good; close to its end another is minted in the background."""
        token = self._tokens.get(key)
        if token is None:
            return None
        now = self._clock()
        if now >= token.renew_from:
            if now >= token.until:
                return None
            token.renew_from = token.until
            self._flights.start(key, partial(self._mint, key, mint, about))
        self._tokens.move_to_end(key)
        return token

    async def obtain(self, key: bytes, mint: Mint[A], about: A, deadline: float) -> Token:
        """The same, minted if need be.

        Raises `TokenError` where the server refuses, `IdentityUnavailable` where it cannot be asked before `deadline`.
        """
        token = self.at_hand(key, mint, about)
        if token is not None:
            return token
        refusal = self._refusals.get(key)
        if refusal is not None and self._clock() < refusal[0]:
            outcome: Token | TokenError = refusal[1]
        else:
            try:
                async with asyncio.timeout_at(deadline):
                    outcome = await self._flights.join(key, partial(self._mint, key, mint, about))
            except TimeoutError:
                raise IdentityUnavailable("the authorization server did not answer in time") from None
        if isinstance(outcome, Token):
            return outcome
        if outcome.fatal:
            raise TokenError(outcome.message, fatal=True, sent=outcome.sent, code=outcome.code)
        raise as_refusal(outcome)

    def refuse(self, key: bytes, refused: Fields) -> bool:
        """A token was refused: it is used no more. False if another has no prospect: this one was only just minted."""
        token = self._tokens.get(key)
        if token is None or token.fields != refused:
            return True
        if self._clock() - token.minted_at < YOUNG_SECONDS:
            return False
        del self._tokens[key]
        return True

    def drop(self, key: bytes) -> None:
        """What is known of `key` no longer holds."""
        self._tokens.pop(key, None)
        self._refusals.pop(key, None)

    async def close(self) -> None:
        """Give up what is under way."""
        await self._flights.close()

    async def _mint(self, key: bytes, mint: Mint[A], about: A) -> Token | TokenError:
        wall = self._wall()
        try:
            issued = await mint(about)
        except TokenError as error:
            lasting = _FATAL_SECONDS if error.fatal else min(error.retry_after or _TRANSIENT_SECONDS, _FATAL_SECONDS)
            self._refusals[key] = (self._clock() + lasting, error)
            _bound(self._refusals, self._most)
            return error
        self._refusals.pop(key, None)
        seconds = DEFAULT_SECONDS if issued.expires_at is None else issued.expires_at - wall
        token = self._tokens[key] = Token(issued.access_token, self._clock(), seconds)
        _bound(self._tokens, self._most)
        return token


def _bound(kept: OrderedDict[bytes, Any], most: int) -> None:
    if len(kept) > most:
        kept.popitem(last=False)
