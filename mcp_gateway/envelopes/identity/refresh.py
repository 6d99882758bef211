"""Refreshes stored tokens. A refresh token is redeemed at most once, whatever fails, by however many replicas.

Claimed in the store before it is sent, read again under the claim, the answer persisted before it is used. What cannot
be known (sent, and no answer) counts as redeemed: the person consents anew, which is better than an authorization
server that takes the second use of a token for theft and ends everything.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.state.lease import Lease
from mcp_gateway.envelopes.identity.held import Failed, Lacking, Log, Outcome, warm_of
from mcp_gateway.envelopes.identity.hot import Fields, Warm
from mcp_gateway.envelopes.identity.metadata import trust_in
from mcp_gateway.envelopes.identity.registration import Registrar
from mcp_gateway.envelopes.identity.stores import Grant, GrantKey, Vault
from mcp_gateway.envelopes.identity.token_client import SECONDS, Endpoint, TokenClient
from mcp_gateway.envelopes.identity.token_wire import PERSON_MUST_ACT, TokenError, bearer_fields

CLAIM_SECONDS: Final = SECONDS + 20.0
"""A claim outlives the request to the token endpoint and the writing of its answer, each with its time-out."""

_ROUNDS: Final = 4
_FIRST_LOOK: Final = 0.05
_LAST_LOOK: Final = 0.5
_MOST_PAUSED: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How one upstream's token endpoints may be reached: see `metadata.trust_in`."""

    written: tuple[str, ...] = ()
    allowed: Allowed = field(default_factory=Allowed)

    def endpoint(self, url: str) -> Endpoint:
        return Endpoint(url, trust_in(url, self.written), self.allowed)


class Refresh:
    """Makes usable what is stored for one upstream. Called as `held.Reading`, one call at a time for each person."""

    def __init__(
        self,
        *,
        vault: Vault,
        tokens: TokenClient,
        registrar: Registrar,
        lease: Lease,
        ways: Ways,
        fits: Callable[[Grant], bool],
        log: Log,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`fits` tells whether a grant is for the upstream as it is configured now. `clock` is that of the memory
        (`Hot`), `wall` gives Unix time."""
        self._vault = vault
        self._tokens = tokens
        self._registrar = registrar
        self._lease = lease
        self._ways = ways
        self._fits = fits
        self._log = log
        self._clock = clock
        self._wall = wall
        self._paused: OrderedDict[str, tuple[float, Failed]] = OrderedDict()

    async def __call__(self, key: GrantKey, *, refused: Fields | None, ahead: bool) -> Outcome:
        for _ in range(_ROUNDS):
            grant = await self._vault.read(key)
            if grant is None or grant.status != "active" or grant.tokens.access_token is None:
                return Lacking(grant.asked if grant is not None else ())
            if not self._fits(grant):
                return Lacking()
            fields = bearer_fields(grant.tokens.access_token)
            good = fields != refused and not self._expired(grant)
            if good and not ahead:
                return self._warm(grant)
            if grant.tokens.refresh_token is None or grant.client is None:
                return self._warm(grant) if good else await self._over(grant)
            paused = self._paused.get(key.principal)
            if paused is not None and self._clock() < paused[0]:
                return self._warm(grant) if good else paused[1]
            outcome = await self._redeem(grant, renewed=refused is not None, good=good)
            if outcome is not None:
                return outcome
        return Failed("the credential for the upstream keeps changing")

    async def _redeem(self, grant: Grant, *, renewed: bool, good: bool) -> Outcome | None:
        """One attempt; None when somebody else has changed the grant, so that it has to be read again."""
        lease = f"refresh:{grant.key.upstream}:{grant.key.principal}"
        if not await self._lease.acquire(lease, CLAIM_SECONDS):
            return self._warm(grant) if good else await self._changed_by_others(grant)
        try:
            claim = await self._vault.redeem(grant.key, grant.version, seconds=CLAIM_SECONDS)
            if claim == "changed":
                return None
            if claim == "theirs":
                return self._warm(grant) if good else await self._changed_by_others(grant)
            claimed = await self._vault.read(grant.key)
            if claimed is None or claimed.version != grant.version:
                return None
            return await self._post(claimed, renewed=renewed, good=good)
        finally:
            await self._lease.release(lease)

    async def _post(self, grant: Grant, *, renewed: bool, good: bool) -> Outcome | None:
        """Send the refresh token, which is ours alone now, and persist the answer before anybody uses it."""
        refresh_token, client = grant.tokens.refresh_token, grant.client
        if refresh_token is None or client is None:
            return await self._over(grant)
        params = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.reveal())]
        if grant.resource:
            params.append(("resource", grant.resource))
        try:
            issued = await self._tokens.ask(self._ways.endpoint(grant.token_url), client, params)
        except TokenError as error:
            return await self._not_given(grant, error, good=good)
        tokens = issued.tokens(grant.tokens.scopes, refresh_token=refresh_token)
        settled = await self._vault.settle(grant.key, grant.version, tokens)
        if settled is None:
            return None  # disconnected or connected anew meanwhile: what was given is not used
        self._log.info("token refreshed", principal=grant.key.principal, upstream=grant.key.upstream)
        return self._warm(settled, renewed=renewed)

    async def _not_given(self, grant: Grant, error: TokenError, *, good: bool) -> Outcome:
        self._log.warning(
            "token not refreshed",
            principal=grant.key.principal,
            upstream=grant.key.upstream,
            error=error.code or ("no answer" if error.sent else "out of reach"),
        )
        unknown = bool(grant.client) and error.code == "invalid_client"
        if unknown and grant.client is not None:
            unknown = await self._registrar.disown(grant.key.upstream, grant.client)
        if error.sent or error.code in PERSON_MUST_ACT or unknown:
            return await self._over(grant)
        await self._vault.unclaim(grant.key, grant.version)
        failed = Failed(error.message, fatal=error.fatal, retry_after=error.retry_after or 5.0)
        self._pause(grant.key.principal, failed)
        return self._warm(grant) if good else failed

    async def _over(self, grant: Grant) -> Lacking:
        """Nothing can be made of this grant any more."""
        await self._vault.exhaust(grant.key, grant.version)
        return Lacking(grant.asked)

    async def _changed_by_others(self, grant: Grant) -> Outcome | None:
        """Another process redeems the token: wait for what it stores, or for its claim to run out."""
        end = self._clock() + CLAIM_SECONDS
        look = _FIRST_LOOK
        while self._clock() < end:
            await asyncio.sleep(look * random.uniform(0.8, 1.2))
            look = min(look * 2, _LAST_LOOK)
            if await self._vault.version(grant.key) != (grant.version, "active"):
                return None
        return None

    def _pause(self, principal: str, failed: Failed) -> None:
        """Who asks again at once gets the same answer: a server in trouble is not helped by more requests."""
        wait = min(failed.retry_after, 30.0) if failed.retry_after else 1.0
        self._paused[principal] = (self._clock() + min(wait, 5.0) * random.uniform(0.5, 1.0), failed)
        self._paused.move_to_end(principal)
        if len(self._paused) > _MOST_PAUSED:
            self._paused.popitem(last=False)

    def _expired(self, grant: Grant) -> bool:
        now = self._clock()
        return warm_of(grant, {}, now=now, wall=self._wall).expires <= now

    def _warm(self, grant: Grant, *, renewed: bool = False) -> Warm:
        assert grant.tokens.access_token is not None
        fields = bearer_fields(grant.tokens.access_token)
        return warm_of(grant, fields, now=self._clock(), wall=self._wall, renewed=renewed, share=random.random())
