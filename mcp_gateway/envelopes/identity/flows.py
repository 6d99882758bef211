"""What waits for a browser, in the database, so that it may come back to another replica than it left."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from sqlalchemy import and_, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mcp_gateway.core.seal import SealBroken, Sealer
from mcp_gateway.core.state.database import Database
from mcp_gateway.core.state.tables import FLOWS

MOST_SECONDS: Final = 600.0
"""The longest that a browser is waited for."""

MOST: Final = 100_000
"""Of flows for one tenant; beyond it the oldest go. Nobody who signs in has that many, but anybody may begin one."""

_SWEEP_EVERY: Final = 64
"""Puts between two sweeps, and so, times the replicas, how far beyond `MOST` the table may get."""


class StoredFlows:
    """Implements `stores.Flows` for one tenant."""

    __slots__ = ("_database", "_most", "_puts", "_sealer", "_tenant")

    def __init__(self, database: Database, sealer: Sealer, *, tenant: str, most: int = MOST) -> None:
        self._database = database
        self._sealer = sealer
        self._tenant = tenant
        self._most = most
        self._puts = 0

    async def put(self, id: str, payload: bytes, *, seconds: float) -> None:
        """Keep `payload` for `seconds`, ten minutes at most."""
        digest = _digest(id)
        sealed = self._sealer.seal(payload, self._bound(digest))
        until = self._database.now + min(seconds, MOST_SECONDS)
        values = {"tenant": self._tenant, "digest": digest, "sealed": sealed, "expires_at": until}
        insert = self._database.insert(FLOWS).values(values)
        new = {"sealed": insert.excluded.sealed, "expires_at": insert.excluded.expires_at}

        async def work(on: AsyncConnection) -> None:
            await on.execute(insert.on_conflict_do_update(index_elements=["tenant", "digest"], set_=new))

        await self._database.write(work)
        self._puts += 1
        if self._puts % min(_SWEEP_EVERY, self._most) == 0:
            await self.sweep()

    async def take(self, id: str) -> bytes | None:
        """The payload, removed in the same step: of two that ask at once, one gets it."""
        digest = _digest(id)
        fresh = (FLOWS.c.expires_at > self._database.now).label("fresh")
        here = and_(FLOWS.c.tenant == self._tenant, FLOWS.c.digest == digest)
        taking = delete(FLOWS).where(here).returning(FLOWS.c.sealed, fresh)

        async def work(on: AsyncConnection) -> str | None:
            row = (await on.execute(taking)).one_or_none()
            return row.sealed if row is not None and row.fresh else None

        sealed = await self._database.write(work)
        try:
            return None if sealed is None else self._sealer.open(sealed, self._bound(digest))
        except SealBroken:
            return None

    async def sweep(self) -> None:
        """Remove what has expired, and the oldest of what is too many."""
        ours = FLOWS.c.tenant == self._tenant
        expired = FLOWS.c.expires_at <= self._database.now
        newest = select(FLOWS.c.digest).where(ours).order_by(FLOWS.c.expires_at.desc(), FLOWS.c.digest)
        kept = newest.limit(self._most).subquery()

        async def work(on: AsyncConnection) -> None:
            await on.execute(delete(FLOWS).where(ours, expired))
            if (await on.scalar(newest.offset(self._most).limit(1))) is not None:
                await on.execute(delete(FLOWS).where(ours, FLOWS.c.digest.not_in(select(kept.c.digest))))

        await self._database.write(work)

    def _bound(self, digest: str) -> bytes:
        return f"{len(self._tenant)}:{self._tenant}:{digest}".encode()


def _digest(id: str) -> str:
    # Of whatever came in a URL: what is not text in UTF-8 was never put.
    return sha256(id.encode("utf-8", "surrogatepass")).hexdigest()
