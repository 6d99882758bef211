"""Are these the keys? Asked at start, of a text that was sealed when the tenant was first seen."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from mcp_gateway.core.errors import ConfigurationError, Problem
from mcp_gateway.core.seal import SealBroken
from mcp_gateway.core.state.database import Database
from mcp_gateway.core.state.tables import CANARIES, GRANTS, REGISTRATIONS
from mcp_gateway.envelopes.identity.envelope import Envelopes, Sealed

_KNOWN: Final = b"the canary sings"


def canary_parts(tenant: str) -> tuple[str, ...]:
    """What the canary is bound to."""
    return ("canary", tenant)


async def check_keys(database: Database, envelopes: Envelopes, *, tenant: str) -> None:
    """Return if the ring opens what is stored for `tenant`. Changes nothing but to seal a canary where none is.

    Raises `ConfigurationError` if a key is missing or wrong, `IdentityUnavailable` if the database cannot be asked.
    """

    async def look(on: AsyncConnection) -> tuple[Sealed | None, frozenset[str]]:
        row = (await on.execute(select(CANARIES).where(CANARIES.c.tenant == tenant))).mappings().one_or_none()
        used: set[str] = set()
        for table in (GRANTS, REGISTRATIONS):
            used.update(await on.scalars(select(table.c.kek).where(table.c.tenant == tenant).distinct()))
        return (None if row is None else Sealed(row["kek"], row["wrapped"], row["sealed"])), frozenset(used)

    async def seal(on: AsyncConnection) -> None:
        sealed = envelopes.seal(_KNOWN, canary_parts(tenant))
        values = {"tenant": tenant, "kek": sealed.kek, "wrapped": sealed.wrapped, "sealed": sealed.text}
        # Replicas that start together: the first one's stays, and the others are held to it.
        await on.execute(database.insert(CANARIES).values(values).on_conflict_do_nothing())

    canary, used = await database.read(look)
    if canary is None and used <= envelopes.known:
        await database.write(seal)
        canary, used = await database.read(look)
    if canary is None or not _opens(envelopes, canary, tenant):
        raise _wrong("no key of the ring opens what is stored in the database: the key is missing or wrong")
    if not used <= envelopes.known:
        raise _wrong("some of what is stored in the database is sealed with a key that the ring no longer has")


def _opens(envelopes: Envelopes, canary: Sealed, tenant: str) -> bool:
    try:
        return envelopes.open(canary, canary_parts(tenant)) == _KNOWN
    except SealBroken:
        return False


def _wrong(message: str) -> ConfigurationError:
    hint = "put the earlier key back, after the new one if that is to replace it; nothing was changed"
    return ConfigurationError([Problem("state.encryption_keys", 0, 0, message, hint)])
