"""The gateway's own registrations at authorization servers, sealed as grants are: a client secret may be in them."""

from __future__ import annotations

import structlog
from sqlalchemy import ColumnElement, RowMapping, and_, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mcp_gateway.core.seal import SealBroken
from mcp_gateway.core.state.database import Database
from mcp_gateway.core.state.tables import REGISTRATIONS
from mcp_gateway.envelopes.identity.envelope import Envelopes, Sealed
from mcp_gateway.envelopes.identity.stores import ClientRegistration
from mcp_gateway.envelopes.identity.texts import read_registration, registration_text

_log = structlog.get_logger("vault")


def registration_parts(tenant: str, upstream: str, issuer: str) -> tuple[str, ...]:
    """What a registration's text is bound to."""
    return ("registration", tenant, upstream, issuer)


class StoredRegistrations:
    """Implements `stores.Registrations` for one tenant."""

    __slots__ = ("_database", "_envelopes", "_tenant")

    def __init__(self, database: Database, envelopes: Envelopes, *, tenant: str) -> None:
        self._database = database
        self._envelopes = envelopes
        self._tenant = tenant

    async def get(self, upstream: str, issuer: str) -> ClientRegistration | None:
        """The registration at `issuer`. One that does not open is as good as none: the gateway registers again."""
        asked = select(REGISTRATIONS).where(self._at(upstream, issuer))

        async def work(on: AsyncConnection) -> RowMapping | None:
            return (await on.execute(asked)).mappings().one_or_none()

        row = await self._database.read(work)
        if row is None:
            return None
        try:
            sealed = Sealed(row["kek"], row["wrapped"], row["sealed"])
            return read_registration(self._envelopes.open(sealed, registration_parts(self._tenant, upstream, issuer)))
        except SealBroken:
            _log.error("a stored registration does not open", upstream=upstream)
            return None

    async def put(self, upstream: str, registration: ClientRegistration) -> None:
        """Put `registration` in the place of an earlier one at the same issuer."""
        parts = registration_parts(self._tenant, upstream, registration.issuer)
        sealed = self._envelopes.seal(registration_text(registration), parts)
        new = {"kek": sealed.kek, "wrapped": sealed.wrapped, "sealed": sealed.text}
        where = {"tenant": self._tenant, "upstream": upstream, "issuer": registration.issuer}
        insert = self._database.insert(REGISTRATIONS).values(where | new)

        async def work(on: AsyncConnection) -> None:
            await on.execute(insert.on_conflict_do_update(index_elements=list(where), set_=new))

        await self._database.write(work)

    async def drop(self, upstream: str, issuer: str) -> None:
        """Forget the registration at `issuer`."""

        async def work(on: AsyncConnection) -> None:
            await on.execute(delete(REGISTRATIONS).where(self._at(upstream, issuer)))

        await self._database.write(work)

    def _at(self, upstream: str, issuer: str) -> ColumnElement[bool]:
        columns = REGISTRATIONS.c
        return and_(columns.tenant == self._tenant, columns.upstream == upstream, columns.issuer == issuer)
