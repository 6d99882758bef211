"""The vault over a database: grants sealed one by one, changed only by compare-and-set.

A refresh token is redeemed at most once: who wants to sends it only after a claim on the row is durable, and a claim
that was not settled in time leaves the grant unusable rather than redeemable again. All times are the database's.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, Literal, TypeVar

import structlog
from sqlalchemy import ColumnElement, RowMapping, and_, delete, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mcp_gateway.core.errors import IdentityUnavailable
from mcp_gateway.core.seal import SealBroken
from mcp_gateway.core.state.database import Database, Work
from mcp_gateway.core.state.tables import GRANTS
from mcp_gateway.envelopes.identity.envelope import Envelopes
from mcp_gateway.envelopes.identity.grant_rows import (
    at,
    columns,
    connection,
    in_the_clear,
    next_version,
    opened,
    storable,
)
from mcp_gateway.envelopes.identity.stores import Connection, Grant, GrantKey, Status, Tokens

_TRIES: Final = 8
"""For changes that met another one. Each loss means that somebody else won, so this many in a row do not happen."""

_MOST_IDLE: Final = 10_000
"""Of claims that an outage left behind; beyond it they are forgotten, which costs a consent each."""

_log = structlog.get_logger("vault")

T = TypeVar("T")


class SealedVault:
    """Implements `stores.Vault` for one tenant.

    Versions start from the clock in milliseconds: a connection that is removed and made again never has a version
    that it had before, so nothing that was remembered, or is still under way, for the old one fits the new one.
    """

    __slots__ = ("_claims", "_database", "_envelopes", "_idle", "_tenant")

    def __init__(self, database: Database, envelopes: Envelopes, *, tenant: str) -> None:
        self._database = database
        self._envelopes = envelopes
        self._tenant = tenant
        self._claims: dict[tuple[GrantKey, int], str] = {}
        """Our claims. Each is a random text: another process, even one after a restart of this, has none of them."""
        self._idle: set[str] = set()
        """Claims that the database may hold and that nobody will use: taken or given back while it did not answer.
        Whoever asks next in this process may have one; without that, an outage would cost people a consent."""

    async def read(self, key: GrantKey) -> Grant | None:
        """The grant of `key`, opened."""
        if not storable(key.principal, key.upstream):
            return None
        row = await self._database.read(self._row(key))
        return None if row is None else self._opened(row)

    async def version(self, key: GrantKey) -> tuple[int, Status] | None:
        """The stored version and status, not opened."""
        if not storable(key.principal, key.upstream):
            return None
        asked = select(GRANTS.c.version, GRANTS.c.status).where(at(self._tenant, key))
        row = await self._database.read(_one(asked))
        return None if row is None else (row["version"], row["status"])

    async def store(self, grant: Grant) -> Grant:
        """Put `grant` in the place of what is there. Raises ValueError for text that no database could hold."""
        if not storable(grant.key.principal, grant.key.upstream, grant.issuer, grant.resource, grant.agent):
            raise ValueError("a grant holds characters that cannot be stored")

        async def work(on: AsyncConnection) -> Grant:
            for _ in range(_TRIES):
                stored = await self._replace(on, grant)
                if stored is not None:
                    return stored
            raise IdentityUnavailable("A connection is being changed by too many at once.")

        return await self._database.write(work)

    async def redeem(self, key: GrantKey, version: int, *, seconds: float) -> Literal["mine", "theirs", "changed"]:
        """Claim the right to redeem the refresh token of `version`."""
        token = secrets.token_hex(16)
        try:
            answer = await self._database.write(lambda on: self._redeem(on, key, version, token, seconds))
        except BaseException:
            self._leave(token)
            raise
        if answer == "mine":
            self._claims[key, version] = token
        return answer

    async def settle(self, key: GrantKey, version: int, tokens: Tokens) -> Grant | None:
        """Persist `tokens`, all of them, in the place of those of `version`."""
        return await self._changed(key, version, lambda grant: replace(grant, tokens=tokens))

    async def unclaim(self, key: GrantKey, version: int) -> None:
        """Give back a claim of this process."""
        token = self._claims.pop((key, version), None)
        if token is None:
            return
        mine = and_(at(self._tenant, key), GRANTS.c.version == version, GRANTS.c.claim == token)
        giving = update(GRANTS).where(mine).values(claim=None, claim_until=None)
        try:
            await self._database.write(lambda on: on.execute(giving))
        except BaseException:
            self._leave(token)
            raise

    async def exhaust(self, key: GrantKey, version: int) -> None:
        """Mark the grant of `version` as needing a person."""
        await self._changed(key, version, _needs_consent)

    async def connections(
        self,
        *,
        principal: str | None = None,
        upstream: str | None = None,
        after: GrantKey | None = None,
        most: int | None = None,
    ) -> Sequence[Connection]:
        """What is connected, in the order of principals and upstreams, from `after` on; nothing is opened."""
        if not storable(principal or "", upstream or ""):
            return ()
        asked = select(GRANTS).where(GRANTS.c.tenant == self._tenant)
        if principal is not None:
            asked = asked.where(GRANTS.c.principal == principal)
        if upstream is not None:
            asked = asked.where(GRANTS.c.upstream == upstream)
        if after is not None:
            if not storable(after.principal, after.upstream):
                return ()
            asked = asked.where(tuple_(GRANTS.c.principal, GRANTS.c.upstream) > (after.principal, after.upstream))
        if most is not None:
            asked = asked.limit(most)

        async def work(on: AsyncConnection) -> Sequence[RowMapping]:
            return (await on.execute(asked.order_by(GRANTS.c.principal, GRANTS.c.upstream))).mappings().all()

        return tuple(connection(row) for row in await self._database.read(work))

    async def delete(self, key: GrantKey) -> Grant | None:
        """Remove the row, data key and all. One that does not open is removed too and comes back without tokens."""
        if not storable(key.principal, key.upstream):
            return None
        row = await self._database.write(_one(delete(GRANTS).where(at(self._tenant, key)).returning(GRANTS)))
        if row is None:
            return None
        try:
            return opened(self._tenant, row, self._envelopes)
        except SealBroken:
            return in_the_clear(row)

    def _row(self, key: GrantKey) -> Work[RowMapping | None]:
        return _one(select(GRANTS, self._database.now.label("now")).where(at(self._tenant, key)))

    def _opened(self, row: RowMapping) -> Grant:
        """Fails closed: a row that was tampered with is neither used nor replaced without an administrator."""
        try:
            return opened(self._tenant, row, self._envelopes)
        except SealBroken:
            _log.error("a stored connection does not open", upstream=row["upstream"], version=row["version"])
            message = "A stored connection does not open; an administrator has to remove it."
        raise IdentityUnavailable(message, retry_after=60.0)

    async def _replace(self, on: AsyncConnection, grant: Grant) -> Grant | None:
        """One attempt to put `grant` in the place of what is there; None if somebody else changed that meanwhile."""
        here = at(self._tenant, grant.key)
        now = float(await on.scalar(select(self._database.now)) or 0.0)
        before: int | None = await on.scalar(select(GRANTS.c.version).where(here))
        version = max(int(now * 1000), (before or 0) + 1)
        new = replace(grant, version=version, created_at=now, updated_at=now)
        values = columns(self._tenant, new, self._envelopes)
        if before is None:
            done = await on.execute(self._database.insert(GRANTS).values(values).on_conflict_do_nothing())
        else:
            done = await on.execute(update(GRANTS).where(here, GRANTS.c.version == before).values(values))
        return new if done.rowcount else None

    async def _redeem(
        self, on: AsyncConnection, key: GrantKey, version: int, token: str, seconds: float
    ) -> Literal["mine", "theirs", "changed"]:
        here = and_(at(self._tenant, key), GRANTS.c.version == version, GRANTS.c.status == "active")
        claim = update(GRANTS).values(claim=token, claim_until=self._database.now + seconds)
        for _ in range(_TRIES):
            if (await on.execute(claim.where(here, GRANTS.c.claim.is_(None)))).rowcount:
                return "mine"
            row = await self._row(key)(on)
            if row is None or row["version"] != version or row["status"] != "active":
                return "changed"
            held = row["claim"]
            if held is None:
                continue  # it was given back meanwhile
            if held in self._idle:
                if (await on.execute(claim.where(here, GRANTS.c.claim == held))).rowcount:
                    return "mine"
            elif row["claim_until"] > row["now"]:
                return "theirs"
            elif await self._change(on, row, _needs_consent, GRANTS.c.claim == held):
                _log.warning("refresh lost", upstream=key.upstream, version=version)
                return "changed"
        return "theirs"

    def _leave(self, token: str) -> None:
        if len(self._idle) >= _MOST_IDLE:
            self._idle.clear()
        self._idle.add(token)

    async def _changed(self, key: GrantKey, version: int, alter: Callable[[Grant], Grant]) -> Grant | None:
        """Alter the grant if it is at `version` and nobody else has claimed it."""
        token = self._claims.pop((key, version), None)
        free = GRANTS.c.claim.is_(None) if token is None else or_(GRANTS.c.claim.is_(None), GRANTS.c.claim == token)

        async def work(on: AsyncConnection) -> Grant | None:
            row = await self._row(key)(on)
            if row is None or row["version"] != version:
                return None
            return await self._change(on, row, alter, free)

        return await self._database.write(work)

    async def _change(
        self, on: AsyncConnection, row: RowMapping, alter: Callable[[Grant], Grant], only_if: ColumnElement[bool]
    ) -> Grant | None:
        """Seal the grant of `row` anew as altered and let go of the claim; None if the row is no longer that."""
        grant = next_version(alter(self._opened(row)), row["now"])
        here = and_(at(self._tenant, grant.key), GRANTS.c.version == row["version"], only_if)
        done = await on.execute(update(GRANTS).where(here).values(columns(self._tenant, grant, self._envelopes)))
        return grant if done.rowcount else None


def _needs_consent(grant: Grant) -> Grant:
    return replace(grant, status="needs_consent")


def _one(statement: Any) -> Work[RowMapping | None]:
    async def work(on: AsyncConnection) -> RowMapping | None:
        return (await on.execute(statement)).mappings().one_or_none()

    return work
