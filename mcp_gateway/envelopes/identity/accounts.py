"""Virtual accounts in the database. Keys are random and long, so a plain SHA-256 of one gives nothing away."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import RowMapping, and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.database import Database
from mcp_gateway.core.state.tables import ACCOUNT_KEYS, ACCOUNTS
from mcp_gateway.envelopes.identity.stores import AccountExists, VirtualAccount
from mcp_gateway.envelopes.identity.texts import names, read_names

PREFIX: Final = "mgk_"
"""What a key begins with, for people and for scanners of leaked secrets."""

_KEY: Final = re.compile(r"mgk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})", re.ASCII)
_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 32


class StoredAccounts:
    """Implements `stores.Accounts` for one tenant."""

    __slots__ = ("_database", "_tenant")

    def __init__(self, database: Database, *, tenant: str) -> None:
        self._database = database
        self._tenant = tenant

    async def find(self, key: Secret) -> VirtualAccount | None:
        """The account of `key`. What does not look like a key never reaches the database."""
        text = key.reveal()
        match = _KEY.fullmatch(text)
        if match is None:
            return None
        now, accounts, keys = self._database.now, ACCOUNTS.c, ACCOUNT_KEYS.c
        asked = (
            select(ACCOUNTS, keys.digest)
            .join(ACCOUNT_KEYS, and_(keys.tenant == accounts.tenant, keys.account == accounts.name))
            .where(keys.tenant == self._tenant, keys.key_id == match[1])
            .where(accounts.revoked_at.is_(None), or_(accounts.expires_at.is_(None), accounts.expires_at > now))
            .where(or_(keys.until.is_(None), keys.until > now))
        )

        async def work(on: AsyncConnection) -> RowMapping | None:
            return (await on.execute(asked)).mappings().one_or_none()

        row = await self._database.read(work)
        if row is None or not hmac.compare_digest(row["digest"], _digest(text)):
            return None
        return _account(row)

    async def create(self, account: VirtualAccount) -> Secret:
        """Store the account as made now and return its key. A name is never used again, not even after it was revoked:
        connections are kept by the name. Raises `AccountExists`."""
        values: dict[str, Any] = {
            "tenant": self._tenant,
            "name": account.name,
            "teams": names(account.teams),
            "scopes": names(account.scopes),
            "owner": account.owner,
            "created_at": self._database.now,
            "expires_at": account.expires_at,
        }
        insert = self._database.insert(ACCOUNTS).values(values).on_conflict_do_nothing()

        async def work(on: AsyncConnection) -> Secret:
            if not (await on.execute(insert)).rowcount:
                raise AccountExists
            return await self._new_key(on, account.name)

        return await self._database.write(work)

    async def rotate(self, name: str, *, grace: float = 0.0) -> Secret | None:
        """A new key; those before it end after `grace` seconds, or when they would have anyway. None if there is no
        such account or it is revoked."""
        now, here = self._database.now, self._named(name)
        mine = and_(ACCOUNT_KEYS.c.tenant == self._tenant, ACCOUNT_KEYS.c.account == name)
        rotated = update(ACCOUNTS).where(here, ACCOUNTS.c.revoked_at.is_(None)).values(rotated_at=now)
        ending = or_(ACCOUNT_KEYS.c.until.is_(None), ACCOUNT_KEYS.c.until > now + grace)

        async def work(on: AsyncConnection) -> Secret | None:
            if not (await on.execute(rotated)).rowcount:
                return None
            await on.execute(update(ACCOUNT_KEYS).where(mine, ending).values(until=now + grace))
            await on.execute(delete(ACCOUNT_KEYS).where(mine, ACCOUNT_KEYS.c.until <= now))
            return await self._new_key(on, name)

        return await self._database.write(work)

    async def revoke(self, name: str) -> bool:
        """End the account and its keys, now and for good. True as well if that was done before."""
        when = func.coalesce(ACCOUNTS.c.revoked_at, self._database.now)
        mine = and_(ACCOUNT_KEYS.c.tenant == self._tenant, ACCOUNT_KEYS.c.account == name)

        async def work(on: AsyncConnection) -> bool:
            done = await on.execute(update(ACCOUNTS).where(self._named(name)).values(revoked_at=when))
            await on.execute(delete(ACCOUNT_KEYS).where(mine))
            return bool(done.rowcount)

        return await self._database.write(work)

    async def list(self) -> Sequence[VirtualAccount]:
        """All accounts, revoked ones too, by name."""
        asked = select(ACCOUNTS).where(ACCOUNTS.c.tenant == self._tenant).order_by(ACCOUNTS.c.name)

        async def work(on: AsyncConnection) -> Sequence[RowMapping]:
            return (await on.execute(asked)).mappings().all()

        return tuple(_account(row) for row in await self._database.read(work))

    async def _new_key(self, on: AsyncConnection, name: str) -> Secret:
        key_id = secrets.token_hex(_ID_BYTES)
        key = Secret(f"{PREFIX}{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}")
        values = {"tenant": self._tenant, "key_id": key_id, "account": name, "digest": _digest(key.reveal())}
        await on.execute(self._database.insert(ACCOUNT_KEYS).values(values))
        return key

    def _named(self, name: str) -> Any:
        return and_(ACCOUNTS.c.tenant == self._tenant, ACCOUNTS.c.name == name)


def _digest(key: str) -> bytes:
    return sha256(key.encode()).digest()


def _account(row: RowMapping) -> VirtualAccount:
    return VirtualAccount(
        name=row["name"],
        teams=read_names(row["teams"]),
        scopes=read_names(row["scopes"]),
        owner=row["owner"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        rotated_at=row["rotated_at"],
    )
