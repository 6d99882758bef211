"""Sealing data keys anew under the first key, while everything is in use.

Only the sealed data keys change, one small batch at a time, and only those that nobody changed meanwhile. Any number
of replicas may do it at once, and it may stop anywhere: what is left is found by its key's id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import Column, RowMapping, Table, Update, bindparam, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mcp_gateway.core.seal import SealBroken
from mcp_gateway.core.state.database import Database
from mcp_gateway.core.state.tables import CANARIES, GRANTS, REGISTRATIONS
from mcp_gateway.envelopes.identity.canary import canary_parts
from mcp_gateway.envelopes.identity.envelope import Envelopes, Sealed
from mcp_gateway.envelopes.identity.grant_rows import bound_parts, in_the_clear
from mcp_gateway.envelopes.identity.registrations import registration_parts

_TABLES: Final = (GRANTS, REGISTRATIONS, CANARIES)
"""In their order: the canary goes last, so that it needs the old key as long as anything does."""

_log = structlog.get_logger("vault")


@dataclass(frozen=True, slots=True)
class KeyUse:
    """How many sealed rows need the first key of the ring, and how many another one."""

    first: int
    other: int


@dataclass(frozen=True, slots=True)
class _Batch:
    seen: int
    broken: int
    last: tuple[Any, ...] | None


class Rewrap:
    """Goes through the rows of one tenant from where it stopped; rows that do not open are logged and passed over."""

    __slots__ = ("_after", "_broken", "_database", "_envelopes", "_table", "_tenant")

    def __init__(self, database: Database, envelopes: Envelopes, *, tenant: str) -> None:
        self._database = database
        self._envelopes = envelopes
        self._tenant = tenant
        self._table = 0
        self._after: tuple[Any, ...] | None = None
        self._broken = 0

    async def some(self, limit: int) -> int:
        """Seal up to `limit` data keys anew; how many rows that was, 0 at the end of a pass (the next call begins one).

        Raises `IdentityUnavailable`.
        """
        old = self._envelopes.known - {self._envelopes.first}
        if not old:
            return 0
        while self._table < len(_TABLES):
            table = _TABLES[self._table]
            if table is CANARIES and self._broken:
                break  # they may open some day, with the key that the canary then still asks for
            batch = await self._batch(table, old, limit)
            self._broken += batch.broken
            self._after = batch.last
            if batch.seen:
                return batch.seen
            self._table += 1
        self._table, self._after, self._broken = 0, None, 0
        return 0

    async def use(self) -> KeyUse:
        """Count by key. Raises `IdentityUnavailable`."""

        async def work(on: AsyncConnection) -> Mapping[str, int]:
            found: dict[str, int] = {}
            for table in _TABLES:
                counted = select(table.c.kek, func.count()).where(table.c.tenant == self._tenant).group_by(table.c.kek)
                for kek, count in await on.execute(counted):
                    found[kek] = found.get(kek, 0) + count
            return found

        found = await self._database.read(work)
        first = found.get(self._envelopes.first, 0)
        return KeyUse(first=first, other=sum(found.values()) - first)

    async def _batch(self, table: Table, old: frozenset[str], limit: int) -> _Batch:
        keys = [column for column in table.primary_key.columns if column.name != "tenant"]
        asked = select(table).where(table.c.tenant == self._tenant, table.c.kek.in_(old))
        if keys and self._after is not None:
            asked = asked.where(tuple_(*keys) > tuple_(*self._after))

        async def read(on: AsyncConnection) -> Sequence[RowMapping]:
            # Mostly there is nothing, and without an order the index by key says so at once.
            if self._after is None and await on.scalar(asked.with_only_columns(table.c.kek).limit(1)) is None:
                return ()
            return (await on.execute(asked.order_by(*keys).limit(limit))).mappings().all()

        rows = await self._database.read(read)
        changes = [change for row in rows if (change := self._change(table, row)) is not None]
        if changes:
            await self._database.write(lambda on: on.execute(_update(table), changes))
        last = tuple(rows[-1][column.name] for column in keys) if rows and keys else None
        return _Batch(seen=len(rows), broken=len(rows) - len(changes), last=last)

    def _change(self, table: Table, row: RowMapping) -> dict[str, Any] | None:
        """The parameters of `_update` for a row; None if it does not open."""
        try:
            sealed = Sealed(row["kek"], row["wrapped"], row["sealed"])
            new = self._envelopes.rewrap(sealed, self._parts(table, row))
        except SealBroken:
            _log.error("a stored row does not open", table=table.name)
            return None
        same = {f"old_{column.name}": row[column.name] for column in _identity(table)}
        return same | {"new_kek": new.kek, "new_wrapped": new.wrapped}

    def _parts(self, table: Table, row: RowMapping) -> tuple[str, ...]:
        if table is GRANTS:
            return bound_parts(self._tenant, in_the_clear(row))
        if table is REGISTRATIONS:
            return registration_parts(self._tenant, row["upstream"], row["issuer"])
        return canary_parts(self._tenant)


def _identity(table: Table) -> list[Column[Any]]:
    """What says that a row is the one that was read: every change makes a new data key."""
    return [*table.primary_key.columns, table.c.kek, table.c.wrapped]


def _update(table: Table) -> Update:
    same = [column == bindparam(f"old_{column.name}") for column in _identity(table)]
    return update(table).where(*same).values(kek=bindparam("new_kek"), wrapped=bindparam("new_wrapped"))
